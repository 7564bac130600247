"""`trackd doctor`: what makes a server lose data, refuse calls or crawl on this machine, and what to do about it."""

import json as json_format
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from trackd.cli.administration import check_driver
from trackd.cli.errors import CommandError
from trackd.cli.installation_checks import (
    check_configuration,
    check_limits,
    check_password,
    check_port,
    check_socket,
    check_sqlite,
    database_bytes,
)
from trackd.cli.options import ConfigFile, Hosts, StoreUrl, UnixSocket, flags_of_server, store_name
from trackd.cli.output import plain_console, print_line, print_table
from trackd.cli.watchdog import Watchdog
from trackd.config.load import Loaded, load
from trackd.storage.doctor.contents import check_contents
from trackd.storage.doctor.file_system import check_file_system, check_space
from trackd.storage.doctor.finding import Finding, Findings, State, of_error, worst
from trackd.storage.doctor.holders import check_holder, holder_of
from trackd.storage.doctor.leftovers import check_leftovers
from trackd.storage.doctor.permissions import check_permissions
from trackd.storage.doctor.trial import check_disk
from trackd.storage.errors import StoreError
from trackd.storage.files.system_errors import reason_and_remedy
from trackd.telemetry.plain_text import plain_json

HANGS_AFTER_S = 60.0  # a disk with 8 MB/s reads a long log in less

Check = tuple[str, Callable[[], Findings]]
"""What it examines, and the function that does it."""


def doctor(
    host: Hosts = None,
    port: Annotated[int | None, typer.Option(help="As for serve.")] = None,
    uds: UnixSocket = None,
    db: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The database file.  [default: trackd.db]", show_default=False, readable=False
        ),
    ] = None,
    store: StoreUrl = None,
    config: ConfigFile = None,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Examine what threatens data or speed on this machine, also while the server runs. Exit code 1 at a fault.

    Nothing is changed in the database. A temporary folder beside a file is made for a trial of the disk, and removed.
    """
    loaded = load(flags_of_server(host, port, db, None, uds, store), config)
    name = store_name(loaded.settings)
    found: list[Finding] = []

    def show() -> None:
        (_print_json if json else _print_table)(name, found)

    def end(check: str) -> None:
        """The disk, the network or the database hangs, and with it the thread that examines it."""
        remedy = "see whether the disk, its server or the database answers at all (`dmesg`)"
        found.append(Finding(check, State.FAULT, f"no answer within {HANGS_AFTER_S:.0f} s", remedy))
        show()
        sys.stdout.flush()
        os._exit(1)

    with Watchdog(HANGS_AFTER_S, end) as watchdog:
        checks = _database_checks(loaded) if loaded.settings.store.url else _checks(loaded)
        for check, examine in checks:
            watchdog.begin(check)
            found += _findings(check, examine)
    show()
    raise typer.Exit(1 if worst(found) == State.FAULT else 0)


def _database_checks(loaded: Loaded) -> Iterator[Check]:
    server, url = loaded.settings.server, loaded.settings.store.url
    yield "configuration", lambda: check_configuration(loaded)
    yield "password", lambda: check_password(loaded)
    yield "database", lambda: _of_database(url)
    yield "open files", lambda: check_limits(server, 0)
    if server.uds:
        yield "socket", lambda: check_socket(server, None)
    else:
        yield "port", lambda: check_port(server, None)


def _of_database(url: str) -> Findings:
    try:
        check_driver()
    except CommandError as error:
        yield of_error("driver", error)
        return
    from trackd.storage.postgres.doctor import check_database

    yield from check_database(url)


def _checks(loaded: Loaded) -> Iterator[Check]:
    server, path = loaded.settings.server, loaded.settings.database.path
    yield "configuration", lambda: check_configuration(loaded)
    yield "SQLite", check_sqlite
    real = Path(os.path.realpath(path))  # also of a link to itself
    folder = _existing(real.parent)
    yield "file system", lambda: check_file_system(folder)
    size = database_bytes(path)
    yield "free space", lambda: check_space(folder, size)
    yield "permissions", lambda: check_permissions(path)
    yield "leftovers", lambda: check_leftovers(path)
    if real.parent.is_dir():
        yield "writing", lambda: check_disk(real)
    yield "in use", lambda: check_holder(path)
    yield "tables", lambda: check_contents(path)
    yield "open files", lambda: check_limits(server, size)
    if server.uds:
        yield "socket", lambda: check_socket(server, _holder(path))
    else:
        yield "port", lambda: check_port(server, _holder(path))


def _findings(check: str, examine: Callable[[], Findings]) -> Iterator[Finding]:
    try:
        yield from examine()
    except StoreError as error:
        yield of_error(check, error)
    except OSError as error:
        name = f"{os.fsdecode(error.filename)} " if error.filename is not None else "it "
        yield of_error(check, OSError(f"{name}cannot be examined {reason_and_remedy(error)}"))


def _holder(path: Path) -> int | None:
    """As `holder_of`: 0 when it cannot be found out."""
    try:
        return holder_of(path)
    except StoreError:  # the lock of another user
        return 0


def _existing(folder: Path) -> Path:
    """The folder, or the one in which it would have to be made."""
    return next((each for each in (folder, *folder.parents) if each.is_dir()), folder)


def _print_json(name: str, found: Sequence[Finding]) -> None:
    findings = [
        {"check": each.check, "state": each.state.value, "found": each.found, "remedy": each.remedy} for each in found
    ]
    report = {"database": name, "state": worst(found).value, "findings": findings}
    typer.echo(plain_json(json_format.dumps(report, ensure_ascii=False, indent=2)))


def _print_table(name: str, found: Sequence[Finding]) -> None:
    console = plain_console()
    rows = [(each.check, each.state.value, each.found, each.remedy) for each in found]
    print_table(console, ("check", "state", "found", "what to do"), rows)
    numbers = [_number(state, sum(each.state == state for each in found)) for state in reversed(State)]
    print_line(console, f"{name}: {', '.join(numbers[:-1])}")


def _number(state: State, number: int) -> str:
    return f"{number or 'no'} {state}{'' if number == 1 else 's'}"
