"""`trackd source`: manage the sources that may send events."""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, TypeVar

import typer
from msgspec import to_builtins

from trackd.cli.administration import open_sources
from trackd.cli.errors import CommandError
from trackd.cli.options import ConfigFile, Create, DatabaseFile, StoreUrl, checked_text, offering_create
from trackd.cli.output import echo
from trackd.core.documents import Source
from trackd.core.source_checks import checked_id, checked_origins, checked_rate
from trackd.telemetry.standard_streams import StdoutError

T = TypeVar("T")
R = TypeVar("R")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Manage the sources that may send events, also while the server runs.",
)


def _checked_id(value: str | None) -> str:
    return str(uuid.uuid4()) if value is None else _parameter(checked_id, value)


def _parameter(check: Callable[[T], R], value: T) -> R:
    try:
        return check(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


CLEARED: Mapping[str, tuple[str, Any]] = {
    "origins": ("--any-origin", []),
    "rate_limit": ("--no-rate-limit", None),
    "tags": ("--no-tags", []),
}
"""The option that clears a field, and the field's value then."""

SourceId = Annotated[str, typer.Argument(metavar="ID", help="The source's id.", callback=checked_text)]


def _checked_name(value: str | None) -> str | None:
    if value is not None and not 1 <= len(checked_text(value)) <= 1_000:
        raise typer.BadParameter("a name has 1 to 1000 characters.")
    return value


def _checked_description(value: str | None) -> str | None:
    return None if value is None else checked_text(value)


def _checked_tags(values: list[str] | None) -> list[str]:
    return [checked_text(value) for value in values or ()]


def _checked_origins(values: list[str] | None) -> list[str]:
    return _parameter(checked_origins, values or ())


def _checked_rate(value: float | None) -> float | None:
    return _parameter(checked_rate, value)


Name = Annotated[str, typer.Option(help="A name for people.", callback=_checked_name)]
Description = Annotated[str | None, typer.Option(help="A note for people.", callback=_checked_description)]
Origins = Annotated[
    list[str] | None,
    typer.Option(
        "--origin",
        help="An origin that browsers may send from, such as https://shop.example or https://*.shop.example; "
        "may be repeated.",
        callback=_checked_origins,
    ),
]
RateLimit = Annotated[float | None, typer.Option(help="Most calls per second.", callback=_checked_rate)]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="A tag; may be repeated.", callback=_checked_tags)]


