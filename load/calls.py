"""A call as it is sent, and what an answer says of it."""

from typing import Annotated

import msgspec

from trackd.load.history import History
from trackd.load.target import Target

EVENT = '{{"id":"{}","type":"page-view","properties":{{"page":"/load","position":{}}},"context":{{}}}}'
_Seq = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]  # what a history can hold
_Saved = Annotated[int, msgspec.Meta(ge=0, le=2**15 - 1)]


class Call:
    """`again` says how it is retried: "" not at all, "answered" after its answer, "cut" after a cut connection."""

    __slots__ = ("again", "attempt", "attempts", "intended", "number", "request", "session", "told")

    def __init__(self, number: int, session: int, told: int, again: str) -> None:
        self.number = number
        self.session = session
        self.told = told
        self.again = again
        self.attempts = 0
        self.attempt = -1  # of the history
        self.intended = 0.0
        self.request = b""


class _Events(msgspec.Struct):
    ids: msgspec.Raw
    seq: list[_Seq]
    saved: _Saved


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
_decode_ids = msgspec.json.Decoder(list[str]).decode


class Writer:
    """Builds requests: what never changes is built once."""

    def __init__(self, target: Target, source_id: str, history: History) -> None:
        self._history = history
        self._head = target.track
        source = msgspec.json.encode(source_id).decode().replace("%", "%%")
        events = ",".join(EVENT.format(pattern, position) for position, pattern in enumerate(history.event_ids))
        self._body = (
            f'{{"source":{{"id":{source}}},"options":{{"debugger":true}},"session":{{"id":"{history.session_ids}"}}'
            f'%b,"events":[{events}]}}'
        ).encode()

    def write(self, call: Call) -> None:
        history, profile = self._history, b""
        if call.told >= 0:
            profile = b',"profile":{"id":%b}' % msgspec.json.encode(history.profile_ids[call.told])
        body = self._body % (call.session, profile, *(call.number,) * history.events_per_call)
        call.request = b"%b%d\r\n\r\n%b" % (self._head, len(body), body)


class Reader:
    """Reads answers. Ids that come as they were sent are compared as text, without a look at each."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._ids = msgspec.json.encode(history.event_ids)

    def read(self, body: bytes, call: int) -> tuple[Answer | None, list[int]]:
        """The answer, None when it is none, and the number of each event; 0 where it has none."""
        n = self._history.events_per_call
        try:
            answer = _decode(body)
            events = answer.debugging.events
            if bytes(events.ids) == self._ids % ((call,) * n) and len(events.seq) == n:
                return answer, events.seq
            told = dict(zip(_decode_ids(events.ids), events.seq, strict=False))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None, [0] * n
        return answer, [told.get(self._history.event_id(call, position), 0) for position in range(n)]
