"""However events come (one by one, all at once, with a crash and a retry in between), they make the same profile."""

import itertools
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.actors.conftest import Scene
from tests.support.making import Make
from trackd.config.settings import Limits
from trackd.core.calls import Tracked, TrackedEvent
from trackd.core.decision import decide
from trackd.core.documents import Profile, Source
from trackd.core.processing import Snapshot
from trackd.core.rules.compiling import compile_rules
from trackd.core.rules.ruleset import RuleSet
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.writer import commit

TIGHT = Limits(max_profile_bytes=4096, max_profile_counters=4, max_list_items=3, max_consent_history=3)
KEYS = st.sampled_from("ab")
EVENT_TYPES = ["t", "u", "page-view"]


# Rules files

scalars = (
    st.integers(-3, 3) | st.sampled_from([0.1, 0.2, -2.5, 1e3, "", "x", "y", "long " * 300, 2**63 - 1]) | st.booleans()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=4,
)
objects = st.dictionaries(KEYS, values, max_size=2)

ONE = [
    f"{place}{key}"
    for place in ("traits.public.", "traits.private.", "pii.", "interests.", "stats.counters.")
    for key in ("a", "b", "t")
]
NESTED = ["traits.public.a.b", "traits.private.a.b.a", "pii.b.a", "interests.a.a"]
EACH = ["traits.public.*", "traits.public.a.*", "pii.*", "interests.*", "stats.counters.*"]
OPERATIONS = ["set", "set_if_absent", "increment", "decrement", "max", "min", "append", "append_unique", "remove"]
VALUE_AT = [
    "properties.a",
    "properties.b",
    "properties.a.b",
    "event.type",
    "event.id",
    "profile.stats.views",
    "profile.traits.public.a",
]
OBJECT_AT = ["properties", "properties.a", "event.properties", "profile.traits.public", "profile.stats.counters"]


def of(target: str, op: str, operand: dict[str, Any]) -> dict[str, Any]:
    """A step; a literal that can never do, which no rules file may have, is one that does."""
    value = operand.get("value")
    if "value" in operand and not target.endswith("*"):
        if target.startswith("consents"):
            operand = {"value": bool(value)}
        elif (target.startswith("stats") or op in ("increment", "decrement")) and type(value) not in (int, float):
            operand = {"value": 0.5}
        elif op in ("max", "min") and type(value) not in (int, float, str):
            operand = {"value": "m"}
    return {"target": target, "op": op, **operand}


literals = st.builds(lambda value: {"value": value}, values)
found = st.builds(lambda path: {"from": path}, st.sampled_from(VALUE_AT))
found_objects = st.builds(lambda path: {"from": path}, st.sampled_from(OBJECT_AT))
one_value = st.sampled_from(ONE + NESTED)
steps = st.one_of(
    st.builds(of, one_value, st.sampled_from(OPERATIONS), found | found_objects | literals),
    st.builds(of, one_value, st.sampled_from(["unset", "increment", "decrement"]), st.just({})),
    st.builds(of, st.sampled_from(EACH), st.sampled_from([*OPERATIONS, "unset"]), found_objects),
    st.builds(
        of, st.sampled_from(EACH), st.sampled_from(OPERATIONS), st.builds(lambda value: {"value": value}, objects)
    ),
)
consent_steps = st.one_of(
    st.builds(
        of, st.sampled_from(["consents.a", "consents.b"]), st.sampled_from(["set", "set_if_absent"]), found | literals
    ),
    st.builds(of, st.sampled_from(["consents.a", "consents.b"]), st.just("unset"), st.just({})),
    st.builds(of, st.just("consents.*"), st.sampled_from(["set", "set_if_absent", "unset"]), found_objects),
)
conditions = st.sampled_from(
    [
        "event.properties.a == 1",
        "event.type != 't'",
        "profile.stats.views > 1",
        "profile.stats.counters.t >= 2",
        "profile.interests.a > 0",
        "'a' in profile.traits.public",
        "profile.pii.b == event.properties.b",
        "'b' in profile.consents",
        "'s0' in profile.segments",
        "profile.traits.public.a.exists(x, x == event.id)",
        "session.id == 'S' && source.id == 'source'",
    ]
)


