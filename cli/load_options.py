"""The options of `trackd load`, with their bounds and help."""

from pathlib import Path
from typing import Annotated, Any

import typer

from trackd.cli.options import checked_token
from trackd.config.environment import TOKEN_VARIABLE


def _percent(text: str) -> Any:
    return typer.Option(metavar="N", min=0, max=100, help=text)


Url = Annotated[str, typer.Argument(metavar="URL", help="The server, such as http://127.0.0.1:8686.")]
OtherUrls = Annotated[
    list[str] | None,
    typer.Option("--url", metavar="URL", help="Another node on the same store, which takes its share of the calls."),
]
SourceOption = Annotated[str, typer.Option("--source", metavar="ID", help="The source that the calls name.")]
Clients = Annotated[int, typer.Option(min=1, max=10_000, help="Connections, each with one call at a time.")]
Duration = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS", min=0.1, max=86_400, help="Length of the run.  [default: 10, unless --calls is given]"
    ),
]
Calls = Annotated[
    int | None,
    typer.Option(
        min=1, max=100_000_000, help="Number of calls; with --duration the run ends at whichever comes first."
    ),
]
Profiles = Annotated[int, typer.Option(min=1, max=10_000_000, help="Number of people whose calls are simulated.")]
Sessions = Annotated[int, typer.Option(min=1, max=200, help="Sessions of each person.")]
EventsPerCall = Annotated[int, typer.Option(min=1, max=1_000, help="Events in a call.")]
Hot = Annotated[float, _percent("Percentage of calls for one profile, the hot one.")]
Retries = Annotated[float, _percent("Percentage of calls that are sent twice, half of them after a cut connection.")]
FirstCalls = Annotated[
    float, _percent("Percentage of sessions that begin with 5 simultaneous calls, none of which names a profile.")
]
Rate = Annotated[
    float | None,
    typer.Option(
        min=0.1, max=1_000_000, help="Calls a second, answered or not.  [default: each client waits for its answer]"
    ),
]
Seed = Annotated[int | None, typer.Option(help="The same seed makes the same calls.  [default: random]")]
Token = Annotated[
    str | None,
    typer.Option(
        envvar=TOKEN_VARIABLE,
        help="A token with scope read: all answered events are read back and compared.",
        show_default=False,
        callback=checked_token,
    ),
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the figures and the verdict as JSON.")
]
ReportFile = Annotated[Path | None, typer.Option("--report", metavar="FILE", help="Write an HTML page with plots.")]
HistoryFile = Annotated[Path | None, typer.Option("--history", metavar="FILE", help="Write every call as JSON lines.")]
