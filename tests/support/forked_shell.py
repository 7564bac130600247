"""`trackd` for shell scripts, without the half second in which Python imports it.

The program on the path of a script hands its arguments, folder, environment and descriptors to a process that has
imported all commands, and that forks one as `forked_command` does.
"""

import contextlib
import marshal
import os
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

from tests.support.forked_command import FORKED, run_main

PROGRAM = """\
#!{python} -IS
import _socket, marshal, os, sys
server = _socket.socket(_socket.AF_UNIX)
server.connect({address!r})
content = marshal.dumps((sys.argv, os.getcwd(), dict(os.environ)))
descriptors = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
server.sendmsg([len(content).to_bytes(4, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptors)])
while content:
    content = content[server.send(content):]
sys.exit((server.recv(1) or b"?")[0])
"""


@contextlib.contextmanager
def forked_trackd() -> Iterator[Path]:
    """A folder with the program `trackd`, which works until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="trackd-") as name:
        folder = Path(name)
        address = str(folder / "socket")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(address)
            listening.listen()
            process = FORKED.Process(target=_serve, args=(listening,), daemon=True)
            process.start()
        program = folder / "trackd"
        program.write_text(PROGRAM.format(python=sys.executable, address=address))
        program.chmod(0o755)
        try:
            yield folder
        finally:
            process.terminate()
            process.join()
            process.close()


def _serve(listening: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the commands
    while True:
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            connection.send(bytes([_run(connection)]))
            os._exit(0)
        connection.close()


def _run(connection: socket.socket) -> int:
    """The exit code."""
    size, descriptors, _, _ = socket.recv_fds(connection, 4, 3)
    words, folder, environment = marshal.loads(connection.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL))
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    try:
        run_main(words, folder, environment)
    except SystemExit as ended:
        return int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0
