"""Commits that the store fails."""

from tests.support.making import Make
from tests.support.running_tracker import RunningTracker, reason, seqs
from trackd.actors.messages import Reason


async def test_after_a_failed_commit_calls_continue_from_the_stored_profile() -> None:
    store = Make.one_profile()

    async with RunningTracker(store) as tracker:
        await tracker.answer(Make.call("S", 2))
        lost, behind = tracker.ask(Make.call("S", 3)), tracker.ask(Make.call("S", 1))
        await tracker.fail()
        lost, behind, later = lost.result(), behind.result(), await tracker.answer(Make.call("S", 2))

    assert (reason(lost), reason(behind)) == (Reason.STORE_FAILED, Reason.STORE_FAILED)
    assert seqs(later) == [8, 9]
    assert [event.seq for event in store.events] == [6, 7, 8, 9]
    assert store.profile("A").doc["stats"]["counters"] == {"t": 4}


async def test_a_failed_commit_fails_the_queued_calls_of_its_profiles_and_no_others() -> None:
    store = Make.one_profile()

    async with RunningTracker(store) as tracker:
        pending = [tracker.ask(Make.call(session)) for session in ("S", "T", "S", "U", "S", "T")]
        await tracker.fail()
        await tracker.commit_all()
        answers = [future.result() for future in pending]

    of_s = [answers[n] for n in (0, 2, 4)]
    assert [reason(answer) for answer in of_s] == [Reason.STORE_FAILED] * 3
    assert [seqs(answers[n]) for n in (1, 3, 5)] == [[1], [1], [2]]
    assert store.profile("A").seq == 5


async def test_a_call_that_takes_a_session_from_a_profile_fails_with_the_commits_of_that_profile() -> None:
    """Whether the session's visit counts again depends on whether that profile exists."""
    sessions = [Make.session("lost", "gone")]
    store = Make.store(Make.profile("A", 5, 5), sessions=sessions, merged={"M": "A"}, permanent_profile_id=True)

    async with RunningTracker(store) as tracker:
        begun_anew = tracker.ask(Make.call("T", profile_id="gone"))
        takes = tracker.ask(Make.call("lost", profile_id="M"))
        built_on_that = tracker.ask(Make.call("lost"))
        other = tracker.ask(Make.call("U"))
        await tracker.fail()
        await tracker.commit_all()
        answers = [future.result() for future in (begun_anew, takes, built_on_that, other)]
        answers, later = answers, await tracker.answer(Make.call("lost", profile_id="A"))

    assert [reason(answer) for answer in answers[:3]] == [Reason.STORE_FAILED] * 3
    assert seqs(answers[3]) == [1]
    assert (later.profile_id, later.profile_saved) == ("A", True)


async def test_a_session_is_new_after_its_first_commit_failed() -> None:
    store = Make.store()

    async with RunningTracker(store) as tracker:
        lost = tracker.ask(Make.call("S"))
        await tracker.fail()
        lost, later = lost.result(), await tracker.answer(Make.call("S"))

    assert reason(lost) is Reason.STORE_FAILED
    assert (later.session_saved, later.profile_saved, seqs(later)) == (True, True, [1])
    assert list(store.profiles) == [later.profile_id]
    assert store.profile(later.profile_id).doc["stats"]["visits"] == 1


async def test_a_call_between_failure_and_recovery_starts_from_the_stored_profile() -> None:
    store = Make.one_profile()

    async with RunningTracker(store) as tracker:
        for _ in range(3):
            lost = tracker.ask(Make.call("S", 2, context={"lost": 1}))
            await tracker.fail()
            assert reason(lost.result()) is Reason.STORE_FAILED
        result = await tracker.answer(Make.call("S"))
    assert seqs(result) == [6]
    assert store.session("S").context == {}
