import time
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.load.histories import EVENTS, Attempt, Played, played
from trackd.load.history import NONE, OK, History
from trackd.load.verdict import Rule, Verdict, judge

pytestmark = pytest.mark.filterwarnings("error")
AFTER = 10_000_000.0
quick = settings(suppress_health_check=[HealthCheck.filter_too_much])


def verdict(run: Played, read_back: bool = False) -> Verdict:
    history = run.history()
    return judge(history, run.read(history) if read_back else None)


def broken(run: Played, read_back: bool = False) -> set[Rule]:
    return set(verdict(run, read_back).counts)


@given(played(), st.booleans())
@quick
def test_answers_of_a_server_that_keeps_its_promises_are_no_violation(run: Played, read_back: bool) -> None:
    assert verdict(run, read_back).counts == {}


def test_a_run_without_a_call_is_no_violation() -> None:
    assert verdict(Played(), read_back=True).violations == 0


@given(played(least=1), st.data())
@quick
def test_an_event_without_a_number_is_found(run: Played, data: st.DataObject) -> None:
    assume(run.answered())
    attempt = data.draw(st.sampled_from(run.answered()))
    run.change(attempt, seqs=(attempt.seqs[0], 0))
    assert Rule.NUMBERED in broken(run)


@given(played(least=2), st.data())
@quick
def test_a_number_that_two_calls_have_is_found(run: Played, data: st.DataObject) -> None:
    pairs = [(a, b) for a, b in product(run.answered(), repeat=2) if a.profile == b.profile and a.call != b.call]
    assume(pairs)
    one, other = data.draw(st.sampled_from(pairs))
    for attempt in run.answered():
        if attempt.call == other.call:
            run.change(attempt, seqs=one.seqs)
    assert Rule.UNIQUE in broken(run)


@given(played(least=2), st.data())
@quick
def test_numbers_that_no_event_has_are_a_gap(run: Played, data: st.DataObject) -> None:
    assume(run.answered())
    moved = data.draw(st.sampled_from(run.answered()))
    silent = len({attempt.call for attempt in run.attempts} - {attempt.call for attempt in run.answered()})
    further = EVENTS * (silent + 1)
    for attempt in run.answered():
        if attempt.profile == moved.profile and attempt.seqs >= moved.seqs:
            run.change(attempt, seqs=tuple(seq + further for seq in attempt.seqs))
    assert broken(run) == {Rule.NO_GAP}


def test_a_gap_as_large_as_a_call_without_an_answer_is_no_violation_until_read_back_proves_it() -> None:
    run = Played([_ok(0, 0, 10, (1, 2)), Attempt(1, 0, 20), _ok(2, 30, 40, (5, 6))])
    run.stored = {0: ("p", (1, 2)), 2: ("p", (5, 6))}

    assert broken(run) == set()
    assert broken(run, read_back=True) == {Rule.NO_GAP}
    run.stored[1] = ("p", (3, 4))
    assert broken(run, read_back=True) == set()


def test_half_a_call_explains_no_gap() -> None:
    run = Played([_ok(0, 0, 10, (1, 2)), Attempt(1, 0, 20), _ok(2, 30, 40, (4, 5))])
    assert broken(run) == {Rule.NO_GAP}


@given(played(least=2))
@quick
def test_the_order_of_calls_is_judged_as_each_pair_would_be(run: Played) -> None:
    """The numbers of all answered calls are turned round, so that many are wrong: compared with every pair."""
    for profile in ("p", "q"):
        calls = sorted({attempt.call for attempt in run.answered() if attempt.profile == profile})
        seqs = sorted((run.stored[call][1] for call in calls), reverse=True)
        for attempt in run.answered():
            if attempt.profile == profile:
                run.change(attempt, seqs=seqs[calls.index(attempt.call)])
    first: dict[int, Attempt] = {}
    for attempt in sorted(run.answered(), key=lambda attempt: attempt.answered):
        first.setdefault(attempt.call, attempt)
    sent = {call: min(each.sent for each in run.attempts if each.call == call) for call in first}
    wrong = {
        b.call
        for a, b in product(first.values(), repeat=2)
        if a.profile == b.profile and a.answered < sent[b.call] and min(b.seqs) < max(a.seqs)
    }
    assert verdict(run).counts.get(Rule.ORDER, 0) == len(wrong)


def test_numbers_of_one_call_that_fall_are_found() -> None:
    assert broken(Played([_ok(0, 0, 10, (2, 1))])) == {Rule.ORDER}


