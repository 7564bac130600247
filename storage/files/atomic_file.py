"""Files that appear complete or not at all, even if the process is killed while it writes."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from trackd.storage.errors import StoreError
from trackd.storage.files.private_file import PRIVATE, set_mode
from trackd.storage.files.syncing import sync
from trackd.storage.files.temporary import temporary_file, temporary_folder

PERMISSIONS, GROUP = 0o777, 0o070
SHARED_FOLDER = stat.S_ISVTX | stat.S_IWOTH  # such as /tmp
MAX_LINKS = 40


class LinkError(StoreError):
    """A link is not followed: another user may have laid it as a trap. The message is a sentence."""


@contextlib.contextmanager
def atomic_file(path: Path, mode: int = PRIVATE) -> Iterator[BinaryIO]:
    """A context manager with a temporary file beside `path`, open for writing; its `name` is its path.

    At the end the temporary file is synced and takes the place of `path`. After an exception it is removed; after a
    kill the next atomic file in this folder removes it. It has a random name and the mode 0600; in the end it has the
    mode and the owner of the file that it replaces, or else `mode`. Raises LinkError and OSError.
    """
    target = followed(path)  # a link stays, and its target is replaced
    with temporary_file(target) as file:
        yield file
        file.flush()
        _replace(Path(file.name), file.fileno(), target, mode)


@contextlib.contextmanager
def atomic_path(path: Path, mode: int = PRIVATE) -> Iterator[Path]:
    """As `atomic_file`, for a file that is made by its name, with side files, such as a database.

    Yields a path in a temporary folder. Close the file before the end of the block: only the file itself is kept.
    """
    target = followed(path)
    with temporary_folder(target) as folder:
        made = folder / "database"
        yield made
        descriptor = os.open(made, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _replace(made, descriptor, target, mode)
        finally:
            os.close(descriptor)


def _replace(made: Path, descriptor: int, target: Path, mode: int) -> None:
    take_mode(descriptor, target, mode)
    sync(descriptor)
    made.replace(target)
    sync_folder(target.parent)


def followed(path: Path) -> Path:
    """The file that a link leads to, through other links too; there may be none.

    As Linux does with `fs.protected_symlinks`, a link in a folder like /tmp is only followed when it belongs to this
    user or to the owner of the folder.
    """
    for _ in range(MAX_LINKS):
        if not path.is_symlink():
            return path
        folder, owner = path.parent.stat(), path.lstat().st_uid
        if folder.st_mode & SHARED_FOLDER == SHARED_FOLDER and owner not in (os.geteuid(), folder.st_uid):
            raise LinkError(f"{path} is a link of another user: name another file, or remove the link.")
        path = path.parent / path.readlink()
    raise LinkError(f"{path} leads from link to link without an end: name another file.")


def take_mode(descriptor: int, replaced: Path, mode: int) -> None:
    """Give an open file the mode and the owner of another, or `mode` if there is no other."""
    try:
        before = replaced.stat()
    except FileNotFoundError:
        set_mode(descriptor, mode)
        return
    kept = before.st_mode & PERMISSIONS
    if not _take_owner(descriptor, before):
        kept &= ~GROUP  # they would be those of another group
    set_mode(descriptor, kept)


def _take_owner(descriptor: int, before: os.stat_result) -> bool:
    """Give the file to the owner and the group of another. Returns whether it has at least its group."""
    for user in (before.st_uid, -1):
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, user, before.st_gid)
            return True
    return False


def sync_folder(folder: Path) -> None:
    """Renamed and removed files of the folder stay so after a power loss."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)
