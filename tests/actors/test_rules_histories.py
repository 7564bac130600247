"""Events make the same profile one by one, all in one call, and with a crash and a retry in between."""

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

from tests.actors.rules_files import CONSENTS, EVENT_TYPES, KEYS, files, values
from tests.support.making import Make
from tests.support.running_tracker import RunningTracker
from trackd.config.settings import Limits
from trackd.core.calls import Tracked, TrackedEvent
from trackd.core.decision import Decision, decide
from trackd.core.documents import Profile, Session, Source
from trackd.core.rules.compiling import compile_rules
from trackd.core.rules.ruleset import RuleSet
from trackd.core.snapshot import Snapshot
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.writer import commit

TIGHT = Limits(max_profile_bytes=4096, max_profile_counters=4, max_list_items=3, max_consent_history=3)

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
    """Split the events into calls at these places."""
    places = [0, *sorted(cut for cut in cuts if cut < len(events)), len(events)]
    return [events[begin:end] for begin, end in itertools.pairwise(places)]


def comparable(doc: dict[str, Any]) -> str:
    """The document without the parts that depend on the times and the number of calls."""
    time = doc["metadata"]["time"]
    metadata = {**doc["metadata"], "time": {"visits": time["visit"]["count"]}}
    return json.dumps({**doc, "id": None, "metadata": metadata}, sort_keys=True)


def decided(calls: list[list[TrackedEvent]], source: Source, ruleset: RuleSet, limits: Limits) -> Profile:
    """The profile after these calls, decided one after the other."""
    profile: Profile | None = None
    session: Session | None = None
    event_ids: dict[str, int | None] = {}
    for events in calls:
        snapshot = Snapshot("A" * 36, profile, session, dict(event_ids))
        decision = decide(snapshot, Make.call("S", events), source, ruleset, limits)
        assert isinstance(decision, Decision)
        profile, session = decision.profile, decision.session
        event_ids |= decision.changes.event_ids or {}
    assert profile is not None
    return profile


@asynccontextmanager
async def running(store: SqliteStore, **dependencies: Any) -> AsyncIterator[Any]:
    """A RunningTracker that does not commit at its end: its calls may wait for a disk that never comes back."""
    tracker = RunningTracker(store, **dependencies)
    await tracker.start()
    try:
        yield tracker
    finally:
        await tracker.stop(timeout_s=0)


async def until_the_crash(tracker: RunningTracker, calls: list[list[TrackedEvent]], history: dict[str, Any]) -> None:
    """Sends the calls. If the history is durable, the last commit is written, and its result reaches no actor."""
    for events, committed in zip(calls, history["committed"], strict=False):
        tracker.ask(Make.call("S", events))
        if committed:
            await tracker.step()
    if history["durable"] and tracker.writer.batches:
        commit(tracker.store, tracker.writer.batches.popleft())


async def crashed(
    empty: Callable[..., Any],
    folder: Path,
    source: Source,
    history: dict[str, Any],
    calls: list[list[TrackedEvent]],
    **dependencies: Any,
) -> Profile:
    """The profile after a crash: the file is opened again, and the same calls are sent again."""
    for name in ("before", "after"):
        (folder / name).mkdir()
    shutil.copy(empty(source), folder / "before" / "trackd.db")

    async def lost() -> None:
        store = SqliteStore(folder / "before" / "trackd.db")
        async with running(store, **dependencies) as tracker:
            await until_the_crash(tracker, calls[: history["crash"] + 1], history)
            for name in ("trackd.db", "trackd.db-wal"):
                shutil.copy(folder / "before" / name, folder / "after" / name)
        store.close()

    await lost()
    store = SqliteStore(folder / "after" / "trackd.db")
    async with running(store, **dependencies) as tracker:
        answers = [await tracker.answer(Make.call("S", events)) for events in calls]
        assert {type(answer) for answer in answers} == {Tracked}
        (profile_id,) = {answer.profile_id for answer in answers}
    profile = store.profile(profile_id)
    store.close()
    assert profile is not None
    return profile


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Makes a database file with this source alone, once for each source."""
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
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(files, events, histories, st.booleans(), st.sampled_from([Limits(), TIGHT]))
async def test_any_rules_and_events_make_the_same_profile_whatever_happens_in_between(
    empty: Callable[..., Any],
    file: dict[str, Any],
    events: list[tuple[str, dict[str, Any], bool, int]],
    history: dict[str, Any],
    consent: bool,
    limits: Limits,
) -> None:
    ruleset, source = compiled(file), Make.source(consent=consent)
    made = [
        Make.event(f"e{number}", event_type, properties=properties, store=store)
        for event_type, properties, store, number in events
    ]

    one_by_one = decided(split(made, range(1, 8)), source, ruleset, limits)
    all_at_once = decided([made], source, ruleset, limits)
    calls = split(made, history["cuts"])
    with tempfile.TemporaryDirectory() as folder:
        dependencies = {"rules": ruleset, "limits": limits}
        after_a_crash = await crashed(empty, Path(folder), source, history, calls, **dependencies)

    assert comparable(one_by_one.doc) == comparable(all_at_once.doc) == comparable(after_a_crash.doc)
    assert one_by_one.seq == all_at_once.seq == after_a_crash.seq
