"""What file systems are judged to be, and the room on them."""

import os
from pathlib import Path

import pytest

from trackd.storage.doctor.file_system import LEAST_ROOM, check_file_system, check_space, judge
from trackd.storage.doctor.finding import State
from trackd.storage.doctor.mounts import Mount

FAULT, WARNING, OK = State.FAULT, State.WARNING, State.OK


@pytest.mark.parametrize(
    ("kind", "source", "options", "state", "word"),
    [
        ("ext4", "/dev/sda1", "rw", OK, "/dev/sda1"),
        ("xfs", "/dev/mapper/a", "rw", OK, ""),
        ("apfs", "/dev/disk3s5", "local", OK, ""),
        ("zfs", "pool/data", "rw", OK, ""),
        ("tmpfs", "none", "rw", FAULT, "in memory"),
        ("ramfs", "none", "rw", FAULT, "in memory"),
        ("ext4", "/dev/zram0", "rw", FAULT, "in memory"),
        ("nfs", "files:/x", "rw", FAULT, "over the network"),
        ("nfs4", "files:/x", "rw", FAULT, "from files:/x"),
        ("cifs", "//files/x", "rw", FAULT, "over the network"),
        ("smbfs", "//me@files/x", "nodev", FAULT, "over the network"),
        ("fuse.sshfs", "me@files:", "rw", FAULT, "over the network"),
        ("fuse.s3fs", "s3fs", "rw", FAULT, "over the network"),
        ("9p", "C:\\", "rw", WARNING, "of the host"),
        ("virtiofs", "kataShared", "rw", WARNING, "of the host"),
        ("vfat", "/dev/sdb1", "rw", WARNING, "no modes"),
        ("fuse.new", "x", "rw", WARNING, "a program serves it"),
        ("overlay", "overlay", "rw", WARNING, "a layer"),
        ("overlay", "overlay", "upperdir=/var/lib/docker/overlay2/x/diff", FAULT, "when the container is removed"),
        ("overlay", "overlay", "upperdir=/var/lib/containers/storage/x", FAULT, "when the container is removed"),
    ],
)
def test_a_kind_of_file_system_is_judged(kind: str, source: str, options: str, state: State, word: str) -> None:
    [finding] = judge(Mount(1, "/data", kind, source, frozenset({options})), in_container=False)
    assert (finding.state, bool(finding.remedy)) == (state, state != OK)
    assert finding.found.startswith(f"{kind} at /data")
    assert word in finding.found


def test_a_layer_in_a_container_is_gone_with_it() -> None:
    [finding] = judge(Mount(1, "/", "overlay", "overlay", frozenset({"upperdir=/x"})), in_container=True)
    assert finding.state == FAULT
    assert "mount a volume" in finding.remedy


@pytest.mark.parametrize(
    ("root", "state", "word"),
    [
        ("/var/lib/kubelet/pods/1-2/volumes/kubernetes.io~empty-dir/data", FAULT, "an emptyDir"),
        (f"/var/lib/docker/volumes/{'0a' * 32}/_data", WARNING, "a volume without a name"),
        ("/var/lib/docker/volumes/trackd/_data", OK, ""),
        ("/var/lib/kubelet/pods/1-2/volumes/kubernetes.io~csi/pvc-1/mount", OK, ""),
    ],
)
def test_volumes_that_end_with_their_container_are_named(root: str, state: State, word: str) -> None:
    [finding] = judge(Mount(1, "/data", "ext4", "/dev/sda1", frozenset({"rw"}), root), in_container=True)
    assert (finding.state, word in finding.found) == (state, True)


@pytest.mark.parametrize("option", ["nobarrier", "barrier=0", "volatile"])
def test_an_option_that_makes_syncs_void_is_a_fault(option: str) -> None:
    findings = list(judge(Mount(1, "/", "ext4", "/dev/sda1", frozenset({"rw", option})), in_container=False))
    assert [finding.state for finding in findings] == [OK, FAULT]
    assert f"mounted with {option}" in findings[1].found


def test_a_file_system_that_is_read_only_is_a_fault() -> None:
    findings = list(judge(Mount(1, "/", "ext4", "/dev/sda1", frozenset({"ro"})), in_container=False))
    assert [finding.state for finding in findings] == [OK, FAULT]


def test_the_file_system_and_the_room_here_have_findings(tmp_path: Path) -> None:
    assert next(check_file_system(tmp_path)).check == "file system"
    room = next(check_space(tmp_path, 0))
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    assert (room.state == FAULT) == (free < LEAST_ROOM)


def test_a_disk_on_which_the_database_has_no_room_for_a_copy_is_a_warning(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    room = next(check_space(tmp_path, disk.f_blocks * disk.f_frsize + 1))
    assert room.state in (WARNING, FAULT)
    assert room.remedy.startswith("make room")
