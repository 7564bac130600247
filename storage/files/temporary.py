"""Temporary files and folders, beside what they become, and the removal of those that killed programs have left.

The program that makes one holds a lock on it, which the kernel releases however the program ends: an unlocked one is
left over. Files that SQLite writes are made in a temporary folder, so that their side files are removed with them.
"""

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from trackd.storage.files.private_file import create

NAME_CHARACTERS = 40  # of the target's name in that of the temporary file: a name has at most 255 bytes
TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}\.part")
SIDE_FILE = re.compile(rf"({TEMPORARY.pattern})-(journal|wal|shm)")  # trackd 0.1 left them beside the file
FOLDER_MODE = 0o700


@contextlib.contextmanager
def temporary_file(target: Path) -> Iterator[BinaryIO]:
    """A new file beside `target`, open for writing; its `name` is its path.

    Afterwards it is removed, unless the block has renamed it. What other programs left in this folder is removed first.
    """
    remove_leftovers(target.parent)
    path, is_made = _new_path(target), False
    try:  # around all of it: a signal may come at any moment
        while not is_made:
            path = _new_path(target)
            with open(path, "wb", opener=lambda name, _: create(name)) as file:
                if is_made := _locked(file.fileno(), path):
                    yield file
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def temporary_folder(target: Path, *, removes_leftovers: bool = True) -> Iterator[Path]:
    """A new folder beside `target`. Afterwards it is removed with its contents. As `temporary_file` otherwise."""
    if removes_leftovers:
        remove_leftovers(target.parent)
    with contextlib.ExitStack() as ends:
        is_made = False
        while not is_made:
            path = _new_path(target)
            ends.callback(shutil.rmtree, path, ignore_errors=True)  # before it is made: a signal may come at any moment
            path.mkdir(FOLDER_MODE)
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            ends.callback(os.close, descriptor)
            is_made = _locked(descriptor, path)
        yield path


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders of this user in `folder` that no running program holds."""
    with contextlib.suppress(OSError):
        names = os.listdir(folder)  # noqa: PTH208  a folder may have many files
        for name in filter(TEMPORARY.fullmatch, names):
            _remove_unlocked(folder / name)
        for side_file in filter(None, map(SIDE_FILE.fullmatch, names)):
            path = folder / side_file[0]
            if not (folder / side_file[1]).exists() and path.lstat().st_uid == os.geteuid():
                path.unlink()


def _new_path(target: Path) -> Path:
    return target.with_name(f".{target.name[:NAME_CHARACTERS]}.{secrets.token_hex(8)}.part")


def _locked(descriptor: int, path: Path) -> bool:
    """Lock a new file; False when another program has removed it in the moment before."""
    with contextlib.suppress(OSError):  # a file system without locks: what is left there stays
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def leftovers(folder: Path) -> list[Path]:
    """The temporary files and folders in `folder` that no running program holds, of any user. Raises OSError."""
    names = filter(TEMPORARY.fullmatch, os.listdir(folder))  # noqa: PTH208  a folder may have many files
    return [folder / name for name in names if not _is_held(folder / name)]


def _is_held(path: Path) -> bool:
    with contextlib.suppress(OSError), _opened(path) as descriptor:
        return not _is_unlocked(descriptor, fcntl.LOCK_SH)
    return False  # a file of another user, or a link: no program of this user holds it


def _remove_unlocked(path: Path) -> None:
    with contextlib.suppress(OSError), _opened(path) as descriptor:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid() or not _is_unlocked(descriptor, fcntl.LOCK_EX):
            return
        if stat.S_ISDIR(found.st_mode):
            shutil.rmtree(path, ignore_errors=True)
        elif stat.S_ISREG(found.st_mode):
            path.unlink(missing_ok=True)


def _is_unlocked(descriptor: int, kind: int) -> bool:
    """Take the lock for as long as the file is open. Raises OSError where there are none."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
