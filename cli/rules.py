"""`trackd rules`: is a rules file sound, and what does it do with an event? Needs no server and no database."""

import difflib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trackd.cli.errors import CommandError
from trackd.cli.options import ConfigFile, load_settings

if TYPE_CHECKING:  # the other commands start faster without what runs rules
    from trackd.config.settings import Settings
    from trackd.core.calls import Rejected, Track
    from trackd.core.decision import Decision
    from trackd.core.documents import Profile
    from trackd.core.processing import EventReport

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Check rules, and try what they do with an event.")

RulesArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The rules file.")]
SOURCE_ID = "rules-try"


@app.command()
def check(file: RulesArgument, config: ConfigFile = None) -> None:
    """Say whether a server can start with the file. Exit code 2 and the first fault when it cannot."""
    settings = load_settings(config).settings
    from trackd.config.rules_file import read_rules
    from trackd.core.rules.compiling import compile_rules

    tables, schemas = read_rules(file)
    compile_rules(tables, settings.limits, schemas=schemas, name=str(file))
    with_schema = sum("schema" in entry or "schema_file" in entry for entry in tables.get("event", {}).values())
    counts = {kind: len(tables.get(kind, ())) for kind in ("rule", "segment", "unwanted")}
    typer.echo(
        f"{file} is sound: rules {counts['rule']}, segments {counts['segment']}, schemas {with_schema}, "
        f"unwanted {counts['unwanted']}."
    )


@app.command("try")
def try_rules(
    file: RulesArgument,
    event: Annotated[
        Path, typer.Option("--event", metavar="FILE", help="JSON: an event, a list of events, or a whole payload.")
    ],
    profile: Annotated[
        Path | None,
        typer.Option("--profile", metavar="FILE", help="JSON: the profile before; a new one when left out."),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="The id of the source; that of the payload, if it is one, when left out.")
    ] = None,
    consent: Annotated[bool, typer.Option("--consent", help="The source requires consent.")] = False,
    user_agent: Annotated[str | None, typer.Option(help="The User-Agent of the call, for bots.")] = None,
    config: ConfigFile = None,
) -> None:
    """Print what the rules do with an event: what ran, what was skipped and why, and how the profile changed."""
    settings = load_settings(config).settings
    from trackd.core.calls import Rejected
    from trackd.core.decision import decide
    from trackd.core.documents import Source, timestamp
    from trackd.core.processing import EventReport, Snapshot
    from trackd.core.profile_document import new_profile
    from trackd.http.rules_loading import load_rules

    rules = load_rules(str(file), settings.limits)
    now = timestamp(datetime.now(UTC))
    before = _profile(profile, now) if profile else None
    profile_id = before.id if before else "new-profile"
    call = _call(event, source, user_agent, now, settings)
    sender = Source(call.source_id, call.source_id, consent=consent)
    decision = decide(Snapshot(profile_id, before, None, {}), call, sender, rules, settings.limits)
    if isinstance(decision, Rejected):
        for line in _rejection(decision):
            typer.echo(line)
        return
    reports = {id(report.event): report for report in decision.reports}
    for position, sent in enumerate(call.events, 1):
        for line in _report(position, reports.get(id(sent)) or EventReport(sent)):
            typer.echo(line)
    for line in _difference(before.doc if before else new_profile(profile_id, now), decision):
        typer.echo(line)


def _call(path: Path, source: str | None, user_agent: str | None, now: str, settings: "Settings") -> "Track":
    from trackd.http.errors import HttpError
    from trackd.http.track.decoding import decode
    from trackd.http.track.payload import PayloadParser

    said = _read_json(path)
    payload = said if isinstance(said, dict) and "events" in said else {"events": said}
    if isinstance(said, dict) and payload is not said:
        payload = {"events": [said]}
    payload = {"source": {"id": SOURCE_ID}, "session": {"id": SOURCE_ID}, **payload}
    if source is not None:
        payload["source"] = {"id": source}
    try:
        parsed = PayloadParser(settings.limits.max_events).parse(json.dumps(payload).encode())
        return decode(parsed, number=1, received=now, user_agent=user_agent)
    except HttpError as error:
        raise CommandError(f"{path}: {_first_fault(error.detail)}.") from None


def _first_fault(detail: Any) -> str:
    if isinstance(detail, str):
        return detail.rstrip(".")
    place = ".".join(str(part) for part in detail[0]["loc"][1:])
    return f"{place}: {detail[0]['msg']}" if place else str(detail[0]["msg"])


def _profile(path: Path, now: str) -> "Profile":
    """The profile of the file. What the file leaves out, or gives as null, is as in a new profile."""
    import msgspec

    from trackd.core.document_shapes import ProfileDocument
    from trackd.core.documents import Profile
    from trackd.core.encoding import json_raw
    from trackd.core.profile_document import new_profile
    from trackd.core.rules.draft import json_size

    doc = _completed(new_profile("given-profile", now), _read_json(path))
    try:
        msgspec.convert(doc, ProfileDocument)
        json_size(doc)
    except msgspec.ValidationError as error:
        raise CommandError(f"{path} is not a profile of trackd: {error}.") from None
    except ValueError:
        raise CommandError(f"{path} is nested too deep.") from None
    return Profile(doc["id"], doc["seq"], 1, json_raw(doc))


def _completed(default: Any, given: Any) -> Any:
    """`given` with the values of `default` where it has none or null, objects merged with objects."""
    if given is None:
        return default
    if isinstance(default, dict) and isinstance(given, dict):
        parts = {key: _completed(value, given[key]) for key, value in default.items() if key in given}
        return {**default, **given, **parts}
    return given


def _read_json(path: Path) -> Any:
    from trackd.core.encoding import refuse_constant

    try:
        value = json.loads(path.read_text("utf-8-sig"), parse_constant=refuse_constant)
        json.dumps(value, ensure_ascii=False).encode()  # half a character is no text
        return value
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{path} is not JSON: {error}.") from None


def _rejection(rejected: "Rejected") -> Iterator[str]:
    yield "The call is refused with 422, and nothing of it is kept:"
    for event in rejected.events:
        for fault in event.faults:
            yield f"  event {event.position + 1}: {fault}"


def _report(position: int, report: "EventReport") -> Iterator[str]:
    yield f"event {position}, {report.event.type}: {_outcome(report)}"
    for fault in report.faults:
        yield f"  invalid   {fault}"
    if report.uncounted:
        yield f"  skipped   the counter of its type: {report.uncounted}"
    for run in report.runs:
        if run.unmet is not None:
            yield f"  not run   {run.rule}: {'the condition failed: ' if run.unmet.failed else ''}{run.unmet.why}"
            continue
        yield f"  ran       {run.rule}: {', '.join(run.changed) if run.changed else 'nothing changed'}"
        for skipped in run.skipped:
            yield f"  skipped   {run.rule}: {skipped}"
    for change in report.segment_changes:
        what = f"{change.segment} failed: {change.failed}" if change.failed else change.segment
        yield f"  {'segment' if change.failed else 'entered' if change.entered else 'left':<9} {what}"


def _outcome(report: "EventReport") -> str:
    if report.duplicate:
        return "known already"
    if report.dropped:
        return f"dropped, {report.dropped}"
    return "stored as invalid, not applied" if report.faults else "applied"


def _difference(before: Any, decision: "Decision") -> Iterator[str]:
    was, now = (json.dumps(doc, indent=2, ensure_ascii=False).splitlines() for doc in (before, decision.profile.doc))
    yield from difflib.unified_diff(was, now, "profile before", "profile after", lineterm="")
