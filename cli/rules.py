"""`trackd rules`: check a rules file, try it on an event, apply it to all profiles."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from trackd.cli.application_report import application_lines
from trackd.cli.job_places import place_of
from trackd.cli.options import ConfigFile, DatabaseFile, RulesPath, StoreUrl, load_settings, store_flags
from trackd.cli.output import echo, report
from trackd.cli.trial_files import read_call, read_profile
from trackd.cli.trial_report import difference_lines, event_lines, rejection_lines
from trackd.config.rules_file import read_rules
from trackd.core.calls import Rejected
from trackd.core.decision import decide
from trackd.core.documents import Source, timestamp
from trackd.core.event_report import EventReport
from trackd.core.jobs import APPLY_RULES
from trackd.core.profile_document import new_profile
from trackd.core.rules.ruleset import RuleSet
from trackd.core.snapshot import Snapshot
from trackd.http.rules_loading import compile_content, load_rules
from trackd.storage.sqlite.database import check_exists
from trackd.storage.sqlite.lock import DatabaseLock

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Check a rules file, try it on an event, apply it to profiles.",
)

RulesArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The rules file.")]


@app.command()
def check(file: RulesArgument, config: ConfigFile = None) -> None:
    """Check a rules file as a server does at its start. Prints the first fault; then the exit code is 2."""
    settings = load_settings(config).settings
    content = read_rules(file)
    _print_notes(compile_content(content, settings.limits, str(file)))
    tables = content.tables
    with_schema = sum("schema" in entry or "schema_file" in entry for entry in tables.get("event", {}).values())
    counts = {kind: len(tables.get(kind, ())) for kind in ("rule", "segment", "unwanted")}
    echo(
        f"{file} is sound: rules {counts['rule']}, segments {counts['segment']}, schemas {with_schema}, "
        f"unwanted {counts['unwanted']}."
    )


@app.command()
def apply(db: DatabaseFile = None, store: StoreUrl = None, rules: RulesPath = None, config: ConfigFile = None) -> None:
    """Evaluate the segments of all profiles again, in the running server, or in this command if none runs."""
    settings = load_settings(config, rules={"path": rules}, **store_flags(db, store)).settings
    if not settings.store.url:
        check_exists(settings.database.path)
        DatabaseLock(settings.database.path).check_free_elsewhere()
    if rules is not None and place_of(settings).is_served():
        echo("Note: the running server applies its own rules file, not that of --rules.", err=True)
    from trackd.cli.jobs import run_job  # loads the server, which the other commands do not need

    for line in application_lines(run_job(settings, APPLY_RULES, {}, "profiles")):
        report(line)


@app.command("try")
def try_rules(
    file: RulesArgument,
    event: Annotated[
        Path, typer.Option("--event", metavar="FILE", help="JSON: an event, a list of events, or a whole payload.")
    ],
    profile: Annotated[
        Path | None,
        typer.Option("--profile", metavar="FILE", help="JSON: the profile before the event.  [default: a new one]"),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="The id of the source.  [default: that of the payload, if it is one]")
    ] = None,
    consent: Annotated[bool, typer.Option("--consent", help="The source requires consent.")] = False,
    user_agent: Annotated[str | None, typer.Option(help="The User-Agent of the call, to recognize bots.")] = None,
    config: ConfigFile = None,
) -> None:
    """Run the rules on an event. Prints the rules that ran or were skipped and why, and the change of the profile."""
    limits = load_settings(config).settings.limits
    rules = load_rules(str(file), limits)
    _print_notes(rules)
    now = timestamp(datetime.now(UTC))
    before = read_profile(profile, now) if profile else None
    profile_id = before.id if before else "new-profile"
    call = read_call(event, source, user_agent, now, limits)
    sender = Source(call.source_id, call.source_id, consent=consent)
    decision = decide(Snapshot(profile_id, before, None, {}), call, sender, rules, limits)
    if isinstance(decision, Rejected):
        for line in rejection_lines(decision):
            echo(line)
        return
    for note in call.notes:
        echo(f"note        {note}")
    reports = {id(report.event): report for report in decision.reports}
    for position, sent in enumerate(call.events, 1):
        for line in event_lines(position, reports.get(id(sent)) or EventReport(sent)):
            echo(line)
    for line in difference_lines(before.doc if before else new_profile(profile_id, now), decision.profile.doc):
        echo(line)


def _print_notes(rules: RuleSet) -> None:
    for note in rules.notes:
        echo(f"Note: {note}.")