def rule(event: list[str], taken: list[dict[str, Any]], when: str | None, days: int | None) -> dict[str, Any]:
    consents = any(step["target"].startswith("consents") for step in taken)
    entry = {"event": event, "steps": taken, "valid_for_days": days if consents else None}
    return entry | ({"when": when} if when else {})


def named(prefix: str, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**entry, "name": f"{prefix}{n}"} for n, entry in enumerate(entries)]


types = st.lists(st.sampled_from(EVENT_TYPES), min_size=1, max_size=2, unique=True)
rule_entries = st.builds(
    rule, st.just(["*"]) | types, st.lists(steps, min_size=1, max_size=3), st.none() | conditions, st.none()
) | st.builds(
    rule,
    types,
    st.lists(steps | consent_steps, min_size=1, max_size=3),
    st.none() | conditions,
    st.none() | st.just(30),
)
segment_entries = st.fixed_dictionaries({"when": conditions, "event": st.just([]) | types})
rule_lists = st.lists(rule_entries, min_size=1, max_size=4).map(lambda entries: named("r", entries))
CONSENTS = {"name": "consents", "event": "t", "steps": [{"target": "consents.*", "from": "properties"}]}
files = st.fixed_dictionaries(
    {
        "rule": rule_lists | rule_lists.map(lambda entries: [CONSENTS, *entries]),
        "segment": st.lists(segment_entries, max_size=3).map(lambda entries: named("s", entries)),
        "event": st.just({})
        | st.builds(
            lambda event_type, of_a: {event_type: {"schema": {"type": "object", "properties": {"a": {"type": of_a}}}}},
            st.sampled_from(EVENT_TYPES),
            st.sampled_from(["number", "boolean", "object"]),
        ),
        "unwanted": st.just([]) | st.just([{"name": "u", "types": ["u"]}]),
    }
)


# Histories

