"""Refusals that wait to be written: a bounded number, at a bounded rate for each reason. Pure: times are arguments."""

from collections import Counter, defaultdict, deque

from msgspec import Struct
from msgspec.structs import replace

from trackd.core.refusals import PutRefusals, Refusal

PER_SECOND = 20  # for each reason
MAX_WAITING = 500  # a store that takes nothing keeps them waiting
MAX_ERASURES = 1_000  # the last ones, which are compared with refusals by profile


class _Erased(Struct, frozen=True):
    profile_id: str
    time: str


class RefusalQueue:
    """Reasons are few: they are never forgotten. `keep` of the newest refusals are stored, 0 for none."""

    def __init__(self, keep: int = 1_000, *, bodies: bool = True) -> None:
        self._keep = keep
        self.bodies = bodies
        """Whether bodies and other values of clients are kept."""
        self.totals: Counter[str] = Counter()
        """All refusals by reason since the start."""
        self.left_out = 0
        """Those that were too many at once, or could not be written."""
        self._taken: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=PER_SECOND))
        self._left_out: Counter[str] = Counter()
        self._waiting: list[Refusal] = []
        self._erased: deque[_Erased] = deque(maxlen=MAX_ERASURES)
        self._erased_before = ""  # the time of an erasure that `_erased` has no more
        self._tidies = keep == 0 or not bodies  # what was stored under other settings

    def takes(self, reason: str, now: float) -> bool:
        """Count a refusal; return whether it is kept, by `add`. `now` is monotonic, in seconds."""
        taken = self._taken[reason]
        is_early = len(taken) == PER_SECOND and now - taken[0] < 1.0
        if is_early or not self._keep or len(self._waiting) == MAX_WAITING:
            self.leave_out(reason)
            return False
        self.totals[reason] += 1
        taken.append(now)
        return True

    def leave_out(self, reason: str, times: int = 1) -> None:
        """Count refusals that are not kept."""
        self.totals[reason] += times
        if self._keep:
            self._left_out[reason] += times
            self.left_out += times

    def add(self, refusal: Refusal, answered_by: str | None = None) -> None:
        """Keep a refusal. `answered_by` is the id of the profile that answered its call, None if none did.

        When the call arrived before an erasure, nothing that leads to a person is kept: the erasure may have been
        written before the refusal.
        """
        left_out = self._left_out.pop(refusal.reason, 0)
        if self._is_erased(refusal.time, answered_by):
            refusal = refusal.anonymous()
        self._waiting.append(replace(refusal, left_out=left_out) if left_out else refusal)

    def _is_erased(self, time: str, answered_by: str | None) -> bool:
        if time <= self._erased_before:
            return True
        return any(
            time <= erased.time and answered_by in (None, erased.profile_id) for erased in reversed(self._erased)
        )

    def note_erasure(self, profile_id: str, time: str) -> None:
        """A profile is erased; what waits has to be written before that."""
        if len(self._erased) == MAX_ERASURES:
            self._erased_before = max(self._erased_before, self._erased[0].time)
        self._erased.append(_Erased(profile_id, time))

    def change(self) -> PutRefusals | None:
        """All that wait, to be written now; None when there is nothing to write."""
        if not self._waiting and not self._tidies:
            return None
        refusals, self._waiting, self._tidies = tuple(self._waiting), [], False
        return PutRefusals(refusals, self._keep, self.bodies)

    def not_written(self, change: PutRefusals) -> None:
        self.left_out += len(change.refusals)
