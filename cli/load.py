"""`trackd load`: a load test of a server. It measures, and checks the promises on the answers."""

import contextlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import IO

import typer
import uvloop

from trackd.cli.errors import CommandError
from trackd.cli.load_options import (
    Calls,
    Clients,
    Duration,
    EventsPerCall,
    FirstCalls,
    HistoryFile,
    Hot,
    JsonFile,
    OtherUrls,
    Profiles,
    Rate,
    ReportFile,
    Retries,
    Seed,
    Sessions,
    SourceOption,
    Token,
    Url,
)
from trackd.cli.output import plain_console, print_line, print_table
from trackd.load.history_file import write_history
from trackd.load.live import Terminal
from trackd.load.report import report
from trackd.load.run import Plan, Result, run
from trackd.load.summary import judged, lines, shortest, summary
from trackd.load.target import Target
from trackd.load.workload import Mix
from trackd.storage.files.private_file import open_for_writing
from trackd.storage.files.system_errors import reason_and_remedy

DEFAULT_DURATION_S = 10.0


def load(
    url: Url,
    source: SourceOption,
    other_urls: OtherUrls = None,
    clients: Clients = 64,
    duration: Duration = None,
    calls: Calls = None,
    profiles: Profiles = 1_000,
    sessions_per_profile: Sessions = 5,
    events_per_call: EventsPerCall = 3,
    hot: Hot = 10,
    retries: Retries = 5,
    first_calls: FirstCalls = 5,
    rate: Rate = None,
    seed: Seed = None,
    token: Token = None,
    json_file: JsonFile = None,
    report_file: ReportFile = None,
    history_file: HistoryFile = None,
) -> None:
    """Run a load test against a server, and judge its answers. Exit code 1: a promise is broken. 2: it cannot start."""
    if duration is None and calls is None:
        duration = DEFAULT_DURATION_S
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    mix = Mix(clients, profiles, sessions_per_profile, hot, retries, first_calls, seed)
    others = tuple(Target.at(other) for other in other_urls or ())
    plan = Plan(Target.at(url), source, mix, events_per_call, calls, duration, rate, token, others)
    with contextlib.ExitStack() as files:
        opened = {
            option: _opened(path, files, option)
            for option, path in (("--json", json_file), ("--report", report_file), ("--history", history_file))
            if path is not None
        }
        with Terminal(calls, duration) as terminal:
            result = uvloop.run(run(plan, terminal))
        _write(result, opened)
        _print(result)
    if result.server_gone:
        raise CommandError(f"The server at {plan.target.url} stopped answering; the answers until then are judged.")
    if result.read_back_failed:
        raise CommandError(f"The stored events could not be read back: {result.not_read_back}.")
    raise typer.Exit(1 if result.verdict.violations else 0)


def _opened(path: Path, files: contextlib.ExitStack, option: str) -> IO[bytes]:
    """Open an output file before the test starts: later the results would be lost."""
    try:
        return files.enter_context(open_for_writing(path))
    except OSError as error:
        fault = f"{path} cannot be written {reason_and_remedy(error)}."
        raise typer.BadParameter(fault, param_hint=f"'{option}'") from None


def _print(result: Result) -> None:
    console = plain_console()
    for line in lines(result):
        print_line(console, line)
    print_table(console, ("promise", "verdict"), judged(result))
    if offence := shortest(result):
        print_line(console, f"Shortest offending history: {offence['sentence']}")
        for attempt in offence["attempts"]:
            console.print_json(data=attempt, indent=None, ensure_ascii=True)
    number = result.verdict.violations
    verdict = "no violation" if number == 0 else "1 violation" if number == 1 else f"{number} violations"
    print_line(console, f"{verdict}, seed {result.plan.mix.seed}")


def _write(result: Result, opened: dict[str, IO[bytes]]) -> None:
    for option, file in opened.items():
        write = _writer(option, result)
        try:
            write(file)
            file.flush()
        except OSError as error:
            raise CommandError(f"{file.name} cannot be written {reason_and_remedy(error)}.") from None


def _writer(option: str, result: Result) -> Callable[[IO[bytes]], object]:
    """Writes an output. What is made of the result is made here: its errors are none of the file that is written."""
    if option == "--history":
        return lambda file: write_history(file, result)
    content = report(result) if option == "--report" else json.dumps(summary(result), indent=2) + "\n"
    return lambda file: file.write(content.encode())
