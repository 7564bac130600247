"""What `trackd doctor` examines beside the file: settings, SQLite, limits of the process, the port or the socket."""

import os
import resource
from pathlib import Path

import apsw

from trackd.cli.listeners import listeners_of
from trackd.cli.process import LEAST_FILES
from trackd.config.load import DEFAULT_FILE, Loaded
from trackd.config.settings import Server
from trackd.config.store_url import masked
from trackd.http.server.listening import unavailable
from trackd.http.server.unix_socket import Occupant, occupant
from trackd.storage.doctor.finding import Finding, Findings, State, size
from trackd.storage.doctor.holders import name_of
from trackd.storage.sqlite.connection import LONG_LOG_PAGES, PAGE_BYTES

CONFIGURATION, SQLITE, FILES, PORT, SOCKET = "configuration", "SQLite", "open files", "port", "socket"
SYSTEMD = "systemd"
FIRST_SOUND_SQLITE = 3_051_003  # before it two connections can corrupt a file with a write-ahead log
FEW_FILES = 1_024
KEPT_FILES = 64  # `server.max_connections`: what the server leaves for itself
FEWEST_FILE_BYTES = 4 * LONG_LOG_PAGES * PAGE_BYTES


def check_configuration(loaded: Loaded) -> Findings:
    """Which file is read, what else is set, and which settings of the file have no effect."""
    read = f"{loaded.file} is read" if loaded.file else f"no file is read, there is no {DEFAULT_FILE} in this folder"
    variables = [setting.name for setting in loaded.each() if setting.origin == "environment"]
    also = f"; from the environment: {', '.join(variables)}" if variables else ""
    yield Finding(CONFIGURATION, State.OK, read + also)
    if loaded.file not in (None, DEFAULT_FILE) and DEFAULT_FILE.is_file() and not DEFAULT_FILE.samefile(loaded.file):
        found = f"{DEFAULT_FILE.absolute()} is not read: --config or TRACKD_CONFIG names {loaded.file}"
        yield Finding(CONFIGURATION, State.NOTE, found, "remove one of the two, or name the other one")
    for each in loaded.overridden:
        found = f"{each.name} of the {each.loser} has no effect: the {_named(each.winner)} sets it too"
        yield Finding(CONFIGURATION, State.NOTE, found, "set it in one place, `trackd config` shows the value")
    for warning in loaded.warnings:
        yield Finding(CONFIGURATION, State.WARNING, warning.rstrip("."), "see the page on settings")
    if loaded.settings.database.synchronous != "FULL":
        found = "database.synchronous is NORMAL: a power failure may undo the last answered calls"
        yield Finding(CONFIGURATION, State.WARNING, found, "leave it at FULL")


def check_password(loaded: Loaded) -> Findings:
    """Whether the password of `store.url` can be seen by other users of this machine."""
    url = loaded.settings.store.url
    [origin] = [setting.origin for setting in loaded.each() if setting.name == "store.url"]
    if (":***@" in masked(url) or "password=" in url) and origin == "flag":
        remedy = "keep it in ~/.pgpass, in PGPASSWORD, or name the URL in TRACKD_STORE_URL"
        yield Finding("password", State.WARNING, "it is on the command line, which other users see", remedy)


def _named(origin: str) -> str:
    return "command line" if origin == "flag" else origin


def check_sqlite(number: int = apsw.SQLITE_VERSION_NUMBER, version: str = "") -> Findings:
    version = version or apsw.sqlite_lib_version()
    if number < FIRST_SOUND_SQLITE:
        found = f"{version} can corrupt a file with a write-ahead log when two connections use it"
        yield Finding(SQLITE, State.FAULT, found, "install apsw 3.54 or later")
    else:
        yield Finding(SQLITE, State.OK, version)


