"""Who may use a database file, its folder and its side files."""

import os
import pwd
import stat
from pathlib import Path

from trackd.storage.doctor.finding import Finding, Findings, State, of_error, of_system_error
from trackd.storage.errors import StoreError
from trackd.storage.sqlite.connection import check_path
from trackd.storage.sqlite.database_file import check_one_name

FOLDER, FILE = "folder", "permissions"
SIDE_FILES = ("-wal", "-shm", "-journal", "-lock")
OTHERS = stat.S_IRWXO
EFFECTIVE = os.access in os.supports_effective_ids


def check_permissions(database: Path) -> Findings:
    """The owners and modes of a database file, if it exists, and of what is beside it."""
    try:
        check_path(database)
        check_one_name(database)
    except StoreError as error:
        yield of_error(FILE, error)
        return
    real = database.resolve()
    if real != database.absolute() and real.exists():
        yield Finding(FILE, State.NOTE, f"{database} leads to {real}", "its log and its lock are beside the latter")
    yield from _folder(real.parent)
    owner: int | None = None
    for path in (real, *(real.with_name(f"{real.name}{suffix}") for suffix in SIDE_FILES)):
        try:
            found = path.lstat()
        except FileNotFoundError:
            continue
        except OSError as error:
            yield of_system_error(FILE, f"{path} cannot be examined", error, "name another file with --db")
            continue
        yield _file(path, found, owner)
        if path == real:
            owner = found.st_uid
    if owner is None:
        yield Finding(FILE, State.OK, f"{real} does not exist yet: `trackd serve` makes it for its own user alone")


def _folder(folder: Path) -> Findings:
    try:
        found = folder.stat()
    except OSError as error:
        remedy = f"make it (`mkdir {folder}`), or name a file elsewhere with --db"
        yield of_system_error(FOLDER, f"{folder} cannot be used", error, remedy)
        return
    mode = f"mode {stat.S_IMODE(found.st_mode):04o}"
    if not stat.S_ISDIR(found.st_mode):
        yield Finding(FOLDER, State.FAULT, f"{folder} is no folder", "name a file in a folder with --db")
    elif not os.access(folder, os.W_OK | os.X_OK, effective_ids=EFFECTIVE):
        found_text = f"{user()} may not write to {folder}, of {name_of(found.st_uid)}, {mode}"
        yield Finding(FOLDER, State.FAULT, found_text, _remedy(folder, found.st_uid))
    elif not found.st_mode & stat.S_IWUSR:
        yield Finding(
            FOLDER, State.WARNING, f"{folder} is read-only ({mode}): only root may write to it", f"chmod u+w {folder}"
        )
    elif found.st_mode & stat.S_IWOTH:
        found_text = f"all users may make files in {folder} ({mode}), also in the place of the log and the lock"
        yield Finding(FOLDER, State.WARNING, found_text, "use a folder of the server's own user, with mode 0700")
    else:
        yield Finding(FOLDER, State.OK, f"{folder}, of {name_of(found.st_uid)}, {mode}")


def _file(path: Path, found: os.stat_result, owner: int | None) -> Finding:
    """`owner` is that of the database, None for the database itself."""
    whose = name_of(found.st_uid)
    described = f"{path}, of {whose}, mode {stat.S_IMODE(found.st_mode):04o}"
    if not stat.S_ISREG(found.st_mode):
        remedy = "name a file with --db" if owner is None else "remove it, if it is not that of another program"
        return Finding(FILE, State.FAULT, f"{path} is not a file", remedy)
    if owner is not None and owner != found.st_uid and not found.st_mode & stat.S_IWOTH:
        remedy = f"chown {name_of(owner)} {path}, and run servers and commands as one user"
        return Finding(FILE, State.FAULT, f"{described}, is not of the owner of the database, {name_of(owner)}", remedy)
    if not os.access(path, os.R_OK | os.W_OK, effective_ids=EFFECTIVE):
        found_text = f"{user()} may not read and write {described}"
        return Finding(FILE, State.FAULT, found_text, _remedy(path, found.st_uid))
    if found.st_uid != os.geteuid():
        remedy = f"run servers and commands as {whose} (`sudo -u {whose}`): files that {user()} makes are not for it"
        return Finding(FILE, State.WARNING, f"{described}, belongs to another user than {user()}", remedy)
    if found.st_mode & OTHERS:
        return Finding(FILE, State.WARNING, f"{described}: all users of this machine may use it", f"chmod o= {path}")
    return Finding(FILE, State.OK, described)


def _remedy(path: Path, owner: int) -> str:
    """What gives this user the right to write."""
    if os.geteuid() in (0, owner):
        return f"make it writable: its file system, `chmod u+rw {path}`, `chattr -i {path}`"
    return f"run trackd as {name_of(owner)} (`sudo -u {name_of(owner)}`), or give it to this user (`chown {user()}`)"


def user() -> str:
    """The user with whose rights this process opens files."""
    return name_of(os.geteuid())


def name_of(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
