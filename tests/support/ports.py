"""Ports for programs of tests."""

import contextlib
import random
import socket


def free_port() -> int:
    """A port for a program that cannot choose one itself.

    It is below those that systems give to who asks for any: until the program listens, no other test gets it.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_768)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
