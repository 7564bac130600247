"""`trackd load`: how much does a server take, and does it keep its promises meanwhile?"""

import contextlib
import random
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from trackd.cli.errors import CommandError
from trackd.config.environment import TOKEN_VARIABLE

if TYPE_CHECKING:
    from trackd.load.run import Result

DEFAULT_DURATION_S = 10.0


def _percent(text: str) -> Any:
    return typer.Option(metavar="N", min=0, max=100, help=text)


def load(
    url: Annotated[str, typer.Argument(metavar="URL", help="The server, such as http://127.0.0.1:8686.")],
    source: Annotated[str, typer.Option(metavar="ID", help="The source that sends.")],
    clients: Annotated[int, typer.Option(min=1, max=10_000, help="Connections, each with one call at a time.")] = 64,
    duration: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0.1, max=86_400, help="How long.  [default: 10, unless --calls is given]"),
    ] = None,
    calls: Annotated[
        int | None, typer.Option(min=1, max=100_000_000, help="How many calls; with --duration what is over first.")
    ] = None,
    profiles: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many people call.")] = 1_000,
    sessions_per_profile: Annotated[int, typer.Option(min=1, max=200, help="Sessions of each.")] = 5,
    events_per_call: Annotated[int, typer.Option(min=1, max=1_000, help="Events in a call.")] = 3,
    hot: Annotated[float, _percent("Percentage of calls that go to one profile.")] = 10,
    retries: Annotated[
        float, _percent("Percentage of calls that are sent again, half of them after a cut connection.")
    ] = 5,
    first_calls: Annotated[
        float, _percent("Percentage of sessions that begin with 5 simultaneous calls without a profile.")
    ] = 5,
    rate: Annotated[
        float | None,
        typer.Option(min=0.1, max=1_000_000, help="Calls a second, whether answered or not.  [default: as they go]"),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Draws the same calls again.  [default: another each time]")] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar=TOKEN_VARIABLE, help="Opens reads: what was answered is read back.", show_default=False),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write figures and verdict as JSON.")
    ] = None,
    report_file: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write a page with plots, as HTML.")
    ] = None,
    history_file: Annotated[
        Path | None, typer.Option("--history", metavar="FILE", help="Write each call, as JSON lines.")
    ] = None,
) -> None:
    """Load a server, and judge its answers. Exit code 1 when a promise is broken, 2 when the load cannot begin."""
    import uvloop  # the other commands start faster without all of these

    from trackd.load.live import Terminal
    from trackd.load.run import Plan, run
    from trackd.load.target import Target
    from trackd.load.workload import Mix

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
        raise CommandError(f"The server at {plan.target.url} did not answer any more; what it answered is judged.")
    if result.read_back_failed:
        raise CommandError(f"What is stored could not be read back: {result.not_read_back}.")
    raise typer.Exit(1 if result.verdict.violations else 0)


def _opened(path: Path, files: contextlib.ExitStack, option: str) -> IO[bytes]:
    """Before the load begins: after it is too late to say that a file cannot be written."""
    try:
        return files.enter_context(path.open("wb"))
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be written: {error.strerror}.", param_hint=f"'{option}'") from None


def _print(result: "Result") -> None:
    from rich.console import Console
    from rich.table import Table

    from trackd.load.summary import judged, lines, shortest

    console = Console()
    for line in lines(result):
        console.print(line, highlight=False, soft_wrap=True)
    table = Table("verdict", "broken")
    for rule, found in judged(result):
        table.add_row(rule, found)
    console.print(table)
    if offence := shortest(result):
        console.print(f"Shortest offending history: {offence['sentence']}", highlight=False, soft_wrap=True)
        for attempt in offence["attempts"]:
            console.print_json(data=attempt, indent=None)
    number = result.verdict.violations
    said = "no violation" if number == 0 else "1 violation" if number == 1 else f"{number} violations"
    console.print(f"{said}, seed {result.plan.mix.seed}", highlight=False)


def _write(result: "Result", opened: dict[str, IO[bytes]]) -> None:
    import json

    from trackd.load.history_file import write_history
    from trackd.load.report import report
    from trackd.load.summary import summary

    try:
        if file := opened.get("--json"):
            file.write(json.dumps(summary(result), indent=2).encode() + b"\n")
        if file := opened.get("--report"):
            file.write(report(result).encode())
        if file := opened.get("--history"):
            write_history(file, result)
    except OSError as error:
        raise CommandError(f"A file could not be written: {error.strerror}.") from None
