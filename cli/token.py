"""`trackd token`: manage the tokens for reading and administration."""

from pathlib import Path
from typing import Annotated

import typer

from trackd.cli.options import ConfigFile, Create, DatabaseFile, checked_text, load_settings, offering_create
from trackd.core.documents import TokenScope
from trackd.storage.sqlite.tokens import Tokens

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Manage the tokens for reading and administration, also while the server runs.",
)


def _open(db: Path | None, config: Path | None, *, create: bool = False) -> Tokens:
    return Tokens(load_settings(config, database={"path": db}).settings.database.path, create=create)


def _checked_name(value: str) -> str:
    name = checked_text(value).strip()
    if not 1 <= len(name) <= 255:
        raise typer.BadParameter("a name has 1 to 255 characters.")
    if not name.isprintable():
        raise typer.BadParameter("a name has no control characters.")
    return name


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name for people.", callback=_checked_name)],
    scope: Annotated[
        list[TokenScope] | None,
        typer.Option(
            help="What the token permits; may be repeated. admin includes read.  [default: read]", show_default=False
        ),
    ] = None,
    create: Create = False,
    db: DatabaseFile = None,
    config: ConfigFile = None,
) -> None:
    """Make a token and print it. It cannot be printed again."""
    with offering_create():
        opened = _open(db, config, create=create)
    with opened as tokens:
        secret = tokens.add(name, dict.fromkeys(scope or [TokenScope.READ]))
    # On stderr, so that TOKEN=$(trackd token new ...) takes the secret alone.
    typer.echo("This token is shown only now; trackd stores only its hash:", err=True)
    typer.echo(secret)


@app.command("list")
def list_tokens(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the names.")] = False,
    db: DatabaseFile = None,
    config: ConfigFile = None,
) -> None:
    """List the tokens, the oldest first: creation time, scopes, name."""
    with _open(db, config) as tokens:
        for token in tokens.all():
            typer.echo(token.name if quiet else f"{token.inserted}  {' '.join(token.scopes):<10}  {token.name}")


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The token's name.", callback=checked_text)],
    db: DatabaseFile = None,
    config: ConfigFile = None,
) -> None:
    """Revoke a token: the next request with it is refused."""
    with _open(db, config) as tokens:
        tokens.revoke(name)
