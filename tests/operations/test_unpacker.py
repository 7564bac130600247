"""The one file: it unpacks itself once, and becomes the program, here a script. It leaves nothing that grows."""

import os
import platform
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.binary_build import BUILD
from tests.support.polling import wait_until
from tests.support.unprivileged import NOBODY, folder_for_all

SCRIPT = '#!/bin/sh\necho "$$ $(dirname "$0") $(umask) $*"\n'
NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-euc"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the binary is for Linux")

Make = Callable[..., Path]


def can_mount() -> bool:
    return subprocess.run([*NAMESPACE, "mount -t tmpfs tmpfs /tmp"], capture_output=True).returncode == 0


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a file `NAME` that unpacks a script in place of the program."""

    def made(
        name: str = "trackd", script: str = SCRIPT, version: str = "1.0", arch: str = "", glibc: str = "2.17"
    ) -> Path:
        folder = tmp_path / f"content of {name}"
        (folder / "_internal").mkdir(parents=True)
        (folder / "_internal" / "data").write_text(version)
        (folder / "trackd").write_text(script)
        (folder / "trackd").chmod(0o755)
        file, machine = tmp_path / name, arch or platform.machine()
        archive = BUILD.packed(folder, f"trackd-{version}-linux-{machine}")
        file.write_bytes(BUILD.one_file(archive, folder, version, machine, glibc))
        file.chmod(0o755)
        return file

    return made


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def start(file: Path, *arguments: str, **environment: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run the file to its end with these variables alone."""
    variables = {"PATH": os.environ["PATH"]} | {name: str(value) for name, value in environment.items()}
    return subprocess.run([file, *arguments], env=variables, capture_output=True, text=True, timeout=60)


def unpacked(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "trackd").iterdir())


def test_a_start_becomes_the_program_with_its_arguments_in_the_same_process(make: Make, cache: Path) -> None:
    process = subprocess.Popen(
        [make(), "serve", "a b", ""],
        env={"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(cache)},
        stdout=-1,
        umask=0o27,
    )
    out = process.communicate(timeout=60)[0].decode()
    [name] = [name for name in unpacked(cache) if name != ".lock"]
    assert out == f"{process.pid} {cache}/trackd/{name} 0027 serve a b \n"
    assert process.returncode == 0


def test_the_second_start_unpacks_nothing(make: Make, cache: Path) -> None:
    file = make()
    assert start(file, XDG_CACHE_HOME=cache).returncode == 0
    before = [(path, path.stat().st_mtime_ns) for path in sorted(cache.rglob("*"))]
    assert start(file, XDG_CACHE_HOME=cache).returncode == 0
    assert [(path, path.stat().st_mtime_ns) for path in sorted(cache.rglob("*"))] == before


def test_the_folder_is_for_its_user_alone(make: Make, cache: Path) -> None:
    start(make(), XDG_CACHE_HOME=cache)
    assert stat.S_IMODE((cache / "trackd").stat().st_mode) == 0o700


def test_many_first_starts_at_once_unpack_one_folder(make: Make, cache: Path) -> None:
    file = make()
    variables = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(cache)}
    starts = [subprocess.Popen([file, str(number)], env=variables, stdout=-1, stderr=-1) for number in range(12)]
    outputs = [process.communicate(timeout=60) for process in starts]
    assert [(out.split()[-1].decode(), errors) for out, errors in outputs] == [(str(n), b"") for n in range(12)]
    assert len(unpacked(cache)) == 2  # and the lock


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"HOME": "home"}, "home/.cache/trackd"),
        ({"HOME": "missing", "TMPDIR": "tmp"}, f"tmp/trackd-{os.getuid()}"),
        ({"TMPDIR": "tmp"}, f"tmp/trackd-{os.getuid()}"),
        ({"XDG_CACHE_HOME": "tmp", "HOME": "home"}, "tmp/trackd"),
    ],
)
def test_the_place_is_a_folder_of_the_user_or_one_for_temporary_files(
    make: Make, tmp_path: Path, variables: dict[str, str], place: str
) -> None:
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    done = start(make(), **{name: tmp_path / value for name, value in variables.items()})
    assert f" {tmp_path / place}/trackd-1.0-" in done.stdout, done.stderr
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("lost", ["_internal/data", "trackd"])
def test_a_folder_from_which_a_file_was_removed_is_unpacked_again(make: Make, cache: Path, lost: str) -> None:
    file = make()
    start(file, XDG_CACHE_HOME=cache)
    [path] = cache.glob(f"trackd/trackd-*/{lost}")
    path.unlink()
    assert start(file, XDG_CACHE_HOME=cache).returncode == 0
    assert path.exists()


