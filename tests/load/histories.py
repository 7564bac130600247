"""Histories for the verdict: those of a server that keeps its promises, to be damaged by tests."""

from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from trackd.load.history import NEVER, NONE, OK, UNANSWERED, History
from trackd.load.stored import Stored

EVENTS = 2


@dataclass(frozen=True)
class Attempt:
    call: int
    session: int
    sent: float
    answered: float = NEVER
    status: int = UNANSWERED
    profile: str = ""
    seqs: tuple[int, ...] = ()
    saved: int = 0
    claimed: str = ""


@dataclass
class Played:
    """The attempts of the clients, and the content of the server: the numbers of each call, by its profile."""

    attempts: list[Attempt] = field(default_factory=list)
    stored: dict[int, tuple[str, tuple[int, ...]]] = field(default_factory=dict)

    def answered(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.status == OK]

    def change(self, attempt: Attempt, **fields: object) -> None:
        self.attempts[self.attempts.index(attempt)] = replace(attempt, **fields)  # type: ignore[arg-type]

    def history(self) -> History:
        history = History("r", EVENTS)
        rows = sorted(self.attempts, key=lambda attempt: attempt.sent)
        numbers = [history.begin(row.call, 0, row.session, NONE, row.sent) for row in rows]
        for number, row in sorted(zip(numbers, rows, strict=True), key=lambda pair: pair[1].answered):
            if row.status == OK:
                history.answer(number, row.answered, row.profile, row.saved, row.seqs)
            else:
                history.end(number, row.answered, row.status)
            if row.claimed in history.profile_ids:
                history.claimed[number] = history.profile_ids.index(row.claimed)
        return history

    def read(self, history: History) -> Stored:
        stored = Stored(history)
        stored.profiles_read.update(range(len(history.profile_ids)))
        for call, (profile, seqs) in self.stored.items():
            if profile in history.profile_ids:
                for position, seq in enumerate(seqs):
                    if seq:
                        stored.add(history.profile_ids.index(profile), history.event_id(call, position), seq)
        return stored


@st.composite
def played(draw: st.DrawFn, least: int = 0) -> Played:
    """Each attempt is sent, takes effect or not, and is answered or not; calls of two sessions share a profile."""
    moments = st.integers(0, 40)
    one = st.tuples(st.integers(0, 3), moments, moments, moments, st.booleans(), st.booleans(), st.booleans())
    effects: list[tuple[int, int, Attempt]] = []
    drawn = draw(st.lists(one, min_size=least, max_size=20))
    for call, (session, start, before, after, lost, reached, again) in enumerate(drawn):
        sent = start * 1_000 + 2 * call
        effect = sent + before * 1_000 + 1
        answered = effect + after * 1_000 + 1
        attempt = Attempt(call, session, sent)
        effects.append(
            (effect, reached or not lost, attempt if lost else replace(attempt, answered=answered, status=OK))
        )
        if again:
            sent = answered + 500
            retry = Attempt(call, session, sent, answered=sent + 2_000, status=OK)
            effects.append((sent + 900 + call, True, retry))
    result, last = Played(), {"p": 0, "q": 0}
    for _, reached, attempt in sorted(effects, key=lambda effect: effect[0]):
        profile = "p" if attempt.session < 2 else "q"
        attempt, saved = replace(attempt, claimed=profile), 0
        if reached and attempt.call not in result.stored:
            saved = EVENTS
            result.stored[attempt.call] = profile, tuple(range(last[profile] + 1, last[profile] + EVENTS + 1))
            last[profile] += EVENTS
        if attempt.status == OK:
            attempt = replace(attempt, profile=profile, seqs=result.stored[attempt.call][1], saved=saved)
        result.attempts.append(attempt)
    return result
