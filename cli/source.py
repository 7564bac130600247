"""`trackd source`: who may send events."""

import json
import re
import uuid
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec.structs import asdict

from trackd.cli.options import ConfigFile, DatabaseFile, load_settings
from trackd.storage.documents import Source
from trackd.storage.sources import Sources

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Manage the sources that may send events, beside a running server too.",
)


def _open(db: Path | None, config: Path | None, *, create: bool = False) -> Sources:
    return Sources(load_settings(config, database={"path": db}).settings.database.path, create=create)


def _checked_id(value: str | None) -> str:
    if value is None:
        return str(uuid.uuid4())
    if not 1 <= len(value.strip()) <= 255:
        raise typer.BadParameter("an id has 1 to 255 characters.")
    if not value.strip().isprintable():
        raise typer.BadParameter("an id has no control characters.")
    return value.strip()


def _checked_text(value: str) -> str:
    """The shell may hand over bytes that are no text."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("must be text in UTF-8.") from None
    return value


SourceId = Annotated[str, typer.Argument(metavar="ID", help="The source's id.", callback=_checked_text)]


def _checked_origins(values: list[str] | None) -> list[str]:
    origins = [value.strip().rstrip("/").lower() for value in values or ()]
    for origin in origins:
        if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s]+|null", origin):
            raise typer.BadParameter(f"{origin!r} is not an origin: write it as https://shop.example, without a path.")
    return origins


def _checked_rate(value: float | None) -> float | None:
    if value is not None and not 0.001 <= value <= 1_000_000:
        raise typer.BadParameter("must be from 0.001 to 1000000 calls per second.")
    return value


@app.command()
def add(
    name: Annotated[str, typer.Option(help="What people call it.", callback=_checked_text)],
    id: Annotated[  # noqa: A002  the flag's name
        str | None, typer.Option(help="The id that clients send; made when left out.", callback=_checked_id)
    ] = None,
    description: Annotated[str, typer.Option(help="A note for people.", callback=_checked_text)] = "",
    consent: Annotated[bool, typer.Option("--consent", help="It requires consent.")] = False,
    returns_profile: Annotated[bool, typer.Option("--returns-profile", help="Answers may carry the profile.")] = False,
    permanent_profile_id: Annotated[
        bool, typer.Option("--permanent-profile-id", help="New profiles take the id that the client sends.")
    ] = False,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            help="An origin that browsers may send from; may be repeated. None: any.",
            callback=_checked_origins,
        ),
    ] = None,
    rate_limit: Annotated[
        float | None, typer.Option(help="Most calls per second. None: no limit.", callback=_checked_rate)
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
        typer.echo(json.dumps(_document(sources.get(id)), indent=2))


@app.command()
def enable(id: SourceId, db: DatabaseFile = None, config: ConfigFile = None) -> None:  # noqa: A002
    """Take events from a source again."""
    with _open(db, config) as sources:
        sources.enable(id, True)


@app.command()
def disable(id: SourceId, db: DatabaseFile = None, config: ConfigFile = None) -> None:  # noqa: A002
    """Refuse events from a source; what it sent stays."""
    with _open(db, config) as sources:
        sources.enable(id, False)


@app.command()
def remove(id: SourceId, db: DatabaseFile = None, config: ConfigFile = None) -> None:  # noqa: A002
    """Remove a source; what it sent stays."""
    with _open(db, config) as sources:
        sources.remove(id)


def _document(source: Source) -> dict[str, Any]:
    """As in the contract: times lie under `metadata`."""
    document = asdict(source)
    times = {"insert": document.pop("inserted"), "update": document.pop("updated")}
    return document | {"metadata": {"time": times}}
