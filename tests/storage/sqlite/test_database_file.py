import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from trackd.storage.sqlite.connection import DatabaseError
from trackd.storage.sqlite.database import open_for_writing
from trackd.storage.sqlite.database_file import check_one_name, create_missing

MOUNT = ["unshare", "--user", "--map-root-user", "--mount"]
CHECK = """
import sys
from pathlib import Path
from trackd.storage.sqlite.database_file import check_one_name
check_one_name(Path(sys.argv[1]))
"""


def can_mount() -> bool:
    """Whether this user may mount in a namespace of its own: some systems forbid it."""
    return bool(shutil.which("unshare")) and subprocess.run([*MOUNT, "true"], stderr=subprocess.DEVNULL).returncode == 0


def test_a_missing_file_is_made_once(tmp_path: Path) -> None:
    assert create_missing(tmp_path / "trackd.db")
    (tmp_path / "trackd.db").write_text("full")
    assert not create_missing(tmp_path / "trackd.db")
    assert (tmp_path / "trackd.db").read_text() == "full"


def test_a_link_that_leads_nowhere_gets_its_target(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to("trackd.db")
    assert create_missing(tmp_path / "link.db")
    assert (tmp_path / "trackd.db").exists()


def test_a_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"trackd\.db cannot be opened for writing \(No such file or directory\)"):
        create_missing(tmp_path / "nowhere" / "trackd.db")


def test_a_file_with_one_name_is_sound_and_a_symbolic_link_is_no_second_one(tmp_path: Path) -> None:
    (tmp_path / "trackd.db").touch()
    (tmp_path / "link.db").symlink_to("trackd.db")
    for name in ("trackd.db", "link.db", "missing.db"):
        check_one_name(tmp_path / name)


def test_a_hard_link_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    database, other = tmp_path / "trackd.db", tmp_path / "other.db"
    open_for_writing(database).close()
    other.hardlink_to(database)
    content = database.read_bytes()

    for path in (database, other):
        for create in (False, True):
            with pytest.raises(DatabaseError, match=rf"{path.name} cannot be used, the file has 2 names"):
                open_for_writing(path, create=create)

    assert {path.name for path in tmp_path.iterdir()} == {"other.db", "trackd.db"}
    assert database.read_bytes() == content
    other.unlink()
    open_for_writing(database).close()


@pytest.mark.skipif(not can_mount(), reason="needs a namespace of mounts")
def test_a_file_that_is_mounted_without_its_folder_is_refused(tmp_path: Path) -> None:
    """Both lie on one device, as in containers whose root is on the disk of the file."""
    for name in ("inside", "outside"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "trackd.db").touch()
    mounts = 'mount --bind outside/trackd.db inside/trackd.db && exec "$0" -c "$1" inside/trackd.db'
    run = subprocess.run(
        [*MOUNT, "sh", "-c", mounts, sys.executable, CHECK], cwd=tmp_path, capture_output=True, text=True
    )
    assert "inside/trackd.db cannot be used, the file is mounted without its folder" in run.stderr

    folder = 'mount --bind outside inside && exec "$0" -c "$1" inside/trackd.db'
    run = subprocess.run(
        [*MOUNT, "sh", "-c", folder, sys.executable, CHECK], cwd=tmp_path, capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.skipif(not can_mount(), reason="needs a namespace of mounts")
@pytest.mark.parametrize("first", ["true", "mount -t tmpfs none /proc"], ids=["mounts are named", "and are not"])
def test_a_file_of_an_overlay_is_not_refused_though_its_device_is_another(tmp_path: Path, first: str) -> None:
    """As on the root of a container. Without /proc no mounts are named, and gVisor never does."""
    overlay = (
        'mount -t tmpfs none . && cd . && mkdir lower all && mount -t tmpfs none lower && cd "$PWD" && '
        "mkdir upper work && mount -t overlay none all -o xino=off,userxattr,lowerdir=lower,upperdir=upper,workdir=work"
        " && touch all/trackd.db || exit 75"
    )
    check = f'{overlay}; stat -c %d all all/trackd.db; {first}; exec "$0" -c "$1" all/trackd.db'
    run = subprocess.run(
        [*MOUNT, "sh", "-c", check, sys.executable, CHECK], cwd=tmp_path, capture_output=True, text=True
    )
    if run.returncode == 75:
        pytest.skip("this system lets users mount no overlay")
    assert (run.returncode, run.stderr) == (0, "")
    assert len(set(run.stdout.split())) == 2
