"""nginx in front of a server."""

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.polling import wait_until
from tests.support.ports import free_port

COMMAND = ["nginx", "-p", ".", "-c", "nginx.conf"]
FILE = """\
daemon off;
error_log stderr;
pid nginx.pid;
%s
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
%s
}
"""


def nginx_file(content: str) -> str:
    """A file that nginx runs with, in a folder of its own. `content` stands in the block `http`."""
    user = "user root;" if os.geteuid() == 0 else ""  # its workers read the folder of the test
    return FILE % (user, content)


@contextlib.contextmanager
def nginx(folder: Path, location: str) -> Iterator[str]:
    """Runs nginx with its defaults and one location; yields the URL of it. Skips the test where it is not installed."""
    port = free_port()
    with nginx_with(folder, f"    server {{ listen 127.0.0.1:{port}; {location} }}", port):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def nginx_with(folder: Path, content: str, port: int) -> Iterator[None]:
    """Runs nginx with `content` in its block `http`, which listens on the port of 127.0.0.1."""
    if shutil.which(COMMAND[0]) is None:
        pytest.skip("nginx is not installed")
    (folder / "nginx.conf").write_text(nginx_file(content))
    log = folder / "nginx.log"
    with log.open("wb") as written:
        running = subprocess.Popen(COMMAND, cwd=folder, stderr=written)

    def listens() -> bool:
        assert running.poll() is None, log.read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return True
        return False

    try:
        wait_until(listens, "nginx listens")
        yield
    finally:
        running.terminate()
        running.wait(timeout=30)
