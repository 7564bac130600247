"""Calls, the requests that carry them, and the answers."""

from typing import Annotated

import msgspec

from trackd.load.history import History

SESSION_HEADER = "X-Trackd-Session"
EVENT = '{{"id":"{}","type":"page-view","properties":{{"page":"/load","position":{}}},"context":{{}}}}'
_Seq = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]  # the range of the history's columns
_Saved = Annotated[int, msgspec.Meta(ge=0, le=2**15 - 1)]


class Call:
    """One call. `claimed` is the number of the profile that it names, or NONE.

    `retry` is the kind of its planned retry: "" for none, "answered" after its answer, "cut" after a cut connection.
    `request` follows the head that `Target.track` has.
    """

    __slots__ = ("attempt", "attempts", "claimed", "intended", "number", "request", "retry", "session")

    def __init__(self, number: int, session: int, claimed: int, retry: str) -> None:
        self.number = number
        self.session = session
        self.claimed = claimed
        self.retry = retry
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
    """Builds requests; the constant parts are built once."""

    def __init__(self, source_id: str, history: History) -> None:
        self._history = history
        # A load balancer sends the calls of a session to one node by this header.
        self._lines = f"%d\r\n{SESSION_HEADER}: {history.session_ids}\r\n\r\n%b".encode()
        source = msgspec.json.encode(source_id).decode().replace("%", "%%")
        events = ",".join(EVENT.format(pattern, position) for position, pattern in enumerate(history.event_ids))
        self._body = (
            f'{{"source":{{"id":{source}}},"options":{{"debugger":true}},"session":{{"id":"{history.session_ids}"}}'
            f'%b,"events":[{events}]}}'
        ).encode()

    def write(self, call: Call) -> None:
        history, profile = self._history, b""
        if call.claimed >= 0:
            profile = b',"profile":{"id":%b}' % msgspec.json.encode(history.profile_ids[call.claimed])
        body = self._body % (call.session, profile, *(call.number,) * history.events_per_call)
        call.request = self._lines % (len(body), call.session, body)


class Reader:
    """Reads answers. Ids in the order in which they were sent are compared as one text."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._ids = msgspec.json.encode(history.event_ids)

    def read(self, body: bytes, call: int) -> tuple[Answer | None, list[int]]:
        """The answer and the `seq` of each event. None if the body is not an answer, 0 for an event without a `seq`."""
        n = self._history.events_per_call
        try:
            answer = _decode(body)
            events = answer.debugging.events
            if bytes(events.ids) == self._ids % ((call,) * n) and len(events.seq) == n:
                return answer, events.seq
            numbers = dict(zip(_decode_ids(events.ids), events.seq, strict=False))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None, [0] * n
        return answer, [numbers.get(self._history.event_id(call, position), 0) for position in range(n)]
