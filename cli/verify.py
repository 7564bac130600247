"""`trackd verify`: check the invariants of a database file."""

import typer
from rich.console import Console
from rich.table import Table

from trackd.cli.options import ConfigFile, DatabaseFile, RulesPath, load_settings
from trackd.cli.progress import progress_bar
from trackd.http.rules_loading import load_rules
from trackd.storage.sqlite.audit import audit, checks


def verify(db: DatabaseFile = None, rules: RulesPath = None, config: ConfigFile = None) -> None:
    """Check that a database file is sound, also while the server runs. Exit code 1 when it has a fault."""
    settings = load_settings(config, database={"path": db}, rules={"path": rules}).settings
    path = settings.database.path
    change_counters = load_rules(settings.rules.path, settings.limits).changes_counters
    selected = checks(rules_change_counters=change_counters)
    found = []
    with progress_bar("verify", len(selected)) as advance:
        for done, findings in enumerate(audit(path, selected), 1):
            found.append(findings)
            advance(done)

    table = Table("check", "promise", "found")
    for findings in found:
        table.add_row(findings.check.name, findings.check.promise, str(findings.number or "nothing"))
    faults = Table("check", "id", "fault")
    for findings in found:
        for document_id, fault in findings.first:
            faults.add_row(findings.check.name, document_id, fault)
        if findings.number > len(findings.first):
            faults.add_row(findings.check.name, "", f"and {findings.number - len(findings.first)} more")
    console = Console()
    console.print(table)
    if change_counters:
        console.print("counters are not checked: these rules change them")
    number = sum(findings.number for findings in found)
    if number:
        console.print(faults)
    verdict = "is sound" if number == 0 else "has 1 fault" if number == 1 else f"has {number} faults"
    console.print(f"{path} {verdict}", highlight=False, soft_wrap=True)
    raise typer.Exit(1 if number else 0)
