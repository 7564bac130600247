"""A run as JSON lines, for outside checkers: docs/history.md describes them."""

from collections.abc import Iterator
from heapq import merge
from typing import IO, Any

import msgspec

from trackd.load.history import NEVER, OK, History
from trackd.load.run import Result
from trackd.load.summary import summary

FORMAT = "trackd history"
VERSION = 1
READ_EVENTS = 1_000
SENT, ENDED = 0, 1  # entries of the same time: sent ones first
NOTHING_STORED = range(400, 500)


def write_history(file: IO[bytes], result: Result) -> None:
    """A head, the attempts and their outcomes in the order of time, and the events that were read back."""
    encode, history = msgspec.json.encode, result.history
    about = summary(result)
    head = {key: about[key] for key in ("url", "source", "run", "options")}
    file.write(encode({"format": FORMAT, "version": VERSION, **head}) + b"\n")
    for index, entry in enumerate(_entries(result)):
        file.write(encode({"index": index, **entry}) + b"\n")
    file.write(encode({"end": True, "attempts": len(history)}) + b"\n")


def _entries(result: Result) -> Iterator[dict[str, Any]]:
    history = result.history
    processes = _processes(history, result.plan.mix.clients)
    began = history.sent[0] if len(history) else 0.0
    last = max((at for at in (*history.sent, *history.answered) if at != NEVER), default=0.0)
    sent = ((at, SENT, attempt) for attempt, at in enumerate(history.sent))
    ended = sorted((min(at, last), ENDED, attempt) for attempt, at in enumerate(history.answered))
    for at, what, attempt in merge(sent, ended):
        kind, value = _call(history, attempt) if what == SENT else _outcome(history, attempt)
        time = round((at - began) * 1e9)
        yield {"process": processes[attempt], "type": kind, "f": "track", "time": time, "value": value}
    yield from _reads(result)


def _processes(history: History, clients: int) -> list[int]:
    """The process of each attempt. After an unknown outcome a client continues as another process."""
    current = list(range(clients))
    processes = []
    for client, status in zip(history.client, history.status, strict=True):
        processes.append(current[client])
        if status <= 0 or status >= 500:
            current[client] += clients
    return processes


def _call(history: History, attempt: int) -> tuple[str, dict[str, Any]]:
    claimed, call = history.claimed[attempt], history.call[attempt]
    return "invoke", {
        "call": call,
        "session": history.session_id(history.session[attempt]),
        "profile": history.profile_ids[claimed] if claimed >= 0 else None,
        "events": [history.event_id(call, position) for position in range(history.events_per_call)],
    }


def _outcome(history: History, attempt: int) -> tuple[str, dict[str, Any]]:
    status, call = history.status[attempt], history.call[attempt]
    if status != OK:
        return "fail" if status in NOTHING_STORED else "info", {"call": call, "status": status if status > 0 else None}
    profile = history.profile_ids[history.profile[attempt]]
    return "ok", {"call": call, "profile": profile, "seq": history.seqs_of(attempt), "saved": history.saved[attempt]}


def _reads(result: Result) -> Iterator[dict[str, Any]]:
    """Each profile's events of this run as they were read back, in lines of at most 1,000."""
    history, stored = result.history, result.stored
    if stored is None:
        return
    n = history.events_per_call
    by_profile: dict[int, list[int]] = {}
    for place, profile in enumerate(stored.profiles):
        if profile >= 0:
            by_profile.setdefault(profile, []).append(place)
    for profile, places in sorted(by_profile.items()):
        places.sort(key=stored.seqs.__getitem__)
        for start in range(0, len(places), READ_EVENTS):
            events = [
                [history.event_id(*divmod(place, n)), stored.seqs[place]]
                for place in places[start : start + READ_EVENTS]
            ]
            value = {"profile": history.profile_ids[profile], "events": events}
            yield {"process": 0, "type": "ok", "f": "read", "time": None, "value": value}