@given(played(least=2), st.data())
@quick
def test_a_session_with_two_profiles_is_found(run: Played, data: st.DataObject) -> None:
    sessions = [(a, b) for a, b in product(run.answered(), repeat=2) if a.session == b.session and a.call != b.call]
    assume(sessions)
    run.change(data.draw(st.sampled_from(sessions))[0], profile="z")
    assert Rule.ONE_PROFILE in broken(run)


def test_a_known_profile_that_is_answered_with_another_is_found() -> None:
    other = replace(_ok(1, 20, 30, (1, 2)), session=5, profile="q", claimed="p")
    found = verdict(Played([_ok(0, 0, 10, (1, 2)), other]))
    assert set(found.counts) == {Rule.ONE_PROFILE}
    assert found.shortest is not None
    assert found.shortest.attempts == (0, 1)


@given(played(least=1), st.data())
@quick
def test_a_retry_with_other_numbers_is_found(run: Played, data: st.DataObject) -> None:
    retried = [(a, b) for a, b in product(run.answered(), repeat=2) if a.call == b.call and a.sent < b.sent]
    assume(retried)
    _, retry = data.draw(st.sampled_from(retried))
    run.change(retry, seqs=(1_001, 1_002))
    assert Rule.RETRIES in broken(run)


@pytest.mark.parametrize("saved", [EVENTS, -EVENTS])
def test_a_retry_that_reports_another_number_of_saved_events_is_found(saved: int) -> None:
    run = Played([_ok(0, 0, 10, (1, 2)), replace(_ok(0, 20, 30, (1, 2)), saved=0)])
    assert broken(run) == set()
    run.change(run.attempts[0 if saved < 0 else 1], saved=max(saved, 0))
    assert broken(run) == {Rule.RETRIES}


@given(played(least=1), st.data())
@quick
def test_an_answered_event_that_is_missing_or_has_another_number_is_found(run: Played, data: st.DataObject) -> None:
    assume(run.answered())
    attempt = data.draw(st.sampled_from(run.answered()))
    changed = data.draw(st.sampled_from([(attempt.seqs[0], 0), (0, 0), (attempt.seqs[0], attempt.seqs[1] + 1_000)]))
    run.stored[attempt.call] = attempt.profile, changed
    assert Rule.READ_BACK in broken(run, read_back=True)


def test_a_call_without_an_answer_that_is_stored_in_part_is_found() -> None:
    run = Played([_ok(0, 0, 10, (1, 2)), Attempt(1, 0, 20)])
    run.stored = {0: ("p", (1, 2)), 1: ("p", (3, 0))}
    assert broken(run, read_back=True) == {Rule.READ_BACK}


def test_an_event_that_is_stored_twice_is_found() -> None:
    run = Played([_ok(0, 0, 10, (1, 2))], {0: ("p", (1, 2))})
    history = run.history()
    stored = run.read(history)
    stored.add(0, history.event_id(0, 1), 3)
    assert Rule.READ_BACK in judge(history, stored).counts


@pytest.mark.parametrize(("times", "found"), [(4, set()), (5, {Rule.ANSWERED})])
def test_a_call_that_is_refused_five_times_is_found(times: int, found: set[Rule]) -> None:
    assert broken(Played([Attempt(0, 0, 10 * at, 10 * at + 5, 503) for at in range(times)])) == found


def test_the_shortest_history_is_the_one_with_the_fewest_attempts_that_lie_closest() -> None:
    far = [_ok(0, 0, 10, (3, 4)), _ok(1, 5_000, 5_010, (1, 2))]
    near = [replace(_ok(call, at, at + 5, seqs), profile="q", session=1) for call, at, seqs in
            ((2, 100, (3, 4)), (3, 110, (1, 2)))]  # fmt: skip
    found = verdict(Played([*far, *near]))
    assert found.counts == {Rule.ORDER: 2}
    assert found.shortest is not None
    assert [found.shortest.attempts, found.shortest.rule] == [(1, 2), Rule.ORDER]


def test_100_000_calls_are_judged_in_seconds() -> None:
    history = History("r", 3)
    for call in range(100_000):
        attempt = history.begin(call, call % 64, call % 2, NONE, float(call))
        history.answer(attempt, call + 0.5, f"p{call % 2}", 3, range(call // 2 * 3 + 1, call // 2 * 3 + 4))
    began = time.process_time()
    assert judge(history).violations == 0
    assert time.process_time() - began < 20  # pair by pair it would be hours


def _ok(call: int, sent: float, answered: float, seqs: tuple[int, ...]) -> Attempt:
    return Attempt(call, 0, sent, answered, OK, "p", seqs, EVENTS)