events = st.lists(
    st.tuples(
        st.sampled_from(EVENT_TYPES),
        st.dictionaries(KEYS, st.none() | st.booleans() | values, max_size=2),
        st.booleans(),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=8,
)
histories = st.fixed_dictionaries(
    {
        "cuts": st.sets(st.integers(1, 7)),
        "committed": st.lists(st.booleans(), min_size=8, max_size=8),
        "crash": st.integers(0, 7),
        "durable": st.booleans(),
    }
)


def compiled(file: dict[str, Any]) -> RuleSet:
    return compile_rules(file, Limits())


def split(events: list[TrackedEvent], cuts: range | set[int]) -> list[list[TrackedEvent]]:
    """Into calls, between the events at these places."""
    places = [0, *sorted(cut for cut in cuts if cut < len(events)), len(events)]
    return [events[begin:end] for begin, end in itertools.pairwise(places)]


def said(doc: dict[str, Any]) -> str:
    """The document without what depends on when and how often calls came."""
    time = doc["metadata"]["time"]
    metadata = {**doc["metadata"], "time": {"visits": time["visit"]["count"]}}
    return json.dumps({**doc, "id": None, "metadata": metadata}, sort_keys=True)


def decided(
    make: type[Make], calls: list[list[TrackedEvent]], source: Source, ruleset: RuleSet, limits: Limits
) -> Profile:
    """The profile after these calls, decided one after the other."""
    profile, session, event_ids = None, None, {}
    for events in calls:
        known = Snapshot("A" * 36, profile, session, dict(event_ids))
        decision = decide(known, make.call("S", events), source, ruleset, limits)
        profile, session = decision.profile, decision.changes.session
        event_ids |= decision.changes.event_ids or {}
    return profile


@asynccontextmanager
async def running(scene: type[Scene], store: SqliteStore, **dependencies: Any) -> AsyncIterator[Any]:
    """As a scene, but at the end calls may still wait for a disk that does not come back."""
    stage = scene(store, **dependencies)
    await stage.tracker.start()
    try:
        yield stage
    finally:
        await stage.tracker.stop(timeout_s=0)


async def until_the_crash(
    make: type[Make], stage: Scene, calls: list[list[TrackedEvent]], history: dict[str, Any]
) -> None:
    """The last call of all is asked for, and either is on disk when nobody has heard of it, or is not."""
    for events, committed in zip(calls, history["committed"], strict=False):
        stage.ask(make.call("S", events))
        if committed:
            await stage.step()
    if history["durable"] and stage.writer.batches:
        commit(stage.store, stage.writer.batches.popleft())


async def crashed(
    make: type[Make],
    scene: type[Scene],
    empty: Callable[..., Any],
    folder: Path,
    source: Source,
    history: dict[str, Any],
    calls: list[list[TrackedEvent]],
    **dependencies: Any,
) -> Profile:
    """The profile after a crash: what is on disk then is opened anew, and the same calls are sent again."""
    for name in ("before", "after"):
        (folder / name).mkdir()
    shutil.copy(empty(source), folder / "before" / "trackd.db")

    async def lost() -> None:
        store = SqliteStore(folder / "before" / "trackd.db")
        async with running(scene, store, **dependencies) as stage:
            await until_the_crash(make, stage, calls[: history["crash"] + 1], history)
            for name in ("trackd.db", "trackd.db-wal"):
                shutil.copy(folder / "before" / name, folder / "after" / name)
        store.close()

    await lost()
    store = SqliteStore(folder / "after" / "trackd.db")
    async with running(scene, store, **dependencies) as stage:
        answers = [await stage.answer(make.call("S", events)) for events in calls]
        assert {type(answer) for answer in answers} == {Tracked}
        (profile_id,) = {answer.profile_id for answer in answers}
    profile = store.profile(profile_id)
    store.close()
    return profile


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Makes an empty database file that has this source, once for each."""
    made = {}

    def path(source: Source) -> Path:
        if source not in made:
            made[source] = tmp_path_factory.mktemp("empty") / "trackd.db"
            with Sources(made[source], create=True) as sources:
                sources.add(source)
        return made[source]

    return path


# Dropped without consent, and sent again when there is one.
RETRY_AFTER_CONSENT = {
    "file": {"rule": [CONSENTS]},
    "events": [("page-view", {}, True, 1), ("t", {"a": True}, True, 2), ("page-view", {}, True, 3)],
    "history": {"cuts": {1, 2}, "committed": [True] * 8, "crash": 2, "durable": True},
    "consent": True,
    "limits": Limits(),
}


@example(**RETRY_AFTER_CONSENT)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files, events, histories, st.booleans(), st.sampled_from([Limits(), TIGHT]))
async def test_any_rules_and_events_make_the_same_profile_whatever_happens_in_between(
    make: type[Make],
    scene: type[Scene],
    empty: Callable[..., Any],
    file: dict[str, Any],
    events: list[tuple[str, dict[str, Any], bool, int]],
    history: dict[str, Any],
    consent: bool,
    limits: Limits,
) -> None:
    ruleset, source = compiled(file), make.source(consent=consent)
    made = [
        make.event(f"e{number}", event_type, properties=properties, store=store)
        for event_type, properties, store, number in events
    ]

    one_by_one = decided(make, split(made, range(1, 8)), source, ruleset, limits)
    all_at_once = decided(make, [made], source, ruleset, limits)
    calls = split(made, history["cuts"])
    with tempfile.TemporaryDirectory() as folder:
        dependencies = {"rules": ruleset, "limits": limits}
        after_a_crash = await crashed(make, scene, empty, Path(folder), source, history, calls, **dependencies)

    assert said(one_by_one.doc) == said(all_at_once.doc) == said(after_a_crash.doc)
    assert one_by_one.seq == all_at_once.seq == after_a_crash.seq
