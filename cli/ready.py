"""`trackd ready`: the exit code is that of a health check. It starts fast, and needs no database file."""

import http.client
import json
import queue
import socket
import threading
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from trackd.cli.errors import CommandError
from trackd.cli.output import echo
from trackd.cli.server_url import checked_url, local_url
from trackd.config.environment import CONFIG_FILE_VARIABLE
from trackd.http.server.listening import UNIX, unix_url
from trackd.load.address import connection_fault

TIMEOUT_S = 3.0
MAX_BYTES = 4096
MAX_SHOWN = 200


def ready(
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The address of trackd, such as http://127.0.0.1:8686.  [default: server.uds, or host and port]",
            show_default=False,
            callback=checked_url,
        ),
    ] = None,
    uds: Annotated[
        str | None, typer.Option("--uds", metavar="PATH", help="Its Unix socket, in place of an address.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, max=3600, help="How long the answer may take.")
    ] = TIMEOUT_S,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", envvar=CONFIG_FILE_VARIABLE, help="As for serve.", show_default=False),
    ] = None,
) -> None:
    """Find out whether a server takes calls, for health checks. Exit code 1 if not, with a line that has the reason."""
    if url and uds:
        raise typer.BadParameter("takes no --uds: name the one or the other.", param_hint="'--url'")
    url = url or (unix_url(uds) if uds else _configured_url(config))
    status, body = _answer(url, timeout)
    detail = _detail(body)
    if status == 200 and detail == "ready":
        echo(f"{url} is ready.")
    elif status == 503 and detail:
        raise CommandError(f"{url} is not ready: {detail[:MAX_SHOWN]}")
    else:
        raise CommandError(f"{url} answers /ready with {status}, as no trackd does: name its address with --url.")


def _configured_url(config: Path | None) -> str:
    from trackd.config.load import load  # takes a third of the time of the command

    server = load(file=config).settings.server
    if server.uds:
        return unix_url(server.uds)
    if server.port == 0:
        raise CommandError("The setting server.port is 0, any free port: name the address of the server with --url.")
    return local_url(server.hosts, server.port)


def _answer(url: str, timeout_s: float) -> tuple[int, bytes]:
    """The status and the body. The time is for all of it, also for a look-up of the name and a body of single bytes."""
    answers: queue.SimpleQueue[tuple[int, bytes] | Exception] = queue.SimpleQueue()

    def request() -> None:
        try:
            answers.put(_request(url, timeout_s))
        except (OSError, ValueError, http.client.HTTPException) as error:
            answers.put(error)

    threading.Thread(target=request, daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_s)
    except queue.Empty:
        raise _late(url, timeout_s) from None
    if isinstance(answer, TimeoutError):
        raise _late(url, timeout_s)
    if isinstance(answer, OSError) and not isinstance(answer, http.client.HTTPException):
        raise CommandError(
            f"{url} cannot be reached ({connection_fault(answer)}): start `trackd serve`, or name its address with "
            "--url, or its Unix socket with --uds."
        )
    if isinstance(answer, Exception):
        raise CommandError(f"{url} answers as no trackd does ({answer or type(answer).__name__}): check the address.")
    return answer


def _late(url: str, timeout_s: float) -> CommandError:
    return CommandError(f"{url} has not answered within {timeout_s:g} s: it hangs, or has too much to do.")


def _request(url: str, timeout_s: float) -> tuple[int, bytes]:
    path, connection = _connection(url, timeout_s)
    try:
        connection.request("GET", f"{path}/ready", headers={"Accept": "application/json"})
        response = connection.getresponse()
        return response.status, response.read(MAX_BYTES)
    finally:
        connection.close()


def _connection(url: str, timeout_s: float) -> tuple[str, http.client.HTTPConnection]:
    """The path before that of an endpoint, and the connection."""
    if url.startswith(UNIX):
        return "", UnixConnection(url.removeprefix(UNIX), timeout_s)
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return parts.path, kind(parts.hostname or "", parts.port, timeout=timeout_s)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _detail(body: bytes) -> str:
    """The text of an answer of /ready, "" for an answer of another kind."""
    try:
        answer = json.loads(body)
    except ValueError:
        return ""
    detail = (answer.get("detail") or answer.get("status")) if isinstance(answer, dict) else None
    return detail if isinstance(detail, str) else ""
