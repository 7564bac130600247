"""Which profile answers a call, and whether the call is a visit."""

import pytest

from tests.support.making import Make
from tests.support.running_tracker import RunningTracker, seqs


async def test_simultaneous_first_calls_of_a_session_agree_on_one_profile_and_one_session() -> None:
    store = Make.store()

    async with RunningTracker(store) as tracker:
        pending = [tracker.ask(Make.call("S")) for _ in range(20)]
        await tracker.commit_all()
        answers = [future.result() for future in pending]

    assert len({answer.profile_id for answer in answers}) == 1
    assert list(store.profiles) == [answers[0].profile_id]
    assert list(store.sessions) == ["S"]
    assert [seqs(answer) for answer in answers] == [[n] for n in range(1, 21)]
    assert [answer.session_saved for answer in answers] == [True] + [False] * 19
    assert [answer.profile_saved for answer in answers] == [True] + [False] * 19
    assert store.profile(answers[0].profile_id).doc["stats"]["visits"] == 1


NEW = "new"


@pytest.mark.parametrize(
    ("session_id", "claimed", "permanent", "answering"),
    [
        ("unseen", None, False, NEW),
        ("unseen", "X", False, NEW),
        ("unseen", "X", True, "X"),
        ("unseen", "A", False, "A"),
        ("of-A", None, False, "A"),
        ("of-A", "A", False, "A"),
        ("of-A", "B", False, "A"),
        ("of-A", "X", True, "A"),
        ("of-erased", "A", False, "A"),
        ("of-erased", None, False, NEW),
        ("of-erased", "X", False, NEW),
        ("of-erased", "E", True, NEW),
        ("unseen", "M", False, "B"),
        ("of-A", "M", False, "B"),
        ("of-erased", "M", False, "B"),
        ("of-M", None, False, "B"),
        ("of-M", "A", False, "B"),
    ],
)
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
async def test_the_profile_that_answers_is_that_of_the_contract(
    session_id: str,
    claimed: str | None,
    permanent: bool,
    answering: str,
    warm: bool,
) -> None:
    """M was merged into B, E is erased, X does not exist. Warm: the profiles and sessions are in memory."""
    store = Make.store(
        Make.profile("A"),
        Make.profile("B"),
        sessions=[Make.session("of-A", "A"), Make.session("of-erased", "E"), Make.session("of-M", "M")],
        merged={"M": "B"},
        permanent_profile_id=permanent,
    )

    async with RunningTracker(store) as tracker:
        if warm:
            for known in ("A", "B"):
                await tracker.answer(Make.call(f"warm-{known}", profile_id=known))
            await tracker.answer(Make.call("of-A"))
        answer = await tracker.answer(Make.call(session_id, profile_id=claimed))

    if answering == NEW:
        assert answer.profile_id not in {"A", "B", "E", "M", "X"}
    else:
        assert answer.profile_id == answering
    assert store.session(session_id).profile_id == answer.profile_id
    assert store.events[-1].profile_id == answer.profile_id
    assert store.profile(answer.profile_id).seq == seqs(answer)[0]


async def test_a_session_of_an_erased_profile_gets_a_new_profile_and_stays_with_it() -> None:
    store = Make.store(sessions=[Make.session("S", "erased", kept=1)])

    async with RunningTracker(store) as tracker:
        pending = [tracker.ask(Make.call("S")) for _ in range(3)]
        await tracker.commit_all()
        answers = [future.result() for future in pending] + [await tracker.answer(Make.call("S"))]

    assert len({answer.profile_id for answer in answers}) == 1
    assert store.session("S").profile_id == answers[0].profile_id
    assert store.session("S").context == {"kept": 1}
    assert store.profile(answers[0].profile_id).doc["stats"]["visits"] == 1


async def test_a_session_that_moved_keeps_its_new_owner() -> None:
    store = Make.store(sessions=[Make.session("S", "erased")])

    async with RunningTracker(store) as tracker:
        answers = [await tracker.answer(Make.call("S")) for _ in range(3)]

    assert len({answer.profile_id for answer in answers}) == 1
    assert [seqs(answer) for answer in answers] == [[1], [2], [3]]


async def test_two_sessions_that_claim_the_same_new_id_share_its_profile() -> None:
    store = Make.store(permanent_profile_id=True)

    async with RunningTracker(store) as tracker:
        pending = [tracker.ask(Make.call(f"S{n}", profile_id="X")) for n in range(5)]
        await tracker.commit_all()
        answers = [future.result() for future in pending]

    assert [(answer.profile_id, seqs(answer)) for answer in answers] == [("X", [n]) for n in range(1, 6)]
    assert store.profile("X").doc["stats"]["visits"] == 5


async def test_each_session_counts_one_visit() -> None:
    store = Make.store(Make.profile("A"))
    sessions = [f"S{n % 7}" for n in range(30)]

    async with RunningTracker(store) as tracker:
        for n, session in enumerate(sessions):
            tracker.ask(Make.call(session, profile_id="A"))
            if n % 4 == 3:
                await tracker.step()
        await tracker.commit_all()

    assert store.profile("A").doc["stats"]["visits"] == 7
    assert store.profile("A").doc["metadata"]["time"]["visit"]["count"] == 7
    assert store.profile("A").seq == 30


async def test_a_session_that_was_not_saved_is_new_for_the_next_call() -> None:
    store = Make.store()

    async with RunningTracker(store) as tracker:
        first, second = [await tracker.answer(Make.call("S", save_session=False)) for _ in range(2)]

    assert first.profile_id != second.profile_id
    assert store.sessions == {}
    assert len(store.events) == 2


async def test_a_stored_session_decides_though_the_call_does_not_save_it() -> None:
    store = Make.one_profile()

    async with RunningTracker(store) as tracker:
        answer = await tracker.answer(Make.call("S", save_session=False, context={"new": 1}))

    assert (answer.profile_id, seqs(answer)) == ("A", [6])
    assert store.session("S") == Make.session("S", "A")