def test_what_a_killed_start_left_is_removed_by_the_next_one_that_unpacks(make: Make, cache: Path) -> None:
    start(make(), XDG_CACHE_HOME=cache)
    (cache / "trackd" / ".part.abcdef").mkdir()
    start(make("new", version="2.0"), XDG_CACHE_HOME=cache)
    assert [name[:10] for name in unpacked(cache)] == [".lock", "trackd-2.0"]


@pytest.fixture
def running(make: Make, cache: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A program of version 1.0 that runs, in the cache."""
    variables = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(cache)}
    process = subprocess.Popen([make("old", "#!/bin/sh\necho ready; exec cat\n")], env=variables, stdin=-1, stdout=-1)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    yield process
    process.kill()
    process.communicate()


def test_the_folder_of_another_version_is_removed_unless_it_runs(
    make: Make, cache: Path, running: "subprocess.Popen[bytes]"
) -> None:
    start(make("new", version="2.0"), XDG_CACHE_HOME=cache)
    assert [name[:10] for name in unpacked(cache)] == [".lock", "trackd-1.0", "trackd-2.0"]
    running.kill()
    running.wait()
    start(make("newest", version="3.0"), XDG_CACHE_HOME=cache)
    assert [name[:10] for name in unpacked(cache)] == [".lock", "trackd-3.0"]


def test_no_process_stands_beside_the_program(running: "subprocess.Popen[bytes]") -> None:
    process = Path(f"/proc/{running.pid}")
    wait_until(lambda: (process / "exe").resolve().name == "cat", "the script has become cat")
    assert (process / "task" / str(running.pid) / "children").read_text() == ""


def test_a_folder_of_others_is_not_used(make: Make, tmp_path: Path) -> None:
    for name in ("open", "elsewhere", "linked"):
        (tmp_path / name).mkdir()
    (tmp_path / "open" / "trackd").mkdir()
    (tmp_path / "open" / "trackd").chmod(0o777)
    (tmp_path / "linked" / "trackd").symlink_to(tmp_path / "elsewhere")
    for name in ("open", "linked"):
        done = start(make(f"file {name}"), XDG_CACHE_HOME=tmp_path / name, TMPDIR=tmp_path)
        assert f" {tmp_path}/trackd-" in done.stdout
        assert len(list((tmp_path / name / "trackd").iterdir())) == 0


def no_folder(file: Path, options: str) -> "subprocess.CompletedProcess[str]":
    """Start it where all folders are mounted with these options."""
    script = f"""
        mount -t tmpfs tmpfs /mnt; cp "$0" /mnt/trackd
        mount -t tmpfs -o {options} tmpfs /var/tmp; mount -t tmpfs -o {options} tmpfs /tmp
        unset HOME TMPDIR XDG_CACHE_HOME; exec /mnt/trackd
    """
    return subprocess.run([*NAMESPACE, script, file], capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(not can_mount(), reason="this user may make no namespaces")
@pytest.mark.parametrize(("options", "why"), [("noexec", "no program may be run"), ("ro", "cannot be made")])
def test_where_nothing_can_be_unpacked_one_sentence_names_the_variable_to_set(
    make: Make, options: str, why: str
) -> None:
    done = no_folder(make(), options)
    assert done.returncode == 1
    assert why in done.stderr
    assert done.stderr.endswith("programs may be run.\n")
    assert done.stderr.count("\n") == 1
    assert "Set XDG_CACHE_HOME to a folder" in done.stderr


def test_a_file_that_is_cut_is_reported(make: Make, cache: Path) -> None:
    file = make()
    os.truncate(file, file.stat().st_size - 1)
    done = start(file, XDG_CACHE_HOME=cache)
    assert (done.returncode, done.stderr) == (1, f"trackd: {file} is damaged or cannot be read.\n")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"arch": "vax"}, "this file is for vax, and this machine is "),
        ({"glibc": "2.999"}, "this file needs glibc 2.999, and this machine has 2."),
    ],
)
def test_another_machine_is_reported(make: Make, cache: Path, options: dict[str, str], sentence: str) -> None:
    done = start(make(**options), XDG_CACHE_HOME=cache)
    assert (done.returncode, done.stderr.startswith(f"trackd: {sentence}")) == (1, True), done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_a_user_without_a_home_uses_the_folder_for_temporary_files(make: Make) -> None:
    with folder_for_all() as folder:
        folder.chmod(0o1777)
        file = folder / "trackd"
        file.write_bytes(make().read_bytes())
        file.chmod(0o755)
        variables = {"PATH": "/usr/bin:/bin", "TMPDIR": str(folder), "HOME": "/nonexistent"}
        done = subprocess.run([file], user=NOBODY, env=variables, capture_output=True, text=True, timeout=60)
        assert f" {folder}/trackd-{NOBODY}/trackd-1.0-" in done.stdout, done.stderr
