"""The options of `trackd tail`, with their checks and help."""

from typing import Annotated, Literal

import typer

from trackd.cli.options import checked_text, checked_token
from trackd.config.environment import TOKEN_VARIABLE
from trackd.core.feed_cursor import OLDEST, Cursor
from trackd.storage.feed import KINDS

MAX_NEWEST = 1_000


def _checked_cursor(value: str | None) -> str | None:
    try:
        if value not in (None, OLDEST):
            Cursor.read(value)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from None
    return value


def _checked_kinds(value: str) -> str:
    if set(value.split(",")) - {*KINDS}:
        raise typer.BadParameter(f"must be of {', '.join(KINDS)}, with commas between them.")
    return value


def _checked_filter(value: str | None) -> str | None:
    return None if value is None else checked_text(value)


def _filter(metavar: str, text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(metavar=metavar, help=text, callback=_checked_filter)
    return option


Type = Annotated[str | None, _filter("TYPE", "Only events and refusals of this type.")]
Source = Annotated[str | None, _filter("ID", "Only events and refusals of this source.")]
Profile = Annotated[str | None, _filter("ID", "Only events and refusals of this profile, and its erasure.")]
Session = Annotated[str | None, _filter("ID", "Only events and refusals of this session.")]
Status = Annotated[
    Literal["collected", "validated", "invalid"] | None,
    typer.Option(metavar="STATUS", help="Of the events only the collected, validated or invalid ones."),
]
Kinds = Annotated[
    str,
    typer.Option(
        metavar="KINDS",
        help="The kinds of records, with commas between them; refusal: what was not stored.",
        callback=_checked_kinds,
    ),
]
Lines = Annotated[
    int,
    typer.Option(
        "--lines", "-n", min=0, max=MAX_NEWEST, help="Without --after: begin with so many of the newest records."
    ),
]
After = Annotated[
    str | None,
    typer.Option(
        metavar="CURSOR",
        help="Begin after this `cursor` of a record; 0: with the oldest.  [default: with the newest]",
        callback=_checked_cursor,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the records as lines of JSON, each with its cursor.")]
Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Follow this server over HTTP, such as https://collect.example, also while it restarts.  "
        "[default: the database file]",
        show_default=False,
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        envvar=TOKEN_VARIABLE,
        help="A token with scope read, for --url.",
        show_default=False,
        callback=checked_token,
    ),
]
