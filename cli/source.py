"""`trackd source`: manage the sources that may send events."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from msgspec import to_builtins

from trackd.cli.options import ConfigFile, DatabaseFile, checked_text, load_settings
from trackd.core.documents import Source
from trackd.core.source_checks import checked_id, checked_origins, checked_rate
from trackd.storage.sqlite.sources import Sources

T = TypeVar("T")
R = TypeVar("R")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Manage the sources that may send events, also while the server runs.",
)


def _open(db: Path | None, config: Path | None, *, create: bool = False) -> Sources:
    return Sources(load_settings(config, database={"path": db}).settings.database.path, create=create)


def _checked_id(value: str | None) -> str:
    return str(uuid.uuid4()) if value is None else _parameter(checked_id, value)


def _parameter(check: Callable[[T], R], value: T) -> R:
    try:
        return check(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


SourceId = Annotated[str, typer.Argument(metavar="ID", help="The source's id.", callback=checked_text)]


def _checked_origins(values: list[str] | None) -> list[str]:
    return _parameter(checked_origins, values or ())


def _checked_rate(value: float | None) -> float | None:
    return _parameter(checked_rate, value)


@app.command()
def add(
    name: Annotated[str, typer.Option(help="A name for people.", callback=checked_text)],
    id: Annotated[  # noqa: A002  the flag's name
        str | None, typer.Option(help="The id that clients send.  [default: a new UUID]", callback=_checked_id)
    ] = None,
    description: Annotated[str, typer.Option(help="A note for people.", callback=checked_text)] = "",
    consent: Annotated[bool, typer.Option("--consent", help="Drop the events of profiles without consent.")] = False,
    returns_profile: Annotated[bool, typer.Option("--returns-profile", help="Answers may carry the profile.")] = False,
    permanent_profile_id: Annotated[
        bool, typer.Option("--permanent-profile-id", help="New profiles take the id that the client sends.")
    ] = False,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            help="An origin that browsers may send from, such as https://shop.example or https://*.shop.example; "
            "may be repeated.  [default: any]",
            callback=_checked_origins,
        ),
    ] = None,
    rate_limit: Annotated[
        float | None, typer.Option(help="Most calls per second.  [default: no limit]", callback=_checked_rate)
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag; may be repeated.")] = None,
    db: DatabaseFile = None,
    config: ConfigFile = None,
) -> None:
    """Add a source, and print its id."""
    source = Source(
        id=id or "",
        name=name,
        description=description,
        consent=consent,
        returns_profile=returns_profile,
        permanent_profile_id=permanent_profile_id,
        origins=tuple(origin or ()),
        rate_limit=rate_limit,
        tags=tuple(tag or ()),
    )
    with _open(db, config, create=True) as sources:
        typer.echo(sources.add(source).id)


@app.command("list")
def list_sources(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the ids.")] = False,
    db: DatabaseFile = None,
    config: ConfigFile = None,
) -> None:
    """List the sources, the oldest first."""
    with _open(db, config) as sources:
        for source in sources.all():
            state = "enabled " if source.enabled else "disabled"
            typer.echo(source.id if quiet else f"{source.id}  {state}  {source.name}")


@app.command()
def show(id: SourceId, db: DatabaseFile = None, config: ConfigFile = None) -> None:  # noqa: A002
    """Print a source as JSON."""
    with _open(db, config) as sources:
        typer.echo(json.dumps(to_builtins(sources.get(id)), indent=2))


@app.command()
def enable(id: SourceId, db: DatabaseFile = None, config: ConfigFile = None) -> None:  # noqa: A002
    """Accept events from a disabled source again."""
    with _open(db, config) as sources:
        sources.enable(id, True)


@app.command()
def disable(id: SourceId, db: DatabaseFile = None, config: ConfigFile = None) -> None:  # noqa: A002
    """Refuse events from a source; its stored events stay."""
    with _open(db, config) as sources:
        sources.enable(id, False)


@app.command()
def remove(id: SourceId, db: DatabaseFile = None, config: ConfigFile = None) -> None:  # noqa: A002
    """Remove a source; its stored events stay."""
    with _open(db, config) as sources:
        sources.remove(id)
