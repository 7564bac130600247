"""`trackd load`: a load test of a server. It measures, and checks the promises on the answers."""

import contextlib
import json
import random
from pathlib import Path
from typing import IO, Annotated, Any

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from trackd.cli.errors import CommandError
from trackd.config.environment import TOKEN_VARIABLE
from trackd.load.history_file import write_history
from trackd.load.live import Terminal
from trackd.load.report import report
from trackd.load.run import Plan, Result, run
from trackd.load.summary import judged, lines, shortest, summary
from trackd.load.target import Target
from trackd.load.workload import Mix

DEFAULT_DURATION_S = 10.0


def _percent(text: str) -> Any:
    return typer.Option(metavar="N", min=0, max=100, help=text)


def load(
    url: Annotated[str, typer.Argument(metavar="URL", help="The server, such as http://127.0.0.1:8686.")],
    source: Annotated[str, typer.Option(metavar="ID", help="The source that the calls name.")],
    clients: Annotated[int, typer.Option(min=1, max=10_000, help="Connections, each with one call at a time.")] = 64,
    duration: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=0.1, max=86_400, help="Length of the run.  [default: 10, unless --calls is given]"
        ),
    ] = None,
    calls: Annotated[
        int | None,
        typer.Option(
            min=1, max=100_000_000, help="Number of calls; with --duration the run ends at whichever comes first."
        ),
    ] = None,
    profiles: Annotated[
        int, typer.Option(min=1, max=10_000_000, help="Number of people whose calls are simulated.")
    ] = 1_000,
    sessions_per_profile: Annotated[int, typer.Option(min=1, max=200, help="Sessions of each person.")] = 5,
    events_per_call: Annotated[int, typer.Option(min=1, max=1_000, help="Events in a call.")] = 3,
    hot: Annotated[float, _percent("Percentage of calls for one profile, the hot one.")] = 10,
    retries: Annotated[
        float, _percent("Percentage of calls that are sent twice, half of them after a cut connection.")
    ] = 5,
    first_calls: Annotated[
        float, _percent("Percentage of sessions that begin with 5 simultaneous calls, none of which names a profile.")
    ] = 5,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.1, max=1_000_000, help="Calls a second, answered or not.  [default: each client waits for its answer]"
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed makes the same calls.  [default: random]")] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar=TOKEN_VARIABLE,
            help="A token with scope read: all answered events are read back and compared.",
            show_default=False,
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures and the verdict as JSON.")
    ] = None,
    report_file: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write an HTML page with plots.")
    ] = None,
    history_file: Annotated[
        Path | None, typer.Option("--history", metavar="FILE", help="Write every call as JSON lines.")
    ] = None,
) -> None:
    """Run a load test against a server, and judge its answers. Exit code 1: a promise is broken. 2: it cannot start."""
    if duration is None and calls is None:
        duration = DEFAULT_DURATION_S
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise typer.BadParameter(
            "a token has no spaces, control or other characters than ASCII.", param_hint="'--token'"
        )
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    mix = Mix(clients, profiles, sessions_per_profile, hot, retries, first_calls, seed)
    plan = Plan(Target.at(url), source, mix, events_per_call, calls, duration, rate, token or None)
    with contextlib.ExitStack() as files:
        opened = {
            option: _opened(path, files, option)
            for option, path in (("--json", json_file), ("--report", report_file), ("--history", history_file))
            if path is not None
        }
        with Terminal(calls, duration) as terminal:
            result = uvloop.run(run(plan, terminal))
        _print(result)
        _write(result, opened)
    if result.gone:
        raise CommandError(f"The server at {plan.target.url} stopped answering; the answers until then are judged.")
    if result.read_back_failed:
        raise CommandError(f"The stored events could not be read back: {result.not_read_back}.")
    raise typer.Exit(1 if result.verdict.violations else 0)


def _opened(path: Path, files: contextlib.ExitStack, option: str) -> IO[bytes]:
    """Open an output file before the test starts: later the results would be lost."""
    try:
        return files.enter_context(path.open("wb"))
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be written: {error.strerror}.", param_hint=f"'{option}'") from None


def _print(result: Result) -> None:
    console = Console()
    for line in lines(result):
        console.print(line, highlight=False, soft_wrap=True)
    table = Table("promise", "verdict")
    for rule, verdict in judged(result):
        table.add_row(rule, verdict)
    console.print(table)
    if offence := shortest(result):
        console.print(f"Shortest offending history: {offence['sentence']}", highlight=False, soft_wrap=True)
        for attempt in offence["attempts"]:
            console.print_json(data=attempt, indent=None)
    number = result.verdict.violations
    verdict = "no violation" if number == 0 else "1 violation" if number == 1 else f"{number} violations"
    console.print(f"{verdict}, seed {result.plan.mix.seed}", highlight=False)


def _write(result: Result, opened: dict[str, IO[bytes]]) -> None:
    try:
        if file := opened.get("--json"):
            file.write(json.dumps(summary(result), indent=2).encode() + b"\n")
        if file := opened.get("--report"):
            file.write(report(result).encode())
        if file := opened.get("--history"):
            write_history(file, result)
    except OSError as error:
        raise CommandError(f"A file could not be written: {error.strerror}.") from None
