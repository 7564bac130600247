"""Whether a file system keeps what is written to it: its kind, its options, and the room on it."""

import os
import re
from pathlib import Path

from trackd.storage.doctor.finding import Finding, Findings, State, size
from trackd.storage.doctor.mounts import Mount, mount_of
from trackd.storage.sqlite.connection import LONG_LOG_PAGES, PAGE_BYTES

FILE_SYSTEM, SPACE = "file system", "free space"
IN_MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs", "rootfs", "hugetlbfs", "mfs"})
DEVICES_IN_MEMORY = re.compile(r"/dev/z?ram\d+")
LAYERS = frozenset({"overlay", "overlayfs", "aufs", "unionfs", "fuse.fuse-overlayfs", "fuse.unionfs-fuse"})
OVER_THE_NETWORK = re.compile(
    r"(nfs|nfs4|cifs|smb\w*|afpfs|webdav|davfs\w*|ceph|lustre|gpfs|beegfs|glusterfs|orangefs|pvfs2|afs|ncpfs|gfs2?|ocfs2"
    r"|fuse\.(sshfs|s3fs|rclone|gcsfuse|glusterfs|ceph\S*|davfs\S*|mfs\S*|juicefs\S*|goofys|blobfuse2?|mount-s3|curlftpfs)"
    r"|JuiceFS\S*|macfuse|osxfuse)"
)
FROM_A_HOST = re.compile(
    r"(9p|vboxsf|vmhgfs|prl_fs|drvfs|fakeowner|virtiofs|fuse\.(vmhgfs-fuse|grpcfuse|osxfs|portal)|osxfs)"
)
WITHOUT_MODES = frozenset({"vfat", "msdos", "exfat", "ntfs", "ntfs3", "fuseblk", "msdosfs"})
WITHOUT_BARRIERS = frozenset({"nobarrier", "barrier=0", "volatile", "fsync=volatile"})
CONTAINER_FILES = (Path("/.dockerenv"), Path("/run/.containerenv"))
LAYER_OF_CONTAINER = re.compile(
    r"upperdir=.*(docker|containers?|containerd|kubelet|crio|buildkit|lxc|podman|snapshots)"
)
POD_VOLUME = re.compile(r".*/kubernetes\.io~empty-dir/.*")
NAMELESS_VOLUME = re.compile(r".*/volumes/[0-9a-f]{64}/_data(/.*)?")  # of Docker and Podman
LOCAL_DISK = "move the database to a local disk, and name the file there with --db"
LEAST_ROOM = LONG_LOG_PAGES * PAGE_BYTES
"""The log alone takes so much at times."""
SCARCE_ROOM = 1_000_000_000
LEAST_FILES, SCARCE_FILES = 16, 1_000


def check_file_system(folder: Path) -> Findings:
    """The file system of a folder that exists. Raises OSError."""
    mount = mount_of(folder)
    if mount is None:
        yield Finding(FILE_SYSTEM, State.NOTE, "this system does not name its kind", "see that it is a local disk")
        return
    yield from judge(mount, any(file.exists() for file in CONTAINER_FILES))


def judge(mount: Mount, in_container: bool) -> Findings:
    where = f"{mount.kind} at {mount.point}"
    state, found, remedy = _kind(mount, in_container)
    yield Finding(FILE_SYSTEM, state, f"{where}{found and ', '}{found}", remedy)
    if unsafe := mount.options & WITHOUT_BARRIERS:
        found = f"{where} is mounted with {', '.join(sorted(unsafe))}: what is synced may be lost with the power"
        yield Finding(FILE_SYSTEM, State.FAULT, found, "mount it without this option")
    if "ro" in mount.options:
        yield Finding(
            FILE_SYSTEM, State.FAULT, f"{where} is mounted read-only", "mount it for writing, or name a file elsewhere"
        )


def _kind(mount: Mount, in_container: bool) -> tuple[State, str, str]:
    if mount.kind in IN_MEMORY or DEVICES_IN_MEMORY.fullmatch(mount.source):
        return State.FAULT, "which is in memory: all data is gone with the next restart of the machine", LOCAL_DISK
    if OVER_THE_NETWORK.fullmatch(mount.kind):
        return (
            State.FAULT,
            f"from {mount.source}, is over the network: the log needs the locks and the memory of one machine",
            LOCAL_DISK,
        )
    if mount.kind in LAYERS:
        if in_container or any(map(LAYER_OF_CONTAINER.match, mount.options)):
            found = "the layer of a container: all data is gone when the container is removed"
            return State.FAULT, found, "mount a volume, and name a file in it with --db"
        return State.WARNING, "a layer over another file system: is it kept at a restart?", LOCAL_DISK
    if POD_VOLUME.fullmatch(mount.root):
        found = "an emptyDir: all data is gone when the pod is removed from its node"
        return State.FAULT, found, "mount a persistent volume, and name a file in it with --db"
    if NAMELESS_VOLUME.fullmatch(mount.root):
        found = (
            "a volume without a name: it is removed with a container of `--rm`, and a new container gets another one"
        )
        return State.WARNING, found, "mount a volume with a name, such as `-v trackd:/data`"
    if FROM_A_HOST.fullmatch(mount.kind):
        found = "a folder of the host of this machine: its locks and its fsync are those of a program between them"
        return State.WARNING, found, "use a disk or a volume of this machine"
    if mount.kind in WITHOUT_MODES:
        return State.WARNING, "which has no modes: other users may read the file", "use ext4, xfs or the like"
    if mount.kind.startswith("fuse."):
        return State.WARNING, "a program serves it: whether an fsync reaches a disk is up to it", LOCAL_DISK
    return State.OK, f"from {mount.source}" if mount.source else "", ""


def check_space(folder: Path, database_bytes: int) -> Findings:
    """The room on the disk of a folder that exists, for users other than root. Raises OSError."""
    disk = os.statvfs(folder)
    free, total = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    found = f"{size(free)} of {size(total)}"
    if free < LEAST_ROOM:
        remedy = f"make room: with less than {size(LEAST_ROOM)} calls may be answered 503, and a server may not start"
        yield Finding(SPACE, State.FAULT, f"the disk is full: {found} free" if free == 0 else f"{found} free", remedy)
    elif free < max(SCARCE_ROOM, database_bytes):
        remedy = f"make room: a backup beside the database or an upgrade needs as much as it ({size(database_bytes)})"
        yield Finding(SPACE, State.WARNING, f"{found} free", remedy)
    else:
        yield Finding(SPACE, State.OK, f"{found} free")
    if disk.f_files and disk.f_favail < SCARCE_FILES:
        state = State.FAULT if disk.f_favail < LEAST_FILES else State.WARNING
        yield Finding(
            SPACE, state, f"only {disk.f_favail} more files can be made (inodes)", "remove files on this disk"
        )
