"""`trackd verify`: check the invariants of a database file."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import typer

from trackd.cli.options import ConfigFile, DatabaseFile, RulesPath, file_of, load_settings, store_flags
from trackd.cli.output import plain_console, print_line, print_table
from trackd.cli.progress import progress_bar
from trackd.http.rules_loading import load_rules
from trackd.storage.audit.audit import Findings, audit, checks
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.log_tail import tail_for_reader


def verify(db: DatabaseFile = None, rules: RulesPath = None, config: ConfigFile = None) -> None:
    """Check that a database file is sound, also while the server runs. Exit code 1 when it has a fault."""
    settings = load_settings(config, rules={"path": rules}, **store_flags(db, None)).settings
    path = file_of(settings)
    DatabaseLock(path).check_free_elsewhere()
    change_counters = load_rules(settings.rules.path, settings.limits).changes_counters
    synchronous = settings.database.synchronous
    selected = checks(rules_change_counters=change_counters, synchronous=synchronous)
    found = []
    with progress_bar("verify", len(selected)) as advance:
        for done, findings in enumerate(audit(path, selected), 1):
            found.append(findings)
            advance(done)

    console = plain_console()
    summary = [(each.check.name, each.check.promise, each.number or "nothing") for each in found]
    print_table(console, ("check", "promise", "found"), summary)
    if change_counters:
        print_line(console, "counters are not checked: these rules change them")
    tail = tail_for_reader(path)
    if tail.commits and not (tail.is_damage and synchronous == "FULL"):
        print_line(console, f"{tail.commits} commits at the end of the log are incomplete, as after a power loss")
    number = sum(findings.number for findings in found)
    if number:
        print_table(console, ("check", "where", "fault"), itertools.chain.from_iterable(map(_faults, found)))
        for remedy, names in _remedies(found).items():
            print_line(console, f"{', '.join(names)}: {remedy}")
    verdict = "is sound" if number == 0 else "has 1 fault" if number == 1 else f"has {number} faults"
    print_line(console, f"{path} {verdict}")
    raise typer.Exit(1 if number else 0)


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
