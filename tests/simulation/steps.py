"""A history: what happens to the nodes, step by step, made of a seed.

Steps are plain data and know nothing of the state that they meet: one that has nothing to do does nothing. So any of
them can be left out, and what is left is a history too: that is how a failing one is made short.
"""

import random
from collections.abc import Iterator
from typing import NamedTuple

STEPS = 250  # of a history; short ones find as much, and are shrunk faster

EVENT_TYPES = ("page-view", "t", "t", "u")
SOURCES = ("source", "source", "permanent")
MERGED = {"m0": "B0", "m1": "B1"}
ORPHAN, GONE = "orphan", "gone"


class Whom(NamedTuple):
    """A profile: the one that the call with this label was answered with, or the one of this id."""

    label: int = 0
    id: str | None = None


class Happening(NamedTuple):
    """An event; without an `id` it is the server that makes one."""

    id: str | None
    type: str
    store: bool


class Call(NamedTuple):
    label: int
    node: int
    session: str
    whom: Whom | None
    events: tuple[Happening, ...]
    source: str = "source"
    keep_session: bool = True
    context: int | None = None
    wants_profile: bool = False


class Retry(NamedTuple):
    """The call of this label, sent again."""

    label: int
    node: int
    of: int


class Erase(NamedTuple):
    label: int
    node: int
    whom: Whom
    keep_events: bool


class Fetch(NamedTuple):
    label: int
    node: int
    whom: Whom


class Administer(NamedTuple):
    """Puts a source that nobody sends for: it stands in batches between calls."""

    label: int
    node: int


class Commit(NamedTuple):
    """The node's batch ends.

    "stored"; "lost": it fails, nothing is written; "unheard": it is written, the node hears of an error; "flawed": the
    change at `place` cannot be stored, the others can.
    """

    node: int
    how: str = "stored"
    place: int = 0


class Crash(NamedTuple):
    """The node's memory is gone and it starts again. `durable`: its batch was written before."""

    node: int
    durable: bool


class Rules(NamedTuple):
    node: int
    which: int


class Tick(NamedTuple):
    """Time passes, then the node looks what there is to do."""

    node: int
    seconds: int


class BreakReads(NamedTuple):
    """The node's next reads fail."""

    node: int
    reads: int


class BreakWriter(NamedTuple):
    """The node's writer takes no batch, or takes them again."""

    node: int
    takes: bool


Step = (
    Call | Retry | Erase | Fetch | Administer | Commit | Crash | Rules | Tick | BreakReads | BreakWriter
)  # fmt: skip


class Stage(NamedTuple):
    """What a history is played on. `nodes` write one store; in files they do it in SQLite."""

    nodes: int
    in_file: bool
    max_active_profiles: int
    max_cached_sessions: int
    retention_days: int


class History(NamedTuple):
    seed: int
    stage: Stage
    steps: tuple[Step, ...]


def history(seed: int, steps: int = STEPS, in_file: bool | None = None) -> History:
    """The same for the same seed. `in_file` None: one of 16 is."""
    chance = random.Random(seed)
    stage = Stage(
        nodes=chance.choice((1, 1, 2)),
        in_file=seed % 16 == 0 if in_file is None else in_file,
        max_active_profiles=chance.choice((1, 2, 3, 100)),
        max_cached_sessions=chance.choice((1, 2, 3, 100)),
        retention_days=chance.choice((0, 0, 1)),
    )
    return History(seed, stage, tuple(_Maker(chance, stage).make(steps)))


class _Maker:
    def __init__(self, chance: random.Random, stage: Stage) -> None:
        self._chance = chance
        self._stage = stage
        self._label = 0
        self._ids: list[str] = []
        kinds = {
            self._call: 38,
            self._first_calls: 2,
            self._retry: 12,
            self._commit: 32,
            self._fetch: 4,
            self._erase: 3,
            self._tick: 3,
            self._rules: 1,
            self._crash: 1,
            self._administer: 1,
            self._break_reads: 1,
            self._break_writer: 1,
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
        return int(self._stage.nodes > 1 and self._chance.random() < 0.25)

    def _recent(self) -> int:
        """The label of something asked, rather late than early."""
        return self._label - int(self._chance.expovariate(0.15))

    def _whom(self) -> Whom:
        dice = self._chance.random()
        if dice < 0.65:
            return Whom(self._recent())
        unknown = GONE if self._stage.nodes == 1 else "X0"  # who is a visitor depends on it, and no fence guards that
        return Whom(id=self._chance.choice(("B0", "B1", "m0", "m1", "X0", "X1", "X2", unknown)))

    def _call(self, session: str | None = None) -> Iterator[Step]:
        chance, label = self._chance, self._next()
        if session is None:
            session = f"n{label}" if chance.random() < 0.15 else chance.choice(("s0", "s1", "s2", "s3", ORPHAN))
        yield Call(
            label,
            self._node(),
            session,
            self._whom() if chance.random() < 0.5 else None,
            tuple(self._happening() for _ in range(chance.choice((0, 1, 1, 1, 2, 3)))),
            chance.choice(SOURCES),
            keep_session=chance.random() < 0.9,
            context=chance.randrange(3) if chance.random() < 0.2 else None,
            wants_profile=chance.random() < 0.2,
        )

    def _happening(self) -> Happening:
        chance = self._chance
        return Happening(self._event_id(), chance.choice(EVENT_TYPES), chance.random() < 0.9)

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

    def _retry(self) -> Iterator[Step]:
        of = self._recent()
        yield Retry(self._next(), self._node(), of)

    def _commit(self) -> Iterator[Step]:
        how = self._chance.choices(("stored", "lost", "unheard", "flawed"), (82, 7, 6, 5))[0]
        yield Commit(self._node(), how, self._chance.randrange(4))

    def _fetch(self) -> Iterator[Step]:
        whom = self._whom()
        yield Fetch(self._next(), self._node(), whom)

    def _erase(self) -> Iterator[Step]:
        whom = self._whom()
        yield Erase(self._next(), self._node(), whom, self._chance.random() < 0.4)

    def _administer(self) -> Iterator[Step]:
        yield Administer(self._next(), self._node())

    def _tick(self) -> Iterator[Step]:
        yield Tick(self._node(), self._chance.choice((1, 4, 15, 70, 30_000)))

    def _rules(self) -> Iterator[Step]:
        yield Rules(self._node(), self._chance.randrange(3))

    def _crash(self) -> Iterator[Step]:
        yield Crash(self._node(), self._chance.random() < 0.5)

    def _break_reads(self) -> Iterator[Step]:
        yield BreakReads(self._node(), self._chance.randint(1, 2))

    def _break_writer(self) -> Iterator[Step]:
        node = self._node()
        yield BreakWriter(node, takes=False)
        yield from self._call()
        yield BreakWriter(node, takes=True)
