"""The sockets that the server listens on: one for each address, all with the same port."""

import contextlib
import errno
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BACKLOG = 65_535  # connections that wait to be accepted; the kernel allows fewer. Past it a client waits for a second
ATTEMPTS = 100  # a port that is free at one address may be in use at another
NOT_HERE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})  # such as IPv6 on a machine without it
ALL_ADDRESSES = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}  # noqa: S104  as a setting names them

UNIX = "unix:"  # before the path of a Unix socket, as in nginx
Address = tuple[socket.AddressFamily, tuple[Any, ...]]


class ListenError(Exception):
    """The server cannot listen on a host. `reason` is that of the system."""

    def __init__(self, host: str, error: OSError) -> None:
        is_lookup = isinstance(error, socket.gaierror)
        self.host = host
        self.reason = str(error.strerror if is_lookup else os.strerror(error.errno or 0))
        self.is_in_use = not is_lookup and error.errno == errno.EADDRINUSE
        super().__init__(f"{host}: {self.reason}")


def listen(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Listen on all addresses of these hosts, on one port; port 0 takes one that is free at all of them.

    `::` is IPv6 alone, whatever the default of the system is. Raises ListenError.
    """
    found = _addresses(hosts, port)
    all_addresses = [address for _, addresses in found for address in addresses]
    for attempt in range(attempts := ATTEMPTS if port == 0 else 1):
        sockets: list[socket.socket] = []
        try:
            # Each in turn chooses: one of IPv4 may have few free ports, all of which are free for IPv6.
            chosen = port or _free_port(*all_addresses[attempt % len(all_addresses)])
            for host, addresses in found:
                _listen_on(host, addresses, chosen, sockets)
        except BaseException as error:
            for listening in sockets:
                listening.close()
            if not (isinstance(error, ListenError) and error.is_in_use and attempt < attempts - 1):
                raise
        else:
            break
    return sockets


def unavailable(hosts: Sequence[str], port: int) -> ListenError | None:
    """Why no server could listen, None when it could. A server that starts meanwhile is not disturbed."""
    try:
        for host, addresses in _addresses(hosts, port):
            missing = [error for address in addresses if (error := _bind(host, address)) is not None]
            if len(missing) == len(addresses):
                return missing[0]
    except ListenError as error:
        return error
    return None


def _bind(host: str, address: Address) -> ListenError | None:
    """Raises ListenError, unless the machine only lacks the address. Without `listen` the socket disturbs no other."""
    family, name = address
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            sock.bind(name)
        except OSError as error:
            if error.errno not in NOT_HERE:
                raise ListenError(host, error) from None
            return ListenError(host, error)
    return None


def _addresses(hosts: Sequence[str], port: int) -> list[tuple[str, list[Address]]]:
    """The addresses of each host, without those of hosts before it and those that `0.0.0.0` or `::` includes."""
    found: dict[Address, str] = {}
    for host in hosts:
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except OSError as error:
            raise ListenError(host, error) from None
        for family, _, _, _, address in infos:
            found.setdefault((family, tuple(address)), host)
    kept = [
        (host, (family, address))
        for (family, address), host in found.items()
        if address[0] == (all_of := ALL_ADDRESSES.get(family)) or (family, (all_of, *address[1:])) not in found
    ]
    return [(host, [address for owner, address in kept if owner == host]) for host in dict.fromkeys(hosts)]


def _free_port(family: socket.AddressFamily, address: tuple[Any, ...]) -> int:
    """One that is free at this address; 0 if the machine lacks it."""
    with contextlib.suppress(OSError), socket.create_server(address, family=family) as chosen:
        return int(chosen.getsockname()[1])
    return 0


def _listen_on(host: str, addresses: Sequence[Address], port: int, sockets: list[socket.socket]) -> None:
    """Add a socket for each address. One that this machine lacks is left out if the host has another."""
    missing: OSError | None = None
    before = len(sockets)
    for family, address in addresses:
        taken = sockets[0].getsockname()[1] if sockets else port
        address = (address[0], taken, *address[2:])
        try:
            sockets.append(socket.create_server(address, family=family, backlog=BACKLOG))
        except OSError as error:
            if error.errno not in NOT_HERE:
                raise ListenError(host, error) from None
            missing = error
    if missing is not None and len(sockets) == before:
        raise ListenError(host, missing) from None


def url(listening: socket.socket) -> str:
    """The URL of a socket, such as http://[::1]:8686, or unix:/run/trackd.sock."""
    if listening.family == socket.AF_UNIX:
        return unix_url(os.fsdecode(listening.getsockname()))
    host, port = listening.getsockname()[:2]
    shown = "[{}]".format(host.replace("%", "%25")) if ":" in host else host
    return f"http://{shown}:{port}"


def unix_url(path: str) -> str:
    """The address of a Unix socket with its absolute path; a name that begins with a NUL character has no file."""
    return f"{UNIX}@{path[1:]}" if path.startswith("\0") else f"{UNIX}{Path(path).absolute()}"
