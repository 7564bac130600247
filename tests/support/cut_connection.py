"""A proxy of a PostgreSQL server that cuts a connection, as at a COMMIT, or goes on and passes nothing on."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit, urlunsplit

COMMIT = b"COMMIT"


class CuttingProxy:
    """Passes bytes on in both directions, on a thread for each."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "", parts.port or 5432)
        self._listening = socket.create_server(("127.0.0.1", 0))
        port = self._listening.getsockname()[1]
        self.url = urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"))
        self.at = COMMIT
        self.cut: str | None = None
        """What befalls the next message with `at`, once: its connection is cut `before` or `after` the server has it,
        or `silent`: the server has it, and from then on the connection passes nothing on, and is not closed.
        """
        self.cuts = 0
        self.rewritten = (b"", b"")
        """What the server sends, and what its clients get in its place."""
        self.garbled = (b"", b"")
        """What clients send, and what the server gets in its place: as long, for a message has its length."""
        self._silent: set[socket.socket] = set()  # clients
        self._sockets = [self._listening]
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def _run(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def silence(self) -> None:
        """All connections that are open now pass nothing on any more."""
        self._silent |= {*self._sockets}

    def close(self) -> None:
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                self._run(self._pass_on, client, server, client)
                self._run(self._pass_on, server, client, client)

    def _pass_on(self, source: socket.socket, target: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if source is not client:
                    data = data.replace(*self.rewritten)
                elif self.garbled[0]:
                    data = data.replace(*self.garbled)
                cut = self.cut if source is client and self.at in data else None
                if cut is not None:
                    self.cut, self.cuts = None, self.cuts + 1
                if cut in ("before", "after"):
                    client.shutdown(socket.SHUT_RDWR)  # the answer finds it closed
                if cut == "silent":
                    self._silent.add(client)  # before the server has it: the other thread may pass on its answer
                    target.sendall(data)
                elif cut != "before" and client not in self._silent:
                    target.sendall(data)
                if cut in ("before", "after"):
                    break
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def cutting_proxy(url: str) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(url)
    try:
        yield proxy
    finally:
        proxy.close()


@contextlib.contextmanager
def silent_host(url: str) -> Iterator[tuple[str, socket.socket]]:
    """The URL of a server with another host before it, which answers nothing until the end of the block.

    The other one is the socket that listens.
    """
    parts = urlsplit(url)
    user, _, server = parts.netloc.rpartition("@")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hosts = f"127.0.0.1:{silent.getsockname()[1]},{server}"
        yield urlunsplit(parts._replace(netloc=f"{user}@{hosts}")), silent
