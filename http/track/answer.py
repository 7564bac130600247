"""Builds the body of a 200 (contract 2.4). Structs take less time than dicts: their keys are known."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from trackd.core.calls import LogEntry, Tracked

ENCODER = msgspec.json.Encoder()
NONE: tuple[()] = ()


class _Document(Struct):
    saved: int
    errors: tuple[()]
    ids: Sequence[str]
    types: tuple[()] = ()


class _Events(Struct):
    saved: int
    errors: tuple[()]
    ids: list[str]
    types: list[str]
    seq: list[int]


class _Debugging(Struct):
    session: _Document
    events: _Events
    profile: _Document
    execution: dict[str, Any]
    segmentation: dict[str, Any]
    logs: list[dict[str, Any]]


class _Answer(Struct):
    debugging: _Debugging | UnsetType
    profile: dict[str, Any]
    session: dict[str, str]
    source: dict[str, bool]
    ux: tuple[()] = ()
    response: dict[str, Any] = {}


def answer_body(tracked: Tracked) -> bytes:
    debugging = _debugging(tracked) if tracked.debug else UNSET
    profile = tracked.profile or {"id": tracked.profile_id}
    return ENCODER.encode(_Answer(debugging, profile, {"id": tracked.session_id}, {"consent": tracked.consent}))


def _debugging(tracked: Tracked) -> _Debugging:
    report, saved = tracked.report, 0
    ids, types, seqs = [], [], []
    for event in tracked.events:
        saved += event.saved
        ids.append(event.id)
        types.append(event.type)
        seqs.append(event.seq)
    execution = {
        event_type: [{"rule": rule, "changed": changed} for rule, changed in runs.items()]
        for event_type, runs in report.execution.items()
    }
    return _Debugging(
        _Document(int(tracked.session_saved), NONE, (tracked.session_id,) if tracked.session_kept else NONE),
        _Events(saved, NONE, ids, types, seqs),
        _Document(int(tracked.profile_saved), NONE, (tracked.profile_id,)),
        execution,
        {"errors": report.segment_errors, "ids": report.segments},
        [_log(entry) for entry in (*report.logs, *tracked.logs)],
    )


def _log(entry: LogEntry) -> dict[str, Any]:
    return {"type": entry.type, "event_id": entry.event_id, "rule": entry.rule, "message": entry.message}
