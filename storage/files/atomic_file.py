"""Files that appear complete or not at all, even if the process is killed while it writes."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from trackd.storage.errors import StoreError
from trackd.storage.files.private_file import PRIVATE, create, set_mode

PERMISSIONS, GROUP = 0o777, 0o070
SHARED_FOLDER = stat.S_ISVTX | stat.S_IWOTH  # such as /tmp
MAX_LINKS = 40
NAME_CHARACTERS = 40  # of the target's name in that of the temporary file: a name has at most 255 bytes


class LinkError(StoreError):
    """A link is not followed: another user may have laid it as a trap. The message is a sentence."""


@contextlib.contextmanager
def atomic_file(path: Path, mode: int = PRIVATE) -> Iterator[BinaryIO]:
    """A context manager with a temporary file beside `path`, open for writing; its `name` is its path.

    At the end the temporary file is synced and takes the place of `path`. After an exception it is removed. It has a
    random name and the mode 0600; in the end it has the mode and the owner of the file that it replaces, or else
    `mode`. Raises LinkError and OSError.
    """
    target = _followed(path)  # a link stays, and its target is replaced
    temporary = target.with_name(f".{target.name[:NAME_CHARACTERS]}.{secrets.token_hex(8)}.part")
    with open(temporary, "wb", opener=lambda name, _: create(name)) as file:
        try:
            yield file
            file.flush()
            _take_mode(file.fileno(), target, mode)
            os.fsync(file.fileno())
            temporary.replace(target)
            _sync(target.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _followed(path: Path) -> Path:
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


def _take_mode(descriptor: int, replaced: Path, mode: int) -> None:
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


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