def check_limits(settings: Server, database_bytes: int) -> Findings:
    """The limits of this process, which a server has too if the same shell or service starts it."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    remedy = "allow more (`ulimit -Hn`, LimitNOFILE of the service)"
    if files == resource.RLIM_INFINITY or files >= max(FEW_FILES, settings.max_connections + KEPT_FILES):
        allowed = "as many as the system has" if files == resource.RLIM_INFINITY else str(files)
        yield Finding(FILES, State.OK, allowed)
    elif files < LEAST_FILES:
        found = f"a server may open {files}, and needs {LEAST_FILES} to start"
        yield Finding(FILES, State.FAULT, found, remedy)
    else:
        found = f"a server may open {files}: that allows {max(files - KEPT_FILES, 1)} connections"
        wanted = f", and server.max_connections is {settings.max_connections}" if settings.max_connections else ""
        yield Finding(FILES, State.WARNING, found + wanted, remedy)
    largest, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if largest != resource.RLIM_INFINITY:
        state = State.FAULT if largest < database_bytes + FEWEST_FILE_BYTES else State.WARNING
        found = f"no file may become larger than {size(largest)}, the database has {size(database_bytes)}"
        yield Finding("file size", state, found, "allow larger files (`ulimit -f unlimited`)")


def check_port(settings: Server, holder: int | None) -> Findings:
    """Whether a server could listen. `holder` is the pid of the server that runs on the file, if any."""
    where = f"{settings.host}, port {settings.port}"
    if settings.port == 0:
        yield Finding(PORT, State.OK, "any free one is used (server.port is 0)")
        return
    error = unavailable(settings.hosts, settings.port)
    if error is None:
        yield Finding(PORT, State.OK, f"{where} is free")
        return
    if not error.is_in_use:
        remedy = "choose an address of this machine and a port that this user may use, with --host and --port"
        yield Finding(PORT, State.FAULT, f"a server cannot listen on {where} ({error.host}: {error.reason})", remedy)
        return
    pids = listeners_of(settings.port)
    if holder is not None and (not pids or holder in pids):
        by = "the server that runs on the file" if pids else "a program of another user, or the server that runs"
        yield Finding(PORT, State.OK if pids else State.NOTE, f"{where} is used by {by}")
        return
    if SYSTEMD in map(name_of, pids):
        remedy = "start that service (`systemctl start`), which takes the socket, not `trackd serve`"
        yield Finding(PORT, State.NOTE, f"{where} is used by {SYSTEMD}, which listens for a service", remedy)
        return
    by = f"{name_of(pids[0])} (pid {pids[0]})" if pids else "another program"
    remedy = "stop that program, or choose another port with --port or server.port"
    yield Finding(PORT, State.FAULT, f"{where} is used by {by}", remedy)


def check_socket(settings: Server, holder: int | None) -> Findings:
    """Whether a server could listen at `server.uds`. `holder`: see `check_port`."""
    path = Path(settings.uds)
    found = occupant(path)
    if found is Occupant.OTHER:
        yield Finding(SOCKET, State.FAULT, f"{path} is no socket", "remove it, or choose another path with --uds")
    elif found is Occupant.LISTENING and holder is None:
        remedy = "stop that program, or choose another path with --uds or server.uds"
        yield Finding(SOCKET, State.FAULT, f"{path} is used by another program", remedy)
    elif found is Occupant.LISTENING:
        yield Finding(SOCKET, State.OK, f"{path} is used, as it seems by the server that runs on the file")
    elif not os.access(path.parent, os.W_OK | os.X_OK):
        is_missing = not path.parent.exists()
        fault = "does not exist" if is_missing else "is not writable for this user"
        remedy = (
            f"make the folder {path.parent}" if is_missing else f"let the user of the server write to {path.parent}"
        )
        yield Finding(SOCKET, State.FAULT, f"the folder of {path} {fault}", remedy)
    elif found is Occupant.STALE:
        yield Finding(SOCKET, State.OK, f"{path} was left by a server that was killed: the next one replaces it")
    else:
        yield Finding(SOCKET, State.OK, f"{path} is free")


def database_bytes(database: Path) -> int:
    try:
        return database.stat().st_size
    except OSError:
        return 0
