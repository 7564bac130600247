"""`trackd verify`: check the invariants of a database."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from trackd.cli.administration import check_driver
from trackd.cli.options import ConfigFile, DatabaseFile, RulesPath, StoreUrl, load_settings, store_flags, store_name
from trackd.cli.output import plain_console, print_line, print_table
from trackd.cli.progress import progress_bar
from trackd.config.settings import Settings
from trackd.http.rules_loading import load_rules
from trackd.storage.audit.audit import Findings, audit, checks
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.log_tail import tail_for_reader


def verify(
    db: DatabaseFile = None,
    store: StoreUrl = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Compare a PostgreSQL database with the file that `trackd migrate` copied into it."
        ),
    ] = None,
    rules: RulesPath = None,
    config: ConfigFile = None,
) -> None:
    """Check that a database is sound, also while the server runs. Exit code 1 when it has a fault."""
    settings = load_settings(config, rules={"path": rules}, **store_flags(db, store)).settings
    if against is not None and not settings.store.url:
        raise typer.BadParameter("needs a database: name it with --store.", param_hint="'--against'")
    change_counters = load_rules(settings.rules.path, settings.limits).changes_counters
    number, results = _audit_of(settings, change_counters)
    found = []
    with progress_bar("verify", number) as advance:
        for done, findings in enumerate(results, 1):
            found.append(findings)
            advance(done)

    console = plain_console()
    summary = [(each.check.name, each.check.promise, each.number or "nothing") for each in found]
    print_table(console, ("check", "promise", "found"), summary)
    if change_counters:
        print_line(console, "counters are not checked: these rules change them")
    if incomplete := 0 if settings.store.url else _incomplete_commits(settings):
        print_line(console, f"{incomplete} commits at the end of the log are incomplete, as after a power loss")
    number = sum(findings.number for findings in found)
    if number:
        print_table(console, ("check", "where", "fault"), itertools.chain.from_iterable(map(_faults, found)))
        for remedy, names in _remedies(found).items():
            print_line(console, f"{', '.join(names)}: {remedy}")
    if against is not None:
        number += _compare(against, settings.store.url)
    verdict = "is sound" if number == 0 else "has 1 fault" if number == 1 else f"has {number} faults"
    print_line(console, f"{store_name(settings)} {verdict}")
    raise typer.Exit(1 if number else 0)


def _audit_of(settings: Settings, change_counters: bool) -> tuple[int, Iterator[Findings]]:
    """The number of checks of a store, and the findings of each."""
    if settings.store.url:
        check_driver()
        from trackd.storage.postgres.audit import audit_database, database_checks

        of_database = database_checks(rules_change_counters=change_counters)
        return len(of_database), audit_database(settings.store.url, of_database)
    path = settings.database.path
    DatabaseLock(path).check_free_elsewhere()
    of_file = checks(rules_change_counters=change_counters, synchronous=settings.database.synchronous)
    return len(of_file), audit(path, of_file)


def _compare(file: Path, url: str) -> int:
    """Print the rows of each table of a file and of a database; return how many tables differ."""
    from trackd.storage.postgres.table_differences import compare_file

    found = list(compare_file(file, url))
    rows = [(each.table, each.in_file, each.in_database, each.digest, each.fault or "nothing") for each in found]
    print_table(plain_console(), ("table", "rows in file", "in database", "SHA-256 of the file's", "differs"), rows)
    return sum(bool(each.fault) for each in found)


def _incomplete_commits(settings: Settings) -> int:
    """How many commits at the end of the log count as not made, though nothing is damaged."""
    tail = tail_for_reader(settings.database.path)
    return 0 if tail.is_damage and settings.database.synchronous == "FULL" else tail.commits


def _faults(findings: Findings) -> Iterator[tuple[str, str, str]]:
    for document_id, fault in findings.first:
        yield findings.check.name, document_id, fault
    if findings.number > len(findings.first):
        yield findings.check.name, "", f"and {findings.number - len(findings.first)} more"


def _remedies(found: Iterable[Findings]) -> Mapping[str, Sequence[str]]:
    """What to do, each with the names of the checks that found something."""
    names: dict[str, list[str]] = {}
    for findings in found:
        if findings.number:
            names.setdefault(findings.check.remedy, []).append(findings.check.name)
    return names
