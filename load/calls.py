"""A call as it is sent, and what an answer says of it."""

import msgspec

from trackd.load.history import History
from trackd.load.target import Target

EVENT = ',"type":"page-view","properties":{"page":"/load","position":%d},"context":{}}'
LARGEST = 2**63 - 1


class Call:
    """`again` says how it is retried: "" not at all, "answered" after its answer, "cut" after a cut connection."""

    __slots__ = ("again", "attempt", "attempts", "ids", "intended", "number", "request", "session", "told")

    def __init__(self, number: int, session: int, told: int, again: str) -> None:
        self.number = number
        self.session = session
        self.told = told
        self.again = again
        self.attempts = 0
        self.attempt = -1  # of the history
        self.intended = 0.0
        self.ids: list[str] = []
        self.request = b""


class _Events(msgspec.Struct):
    ids: list[str]
    seq: list[int]
    saved: int


class _Debugging(msgspec.Struct):
    events: _Events


class _Profile(msgspec.Struct):
    id: str


class _Source(msgspec.Struct):
    consent: bool = False


class Answer(msgspec.Struct):
    profile: _Profile
    debugging: _Debugging
    source: _Source


_decode = msgspec.json.Decoder(Answer).decode


class Writer:
    """Builds requests: what never changes is built once."""

    def __init__(self, target: Target, source_id: str, history: History) -> None:
        self._history = history
        self._head = target.track
        self._begin = f'{{"source":{{"id":{_quoted(source_id)}}},"options":{{"debugger":true}},"session":{{"id":"'
        self._events = [EVENT % position for position in range(history.events_per_call)]

    def write(self, call: Call) -> None:
        event_id, number = self._history.event_id, call.number
        call.ids = [event_id(number, position) for position in range(len(self._events))]
        events = ",".join([f'{{"id":"{i}"{rest}' for i, rest in zip(call.ids, self._events, strict=True)])
        profile = f',"profile":{{"id":{_quoted(self._history.profile_ids[call.told])}}}' if call.told >= 0 else ""
        session = self._history.session_id(call.session)
        body = f'{self._begin}{session}"}}{profile},"events":[{events}]}}'.encode()
        call.request = b"%b%d\r\n\r\n%b" % (self._head, len(body), body)


def read_answer(body: bytes, ids: list[str]) -> tuple[Answer | None, list[int]]:
    """The answer, None when it is none, and the number of each event; 0 where it has none."""
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None, [0] * len(ids)
    events = answer.debugging.events
    if events.ids == ids and len(events.seq) == len(ids):
        seqs = events.seq
    else:
        told = dict(zip(events.ids, events.seq, strict=False))
        seqs = [told.get(event_id, 0) for event_id in ids]
    return answer, seqs if max(seqs, default=0) <= LARGEST else [0] * len(ids)


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()
