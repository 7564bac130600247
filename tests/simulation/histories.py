"""Histories made from seeds, always the same from the same seed."""

import random
from collections.abc import Iterator

from tests.simulation.steps import (
    GONE,
    ORPHAN,
    Administer,
    BreakReads,
    BreakWriter,
    Call,
    Commit,
    Crash,
    Erase,
    EventSpec,
    Fetch,
    History,
    Land,
    LookUp,
    Pause,
    ProfileRef,
    Reevaluate,
    Refuse,
    Retry,
    Rules,
    Setup,
    Step,
    Tick,
    Wait,
)
from trackd.actors.retries import MAX_RETRIES

STEPS = 250  # in a history; longer ones find no more, and take longer to shrink

EVENT_TYPES = ("page-view", "t", "t", "u")
SOURCES = ("source", "source", "permanent")
SESSIONS = ("s0", "s1", "s2", "s3")
SHARES = (6, 2, 1)  # of the nodes
LONG_S = 43_180  # two are a day less 40 s: a sweep finds old events, and newer ones close behind


def history(seed: int, steps: int = STEPS, in_file: bool | None = None, nodes: int | None = None) -> History:
    """The history of a seed. With `in_file` None one history in 16 is in a file.

    With `nodes` there are so many, on a store as over a network; without it one to three, on stores of both kinds.
    """
    chance = random.Random(seed)
    drawn = chance.choice((1, 1, 2, 3))
    setup = Setup(
        nodes=nodes or drawn,
        in_file=seed % 16 == 0 if in_file is None else in_file,
        max_active_profiles=chance.choice((1, 2, 3, 100)),
        max_cached_sessions=chance.choice((1, 2, 3, 100)),
        retention_days=chance.choice((0, 0, 1)),
        end_after_s=chance.choice((0, 0, 1, 10, 60)),
        looks_up=nodes is not None or seed % 5 in (1, 3),
        max_retries=chance.choice((3, MAX_RETRIES)),
        is_even=chance.random() < 0.3,
        little_memory=seed % 3 == 0,
    )
    return History(seed, setup, tuple(_Maker(chance, setup).make(steps)))


