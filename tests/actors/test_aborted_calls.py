"""Calls on which a handler raises, or whose reads fail."""

from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from tests.support.faulty_store import FaultyStore
from tests.support.making import Make
from tests.support.running_tracker import RunningTracker, seqs
from trackd.actors.messages import Failed, Refused
from trackd.storage.errors import StoreError

FAULTS = pytest.mark.parametrize(
    ("fault", "kind"), [(ZeroDivisionError("ours"), Failed), (StoreError("the disk's"), Refused)], ids=["fault", "disk"]
)


@FAULTS
@pytest.mark.parametrize("broken", ["S", "P"], ids=["session", "profile"])
async def test_a_read_that_fails_answers_its_caller_once_and_leaves_other_calls_alone(
    fault: Exception, kind: type[Any], broken: str
) -> None:
    store = Make.one_profile(kind=FaultyStore)
    store.fail[broken] = fault

    async with RunningTracker(store) as tracker:
        other = tracker.ask(Make.call("T"))
        bad = tracker.ask(Make.call("S" if broken == "S" else "new", profile_id="P"))
        await tracker.rest()
        assert bad.done()
        await tracker.commit_all()
        asked_once = store.keys_read.count(broken)
        store.fail.clear()
        again = await tracker.answer(Make.call("S"))
        bad, other, pending, again = bad.result(), other.result(), asked_once, again

    assert isinstance(bad, kind)
    assert pending == 1
    assert seqs(other) == [1]
    assert (again.profile_id, seqs(again)) == ("A", [6])
    assert "new" not in store.sessions


@FAULTS
async def test_a_handler_that_raises_leaves_the_profile_unchanged(fault: Exception, kind: type[Any]) -> None:
    store = Make.one_profile(kind=FaultyStore)
    store.fail["bad"] = fault

    async with RunningTracker(store) as tracker:
        before = tracker.ask(Make.call("S"))
        bad = tracker.ask(Make.call("S", [Make.event(), Make.event("bad")], context={"bad": 1}))
        after = tracker.ask(Make.call("S"))
        await tracker.rest()
        assert (before.done(), bad.done(), after.done()) == (False, True, False)
        await tracker.commit_all()
        later = await tracker.answer(Make.call("S"))
        before, bad, after, later = before.result(), bad.result(), after.result(), later

    assert isinstance(bad, kind)
    assert store.keys_read.count("bad") == 1
    assert [seqs(answer) for answer in (before, after, later)] == [[6], [7], [8]]
    assert store.session("S").context == {}
    assert store.profile("A").doc["stats"]["counters"] == {"t": 3}


async def test_a_session_is_new_after_its_first_call_raised() -> None:
    store = Make.one_profile(kind=FaultyStore)
    store.fail["bad"] = ZeroDivisionError("ours")

    async with RunningTracker(store) as tracker:
        bad = await tracker.answer(Make.call("new", [Make.event("bad")], profile_id="A"))
        bad, later = bad, await tracker.answer(Make.call("new"))

    assert isinstance(bad, Failed)
    assert later.profile_id != "A"
    assert later.session_saved
    assert store.profile("A").seq == 5


async def test_a_profile_does_not_exist_after_its_first_call_raised() -> None:
    store = Make.store(permanent_profile_id=True)
    store.put_source(Make.source("plain"))

    async with RunningTracker(store) as tracker:
        bad = await tracker.answer(Make.call("S", profile_id="X", context={"not JSON": object()}))
        bad, later = bad, await tracker.answer(Make.call("T", source_id="plain", profile_id="X"))

    assert isinstance(bad, Failed)
    assert later.profile_id != "X"
    assert list(store.profiles) == [later.profile_id]


async def test_a_call_that_raised_does_not_move_a_session_that_is_in_flight() -> None:
    store = Make.one_profile(kind=FaultyStore, merged={"M": "B"})
    store.profiles["B"] = Make.profile("B")
    store.fail["bad"] = ZeroDivisionError("ours")

    async with RunningTracker(store) as tracker:
        in_flight = tracker.ask(Make.call("S"))
        bad = tracker.ask(Make.call("S", [Make.event("bad")], profile_id="M"))
        await tracker.commit_all()
        in_flight, bad, later = in_flight.result(), bad.result(), await tracker.answer(Make.call("S"))

    assert isinstance(bad, Failed)
    assert (in_flight.profile_id, later.profile_id) == ("A", "A")
    assert store.session("S").profile_id == "A"


async def test_a_document_that_is_nested_too_deeply_fails_its_own_calls_with_a_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Make.one_profile()
    deep = Raw(b'{"a":' + b"[" * 9_999 + b"]" * 9_999 + b"}")
    store.profiles["A"] = replace(store.profiles["A"], doc_json=deep)

    async with RunningTracker(store) as tracker:
        bad, again = await tracker.answer(Make.call("S")), await tracker.answer(Make.call("S"))
        other = await tracker.answer(Make.call("T"))

    assert [type(answer) for answer in (bad, again)] == [Failed, Failed]
    assert seqs(other) == [1]
    assert (
        caplog.messages
        == ["ProfileActor raised on Deliver, a stored row that it needs is damaged: `trackd verify` names it"] * 2
    )
