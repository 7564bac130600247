"""`trackd COMMAND` without the half second in which Python imports the command.

A process, one for each run of pytest or worker of it, imports all commands once (the fork server of `multiprocessing`);
a command is forked from it. It is the command that a shell would start: `main()` with arguments, folder, environment,
stdin, stdout and stderr of its own, and the exit code is that of its process. What differs is that the modules of all
commands are there, with what warm_commands.py has made, and that stdout and stderr are files.

Tests whose subject is the process (signals, pipes that are closed, terminals, imports) start `TRACKD` itself.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.process import TRACKD

COMMAND_MODULES = (
    "backup",
    "config",
    "doctor",
    "load",
    "migrate",
    "profile",
    "ready",
    "retention",
    "rules",
    "serve",
    "source",
    "tail",
    "token",
    "transfer",
    "verify",
)
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(
    [
        __name__,
        "trackd.cli.main",
        "trackd.cli.commands",
        *(f"trackd.cli.{name}" for name in COMMAND_MODULES),
        "tests.support.warm_commands",  # after all that it freezes
    ]
)


def run_command(
    arguments: Sequence[str | bytes | Path],
    folder: Path,
    environment: Mapping[str, str],
    streams: Mapping[int, str | None] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `trackd` with these arguments to its end. It reads nothing from stdin.

    `streams` has files for the descriptors 0 to 2, None for one that is closed.
    """
    words = [str(TRACKD), *map(os.fsdecode, arguments)]
    with tempfile.TemporaryDirectory() as outputs:
        out, err = Path(outputs, "stdout"), Path(outputs, "stderr")
        out.touch()
        err.touch()
        process = FORKED.Process(
            target=_main, args=(words, folder, dict(environment), out, err, streams or {}), daemon=True
        )
        process.start()
        process.join(60)
        code = process.exitcode
        if code is None:
            process.kill()
            process.join()
        process.close()
        if code is None:
            raise subprocess.TimeoutExpired(words, 60, out.read_bytes(), err.read_bytes())
        return subprocess.CompletedProcess(words, code, out.read_text("utf-8"), err.read_text("utf-8"))


def run_commands(
    commands: Sequence[Sequence[str]], folder: Path, environment: Mapping[str, str]
) -> list[subprocess.CompletedProcess[str]]:
    """Run many short commands one after the other, each in a process of its own."""
    with tempfile.TemporaryDirectory() as outputs:
        process = FORKED.Process(target=_each, args=(commands, folder, dict(environment), Path(outputs)), daemon=True)
        process.start()
        process.join(60)
        assert process.exitcode == 0, f"{len(commands)} commands did not end"
        process.close()
        return [
            subprocess.CompletedProcess(
                list(words),
                int(Path(outputs, f"{number}.code").read_text()),
                *(Path(outputs, f"{number}.{kind}").read_text("utf-8") for kind in ("out", "err")),
            )
            for number, words in enumerate(commands)
        ]


def _each(commands: Sequence[Sequence[str]], folder: Path, environment: dict[str, str], outputs: Path) -> None:
    for number, arguments in enumerate(commands):
        out, err = outputs / f"{number}.out", outputs / f"{number}.err"
        out.touch()
        err.touch()
        if (forked := os.fork()) == 0:
            code = 1
            try:
                _main([str(TRACKD), *arguments], folder, environment, out, err, {})
                code = 0
            except SystemExit as ended:
                code = int(ended.code or 0)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(code)
        _, status = os.waitpid(forked, 0)
        (outputs / f"{number}.code").write_text(str(os.waitstatus_to_exitcode(status)))


def _main(
    words: list[str], folder: Path, environment: dict[str, str], out: Path, err: Path, streams: Mapping[int, str | None]
) -> None:
    os.chdir(folder)
    for number, standard in enumerate((os.devnull, str(out), str(err))):
        path = streams.get(number, standard)
        if path is None:
            os.close(number)
            continue
        descriptor = os.open(path, os.O_RDWR)
        os.dup2(descriptor, number)
        os.close(descriptor)
    run_main(words, folder, environment)


def run_main(words: list[str], folder: Path, environment: dict[str, str]) -> None:
    """In the forked process: what the operating system and Python do before a command begins, and the command."""
    from trackd.cli.main import main  # the test process needs no command

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.stdin = _opened(0, "r", -1, "surrogateescape")
    sys.stdout = _opened(1, "w", -1, "surrogateescape")
    sys.stderr = _opened(2, "w", 1, "backslashreplace")
    sys.argv = words
    main()


def _opened(number: int, mode: str, buffering: int, errors: str) -> Any:
    """Python's stream on a descriptor, None if it is closed."""
    try:
        return open(number, mode, buffering, encoding="utf-8", errors=errors, closefd=False)
    except OSError:
        return None
