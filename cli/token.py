"""`trackd token`: who may look inside and administer."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trackd.cli.options import ConfigFile, DatabaseFile, checked_text, load_settings
from trackd.core.documents import TokenScope

if TYPE_CHECKING:
    from trackd.storage.sqlite.tokens import Tokens

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Manage the tokens that open reads and administration, beside a running server too.",
)


def _open(db: Path | None, config: Path | None, *, create: bool = False) -> "Tokens":
    from trackd.storage.sqlite.tokens import Tokens

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
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.", callback=_checked_name)],
    scope: Annotated[
        list[TokenScope] | None,
        typer.Option(help="What it opens; may be repeated. admin includes read.  [default: read]", show_default=False),
    ] = None,
    db: DatabaseFile = None,
    config: ConfigFile = None,
) -> None:
    """Make a token, and print it: the only time that it can be seen."""
    with _open(db, config, create=True) as tokens:
        secret = tokens.add(name, dict.fromkeys(scope or [TokenScope.READ]))
    typer.echo("This token is shown only now, trackd keeps no more than its hash:", err=True)  # TOKEN=$(...) works
    typer.echo(secret)


@app.command("list")
def list_tokens(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the names.")] = False,
    db: DatabaseFile = None,
    config: ConfigFile = None,
) -> None:
    """List the tokens, the oldest first: when they were made, what they open, their names."""
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
