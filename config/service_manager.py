"""What a service manager such as systemd hands over in the environment: sd_notify(3) and sd_listen_fds(3)."""

import os
from collections.abc import MutableMapping
from dataclasses import dataclass

NOTIFY_SOCKET = "NOTIFY_SOCKET"
WATCHDOG_USEC, WATCHDOG_PID = "WATCHDOG_USEC", "WATCHDOG_PID"
LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES = "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"
VARIABLES = (NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID, LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES)


@dataclass(frozen=True)
class Handover:
    """All is empty without a service manager."""

    notify_socket: str = ""
    """The path of the socket for notifications; one that begins with `@` has no file."""
    watchdog_s: float | None = None
    """How long the server may be silent."""
    socket_names: tuple[str, ...] = ()
    """The names of the sockets to listen on, whose file descriptors begin with 3."""
    warnings: tuple[str, ...] = ()


def take_handover(environment: MutableMapping[str, str] = os.environ, pid: int | None = None) -> Handover:
    """Read the variables and remove them: they are for this process alone, not for its children."""
    given = {name: value for name in VARIABLES if (value := environment.pop(name, ""))}
    pid = os.getpid() if pid is None else pid
    warnings = []
    number = _number(given.get(LISTEN_FDS))
    if number and _number(given.get(LISTEN_PID)) != pid:
        warnings.append(
            f"The service manager has handed over {number} sockets to process {given.get(LISTEN_PID)}, not to this one "
            f"({pid}): they are ignored. Let it start trackd itself, without a program between them."
        )
        number = 0
    names = given.get(LISTEN_FDNAMES, "").split(":")
    watchdog = _number(given.get(WATCHDOG_USEC)) if _number(given.get(WATCHDOG_PID)) in (0, pid) else 0
    return Handover(
        given.get(NOTIFY_SOCKET, ""),
        watchdog / 1e6 if watchdog else None,
        tuple((names[index : index + 1] or [""])[0] or f"number {index + 1}" for index in range(number)),
        tuple(warnings),
    )


def _number(text: str | None) -> int:
    """0 for none."""
    return int(text) if text and text.isascii() and text.isdigit() else 0
