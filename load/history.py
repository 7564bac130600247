"""The record of a run: every attempt of every call, in columns.

A call is sent in one attempt or, when it is retried, in several with the same event ids. A row takes 40 bytes,
and 8 for each event.
"""

from array import array
from collections.abc import Sequence

UNANSWERED = 0  # the status of an attempt whose connection was lost, or that is still in flight at the end
CUT = -1  # of an attempt whose connection the client cut on purpose
OK = 200
NEVER = float("inf")
NONE = -1


class History:
    """Grows by a row with `begin`; `answer` or `end` fills the row in. Times are seconds of one clock."""

    def __init__(self, run: str, events_per_call: int) -> None:
        self.run = run
        self.events_per_call = events_per_call
        self.profile_ids: list[str] = []
        self.session_ids = f"{run}-s%d"  # a pattern for a session's number
        self.event_ids = [f"{run}-%d-{position}" for position in range(events_per_call)]  # patterns for a call's number
        self.call = array("i")
        self.client = array("i")
        self.session = array("i")
        self.claimed = array("i")  # the number of the profile that the call named, or NONE
        self.sent = array("d")
        self.answered = array("d")
        self.status = array("h")
        self.saved = array("h")
        self.profile = array("i")  # the number of the profile that the answer named, or NONE
        self.seqs = array("q")  # events_per_call for each row; 0 where the answer has no seq for an event
        self._numbers: dict[str, int] = {}
        self._no_seqs = array("q", [0] * events_per_call)

    def __len__(self) -> int:
        return len(self.call)

    def begin(self, call: int, client: int, session: int, claimed: int, sent: float) -> int:
        """Record that an attempt is sent. Returns its number."""
        self.call.append(call)
        self.client.append(client)
        self.session.append(session)
        self.claimed.append(claimed)
        self.sent.append(sent)
        self.answered.append(NEVER)
        self.status.append(UNANSWERED)
        self.saved.append(0)
        self.profile.append(NONE)
        self.seqs.extend(self._no_seqs)
        return len(self.call) - 1

    def answer(self, attempt: int, answered: float, profile_id: str, saved: int, seqs: Sequence[int]) -> int:
        """Record an answer with status 200; returns the profile's number. `seqs` are in the order of the events."""
        profile = self._numbers.get(profile_id)
        if profile is None:
            profile = self._numbers[profile_id] = len(self.profile_ids)
            self.profile_ids.append(profile_id)
        self.answered[attempt] = answered
        self.status[attempt] = OK
        self.saved[attempt] = saved
        self.profile[attempt] = profile
        self.seqs[attempt * self.events_per_call : (attempt + 1) * self.events_per_call] = array("q", seqs)
        return profile

    def end(self, attempt: int, at: float, status: int) -> None:
        """Record another answer, or that there was none."""
        self.answered[attempt] = at if status > 0 else NEVER
        self.status[attempt] = status

    def seqs_of(self, attempt: int) -> list[int]:
        return self.seqs[attempt * self.events_per_call : (attempt + 1) * self.events_per_call].tolist()

    def session_id(self, session: int) -> str:
        return self.session_ids % session

    def event_id(self, call: int, position: int) -> str:
        return self.event_ids[position] % call

    def event_of(self, event_id: str) -> tuple[int, int] | None:
        """The call and the position of the event with this id; None if no call of this run has it."""
        run, _, rest = event_id.partition("-")
        call, _, position = rest.partition("-")
        if run != self.run or not (call.isdecimal() and position.isdecimal()):
            return None
        return int(call), int(position)
