"""Which file system a path lies on, from what Linux, macOS and BSD list."""

from pathlib import Path

import pytest

from trackd.storage.doctor.mounts import Mount, deepest, mount_of, of_bsd, of_linux

LINUX = r"""
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
31 27 0:31 / /mnt/my\040disk ro,nosuid shared:7 master:2 - nfs4 files:/export\134x rw,vers=4.2
32 27 0:32 / /mnt rw - tmpfs none rw,size=64k
33 27 0:33 /a /mnt rw - overlay overlay rw,lowerdir=/a,upperdir=/var/lib/docker/overlay2/x/diff,workdir=/w
broken line
"""
MACOS = """\
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
devfs on /dev (devfs, local, nobrowse)
/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse, protect)
//me@files/share on /Volumes/my share (smbfs, nodev, nosuid, mounted by me)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
"""


def test_the_mounts_of_linux_are_read_with_their_escapes_and_both_kinds_of_options() -> None:
    root, nfs, tmpfs, overlay = of_linux(LINUX)
    assert root == Mount(27, "/", "ext4", "/dev/vda", frozenset({"rw", "relatime", "discard"}))
    assert nfs == Mount(31, "/mnt/my disk", "nfs4", r"files:/export\x", frozenset({"ro", "nosuid", "vers=4.2"}), "/")
    assert (tmpfs.kind, overlay.kind, overlay.root) == ("tmpfs", "overlay", "/a")
    assert "upperdir=/var/lib/docker/overlay2/x/diff" in overlay.options


def test_the_mounts_of_macos_are_read() -> None:
    root, _, data, share, home = of_bsd(MACOS)
    assert (root.kind, "ro" in root.options, data.kind, "ro" in data.options) == ("apfs", True, "apfs", False)
    assert (share.point, share.kind, share.source) == ("/Volumes/my share", "smbfs", "//me@files/share")
    assert home.kind == "autofs"


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/srv/x", "ext4"), ("/mnt", "overlay"), ("/mnt/x", "overlay"), ("/mnt/my disk/x", "nfs4"), ("/mntx", "ext4")],
)
def test_a_path_is_on_the_deepest_mount_above_it_and_the_last_one_there(path: str, kind: str) -> None:
    mount = deepest(list(of_linux(LINUX)), Path(path))
    assert mount is not None
    assert mount.kind == kind


def test_the_mount_of_a_folder_here_is_found(tmp_path: Path) -> None:
    mount = mount_of(tmp_path)
    assert mount is not None
    assert tmp_path.resolve().is_relative_to(mount.point)


def test_nothing_listed_is_no_mount() -> None:
    assert deepest([], Path("/srv")) is None