@app.command()
def add(
    name: Name,
    id: Annotated[  # noqa: A002  the flag's name
        str | None, typer.Option(help="The id that clients send.  [default: a new UUID]", callback=_checked_id)
    ] = None,
    description: Description = None,
    consent: Annotated[bool, typer.Option("--consent", help="Drop the events of profiles without consent.")] = False,
    returns_profile: Annotated[bool, typer.Option("--returns-profile", help="Answers may carry the profile.")] = False,
    permanent_profile_id: Annotated[
        bool, typer.Option("--permanent-profile-id", help="New profiles take the id that the client sends.")
    ] = False,
    origin: Origins = None,
    rate_limit: RateLimit = None,
    tag: Tags = None,
    create: Create = False,
    db: DatabaseFile = None,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Add a source, and print its id. Without --origin any origin may send, without --rate-limit there is no limit."""
    source = Source(
        id=id or "",
        name=name,
        description=description or "",
        consent=consent,
        returns_profile=returns_profile,
        permanent_profile_id=permanent_profile_id,
        origins=tuple(origin or ()),
        rate_limit=rate_limit,
        tags=tuple(tag or ()),
    )
    with offering_create():
        opened = open_sources(db, store, config, create=create)
    with opened as sources:
        made = sources.add(source)
    try:
        echo(made.id)
    except StdoutError as error:
        raise CommandError(f"The source {made.id} was made, but {error}.") from None


@app.command()
def edit(
    id: SourceId,  # noqa: A002
    name: Annotated[str | None, typer.Option(help="A name for people.", callback=_checked_name)] = None,
    description: Description = None,
    consent: Annotated[
        bool | None, typer.Option(help="Whether to drop the events of profiles without consent.")
    ] = None,
    returns_profile: Annotated[bool | None, typer.Option(help="Whether answers may carry the profile.")] = None,
    permanent_profile_id: Annotated[
        bool | None, typer.Option(help="Whether new profiles take the id that the client sends.")
    ] = None,
    origin: Origins = None,
    any_origin: Annotated[bool, typer.Option("--any-origin", help="Browsers may send from any origin.")] = False,
    rate_limit: RateLimit = None,
    no_rate_limit: Annotated[bool, typer.Option("--no-rate-limit", help="End the limit.")] = False,
    tag: Tags = None,
    no_tags: Annotated[bool, typer.Option("--no-tags", help="Remove all tags.")] = False,
    db: DatabaseFile = None,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Change a source, and print it as JSON. What no option names stays; origins and tags replace those before."""
    given = {
        "name": name,
        "description": description,
        "consent": consent,
        "returns_profile": returns_profile,
        "permanent_profile_id": permanent_profile_id,
        "origins": origin or None,
        "rate_limit": rate_limit,
        "tags": tag or None,
    }
    cleared = {"origins": any_origin, "rate_limit": no_rate_limit, "tags": no_tags}
    fields = _fields(given, [field for field, is_cleared in cleared.items() if is_cleared])
    with open_sources(db, store, config) as sources:
        _print(sources.edit(id, fields))


@app.command("list")
def list_sources(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the ids.")] = False,
    enabled: Annotated[bool, typer.Option("--enabled", help="Only the enabled ones.")] = False,
    db: DatabaseFile = None,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """List the sources, the oldest first."""
    with open_sources(db, store, config, read_only=True) as sources:
        for source in sources.all():
            if enabled and not source.enabled:
                continue
            state = "enabled " if source.enabled else "disabled"
            echo(source.id if quiet else f"{source.id}  {state}  {source.name}")


@app.command()
def show(id: SourceId, db: DatabaseFile = None, store: StoreUrl = None, config: ConfigFile = None) -> None:  # noqa: A002
    """Print a source as JSON."""
    with open_sources(db, store, config, read_only=True) as sources:
        _print(sources.get(id))


def _fields(given: Mapping[str, Any], cleared: Iterable[str]) -> dict[str, Any]:
    """The fields to change, with their new values: those that are given, and those to clear. Raises BadParameter."""
    fields = {field: value for field, value in given.items() if value is not None}
    for field in cleared:
        option, value = CLEARED[field]
        if field in fields:
            raise typer.BadParameter("cannot be given together with a new value.", param_hint=f"'{option}'")
        fields[field] = value
    if not fields:
        raise typer.BadParameter("name what to change: `trackd source edit --help` lists the options.")
    return fields


def _print(source: Source) -> None:
    typer.echo(json.dumps(to_builtins(source), indent=2))  # all in ASCII


@app.command()
def enable(id: SourceId, db: DatabaseFile = None, store: StoreUrl = None, config: ConfigFile = None) -> None:  # noqa: A002
    """Accept events from a disabled source again."""
    with open_sources(db, store, config) as sources:
        sources.enable(id, True)


@app.command()
def disable(id: SourceId, db: DatabaseFile = None, store: StoreUrl = None, config: ConfigFile = None) -> None:  # noqa: A002
    """Refuse events from a source; its stored events stay."""
    with open_sources(db, store, config) as sources:
        sources.enable(id, False)


@app.command()
def remove(id: SourceId, db: DatabaseFile = None, store: StoreUrl = None, config: ConfigFile = None) -> None:  # noqa: A002
    """Remove a source; its stored events stay."""
    with open_sources(db, store, config) as sources:
        sources.remove(id)
