"""Builds the body of a 200 (contract 2.4)."""

from typing import Any

import msgspec

from trackd.core.calls import LogEntry, Tracked

ENCODER = msgspec.json.Encoder()


def answer_body(tracked: Tracked) -> bytes:
    answer: dict[str, Any] = {"debugging": _debugging(tracked)} if tracked.debug else {}
    answer |= {
        "profile": tracked.profile or {"id": tracked.profile_id},
        "session": {"id": tracked.session_id},
        "source": {"consent": tracked.consent},
        "ux": [],
        "response": {},
    }
    return ENCODER.encode(answer)


def _debugging(tracked: Tracked) -> dict[str, Any]:
    report, saved = tracked.report, 0
    ids, types, seqs = [], [], []
    for event in tracked.events:
        saved += event.saved
        ids.append(event.id)
        types.append(event.type)
        seqs.append(event.seq)
    return {
        "session": {
            "saved": int(tracked.session_saved),
            "errors": [],
            "ids": [tracked.session_id] if tracked.session_kept else [],
            "types": [],
        },
        "events": {
            "saved": saved,
            "errors": [],
            "ids": ids,
            "types": types,
            "seq": seqs,
        },
        "profile": {
            "saved": int(tracked.profile_saved),
            "errors": [],
            "ids": [tracked.profile_id],
            "types": [],
        },
        "execution": {
            event_type: [{"rule": rule, "changed": changed} for rule, changed in runs.items()]
            for event_type, runs in report.execution.items()
        },
        "segmentation": {"errors": report.segment_errors, "ids": report.segments},
        "logs": [_log(entry) for entry in (*report.logs, *tracked.logs)],
    }


def _log(entry: LogEntry) -> dict[str, Any]:
    return {"type": entry.type, "event_id": entry.event_id, "rule": entry.rule, "message": entry.message}
