"""`trackd token`: manage the tokens for reading and administration."""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from trackd.cli.administration import open_tokens
from trackd.cli.errors import CommandError
from trackd.cli.options import ConfigFile, Create, DatabaseFile, StoreUrl, checked_text, offering_create
from trackd.cli.output import echo
from trackd.core.documents import Login, Token, TokenScope, timestamp
from trackd.core.times import read_time
from trackd.storage.files.private_file import create as create_file
from trackd.storage.files.syncing import sync
from trackd.storage.files.system_errors import reason_and_remedy
from trackd.telemetry.standard_streams import StdoutError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Manage the tokens for reading and administration, also while the server runs.",
)

DURATION = re.compile(r"([0-9]{1,6})([mhdw])")
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def _checked_name(value: str) -> str:
    name = checked_text(value).strip()
    if not 1 <= len(name) <= 255:
        raise typer.BadParameter("a name has 1 to 255 characters.")
    if not name.isprintable():
        raise typer.BadParameter("a name has no control characters.")
    return name


def _checked_expiry(value: str | None) -> str | None:
    """The timestamp of a duration from now, or of a time."""
    if value is None:
        return None
    now = datetime.now(UTC)
    try:
        duration = DURATION.fullmatch(value.strip())
        moment = timestamp(now + int(duration[1]) * UNITS[duration[2]]) if duration else read_time(value)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{value!r} is neither a duration, such as 90d (m, h, d or w), nor a time, such as 2027-01-31."
        ) from None
    if moment <= timestamp(now):
        raise typer.BadParameter(f"{value!r} is over already.")
    return moment


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name for people.", callback=_checked_name)],
    scope: Annotated[
        list[TokenScope] | None,
        typer.Option(
            help="What the token permits; may be repeated. read includes metrics, admin includes all.  [default: read]",
            show_default=False,
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When it stops working: after 90d (also m, h or w), or a time such as 2027-01-31, UTC without a zone.",
            callback=_checked_expiry,
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Write it to a new file that only this user may read, in place of stdout."),
    ] = None,
    create: Create = False,
    db: DatabaseFile = None,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Make a token and print it. It cannot be printed again."""
    scopes = dict.fromkeys(scope or [TokenScope.READ])
    with offering_create():
        opened = open_tokens(db, store, config, create=create)
    with opened as tokens:
        if file is not None:
            with _new_file(file) as descriptor:
                tokens.add(name, scopes, expires, show=lambda secret: _write_secret(secret, descriptor))
            echo(f"The token is in {file}; trackd stores only its hash.", err=True)
        else:
            tokens.add(name, scopes, expires, show=_print_secret)


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[int]:
    """A new file, which is removed after an exception. Raises CommandError."""
    try:
        descriptor = create_file(path)
    except FileExistsError:
        raise CommandError(f"{path} exists already: name another file, or remove it first.") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written {reason_and_remedy(error)}.") from None
    try:
        yield descriptor
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _write_secret(secret: str, descriptor: int) -> None:
    try:
        os.write(descriptor, f"{secret}\n".encode())
        sync(descriptor)
    except OSError as error:
        raise CommandError(f"The token cannot be written ({error.strerror}), and was not made.") from None


def _print_secret(secret: str) -> None:
    # On stderr, so that TOKEN=$(trackd token new ...) takes the secret alone.
    echo("This token is shown only now; trackd stores only its hash:", err=True)
    try:
        typer.echo(secret)
    except StdoutError as error:
        raise CommandError(f"The token was not made: {error}.") from None


@app.command("list")
def list_tokens(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the names.")] = False,
    db: DatabaseFile = None,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """List the tokens and the logins of the live page: creation time, scopes, expiry, last use (to an hour), name."""
    now = timestamp(datetime.now(UTC))
    with open_tokens(db, store, config, read_only=True) as tokens:
        found = tokens.all()
        for token in found:
            echo(token.name if quiet else _line(token, now))
        names = {token.hash: token.name for token in found}
        for login in tokens.logins():
            if not login.has_expired(now):
                echo(login.name if quiet else _login_line(login, names))


def _line(token: Token, now: str) -> str:
    expiry = "never expires" if token.expires is None else f"expires {_minute(token.expires)}"
    if token.has_expired(now):
        expiry = f"EXPIRED {_minute(token.expires or '')}"
    use = "never used" if token.used is None else f"used {_minute(token.used)}"
    return f"{token.inserted}  {' '.join(token.scopes):<10}  {expiry:<24}  {use:<21}  {token.name}"


def _login_line(login: Login, names: Mapping[str, str]) -> str:
    """`names`: those of the tokens, by hash."""
    origin = f"by the token {names.get(login.token_hash, '(revoked)')}" if login.token_hash else "by a link"
    expiry = f"expires {_minute(login.expires)}"
    scopes, use = " ".join(login.scopes), "on the live page"
    return f"{login.inserted}  {scopes:<10}  {expiry:<24}  {use:<21}  {login.name} ({origin})"


def _minute(time: str) -> str:
    """`2026-01-31T12:00Z`."""
    return f"{time[:16]}Z"


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The token's name.", callback=checked_text)],
    db: DatabaseFile = None,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Revoke a token or end a login: the next request with it is refused."""
    with open_tokens(db, store, config) as tokens:
        tokens.revoke(name)