class _Maker:
    def __init__(self, chance: random.Random, setup: Setup) -> None:
        self._chance = chance
        self._setup = setup
        self._label = 0
        self._ids: list[str] = []
        kinds = {
            self._call: 38,
            self._first_calls: 2,
            self._unkept_calls: 2,
            self._retry: 12,
            self._commit: 32,
            self._fetch: 4,
            self._erase: 3,
            self._reevaluate: 3,
            self._tick: 3,
            self._rules: 1,
            self._crash: 1,
            self._pause: 1 if setup.nodes > 1 else 0,
            self._wait: 6,
            self._land: 3 if setup.looks_up else 0,
            self._administer: 1,
            self._refuse: 2,
            self._break_reads: 1,
            self._break_writer: 1,
            self._look_up: 30 if setup.looks_up else 0,
        }
        self._kinds, self._weights = list(kinds), list(kinds.values())

    def make(self, steps: int) -> Iterator[Step]:
        made = 0
        while made < steps:
            for kind in self._chance.choices(self._kinds, self._weights, k=64):
                for step in kind():
                    yield step
                    made += 1

    def _next(self) -> int:
        self._label += 1
        return self._label

    def _node(self) -> int:
        nodes = range(self._setup.nodes)
        return self._chance.choices(nodes, None if self._setup.is_even else SHARES[: len(nodes)])[0]

    def _recent(self) -> int:
        """The label of an earlier request, more often a recent one."""
        return self._label - int(self._chance.expovariate(0.15))

    def _profile_ref(self) -> ProfileRef:
        dice = self._chance.random()
        if dice < 0.65:
            return ProfileRef(self._recent())
        is_alone = self._setup.nodes == 1 and not self._setup.looks_up
        unknown = GONE if is_alone else "X0"  # no fence guards orphans
        return ProfileRef(id=self._chance.choice(("B0", "B1", "m0", "m1", "X0", "X1", "X2", unknown)))

    def _call(self, session: str | None = None) -> Iterator[Step]:
        chance, label = self._chance, self._next()
        if session is None:
            session = f"n{label}" if chance.random() < 0.15 else chance.choice((*SESSIONS, ORPHAN))
        yield Call(
            label,
            self._node(),
            session,
            self._profile_ref() if chance.random() < 0.5 else None,
            tuple(self._event_spec() for _ in range(chance.choice((0, 1, 1, 1, 2, 3)))),
            chance.choice(SOURCES),
            keep_session=chance.random() < 0.9,
            context=chance.randrange(3) if chance.random() < 0.2 else None,
            profile_requested=chance.random() < 0.2,
        )

    def _event_spec(self) -> EventSpec:
        event_type = "heavy" if self._chance.random() < 0.02 else self._chance.choice(EVENT_TYPES)
        own_id = None if event_type == "heavy" else self._event_id()
        return EventSpec(own_id, event_type, self._chance.random() < 0.9)

    def _event_id(self) -> str | None:
        dice = self._chance.random()
        if dice < 0.25:
            return None
        if dice < 0.35 and self._ids:
            return self._chance.choice(self._ids[-20:])
        self._ids.append(f"e{len(self._ids)}")
        return self._ids[-1]

    def _first_calls(self) -> Iterator[Step]:
        session = f"f{self._label}"
        for _ in range(self._chance.randint(2, 4)):
            yield from self._call(session)

    def _unkept_calls(self) -> Iterator[Step]:
        """A call that does not keep its session, sent again, and sometimes its profile is erased in between."""
        label = self._next()
        event = EventSpec(f"e{label}", self._chance.choice(EVENT_TYPES), self._chance.random() < 0.9)
        yield Call(label, self._node(), f"u{label}", None, (event,), self._chance.choice(SOURCES), keep_session=False)
        for _ in range(self._chance.randint(1, 3)):
            if self._chance.random() < 0.3:
                yield from self._commit()
            if self._chance.random() < 0.2:
                yield Erase(self._next(), self._node(), ProfileRef(label), keep_events=False)
            yield Retry(self._next(), self._node(), label)

    def _retry(self) -> Iterator[Step]:
        of = self._recent()
        yield Retry(self._next(), self._node(), of)

    def _commit(self) -> Iterator[Step]:
        doubts = 5 if self._setup.looks_up else 0
        outcomes = ("stored", "failed", "unreported", "partial", "doubtful")
        how = self._chance.choices(outcomes, (82, 7, 6, 5, doubts))[0]
        yield Commit(self._node(), how, self._chance.randrange(4), reported_late=self._chance.random() < 0.2)

    def _fetch(self) -> Iterator[Step]:
        profile = self._profile_ref()
        yield Fetch(self._next(), self._node(), profile)

    def _erase(self) -> Iterator[Step]:
        profile = self._profile_ref()
        yield Erase(self._next(), self._node(), profile, self._chance.random() < 0.4)

    def _reevaluate(self) -> Iterator[Step]:
        profile = self._profile_ref()
        yield Reevaluate(self._next(), self._node(), profile)

    def _administer(self) -> Iterator[Step]:
        yield Administer(self._next(), self._node())

    def _refuse(self) -> Iterator[Step]:
        profile = self._profile_ref() if self._chance.random() < 0.5 else None
        session, keep = self._chance.choice(SESSIONS), self._chance.choice((0, 1, 3, 100, 100))
        yield Refuse(self._next(), self._node(), self._chance.randint(1, 4), profile, session, keep)

    def _tick(self) -> Iterator[Step]:
        yield Tick(self._node(), self._chance.choice((1, 4, 15, 70, LONG_S)))

    def _rules(self) -> Iterator[Step]:
        yield Rules(self._node(), self._chance.randrange(3))

    def _crash(self) -> Iterator[Step]:
        yield Crash(
            self._node(), self._chance.choice(("lost", "written", "doubtful" if self._setup.looks_up else "lost"))
        )

    def _land(self) -> Iterator[Step]:
        yield Land()

    def _pause(self) -> Iterator[Step]:
        """Some other steps happen to the other nodes meanwhile."""
        node = self._node()
        yield Pause(node, begins=True)
        for _ in range(self._chance.randint(1, 12)):
            kind = self._chance.choice((self._call, self._commit, self._retry, self._wait, self._look_up))
            yield from kind()
        yield Pause(node, begins=False)

    def _wait(self) -> Iterator[Step]:
        yield Wait(0, self._chance.choice((5, 20, 80, 200, 600)))

    def _look_up(self) -> Iterator[Step]:
        yield LookUp(self._node(), self._chance.choice(("begin", "end")))

    def _break_reads(self) -> Iterator[Step]:
        yield BreakReads(self._node(), self._chance.randint(1, 2))

    def _break_writer(self) -> Iterator[Step]:
        node = self._node()
        yield BreakWriter(node, takes=False)
        yield from self._call()
        yield BreakWriter(node, takes=True)
