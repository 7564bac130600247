from collections import Counter

from trackd.load.history import NONE
from trackd.load.workload import SIMULTANEOUS, Mix, Workload


def _workload(**shares: float) -> Workload:
    nothing = {"hot": 0, "retries": 0, "first_calls": 0}
    return Workload(Mix(clients=8, profiles=10, sessions_per_profile=2, seed=1, **nothing | shares))


def test_a_person_has_one_session_until_the_profile_is_known_and_calls_name_the_profile_then() -> None:
    workload = _workload()
    before = [call for _ in range(200) for call in workload.next(1)]
    for session in {call.session for call in before}:
        workload.answered(session, 100 + session)
    after = [call for _ in range(200) for call in workload.next(1)]

    assert {call.session % 2 for call in before} == {0}
    assert {call.claimed for call in before} == {NONE}
    assert {call.session for call in after} == set(range(20))
    assert all(call.claimed == 100 + call.session // 2 * 2 for call in after)


def test_with_first_calls_each_session_begins_with_several_calls_that_name_no_profile() -> None:
    workload = _workload(first_calls=100)
    steps = [workload.next(100) for _ in range(300)]
    together = [step for step in steps if len(step) > 1]
    assert len({step[0].session for step in together}) == len(together)
    assert {len(step) for step in together} == {SIMULTANEOUS}
    assert {call.claimed for step in together for call in step} == {NONE}


def test_simultaneous_calls_do_not_exceed_the_number_of_calls() -> None:
    assert len(_workload(first_calls=100).next(2)) == 2


def test_shares_are_kept() -> None:
    workload = _workload(hot=50, retries=20)
    calls = [call for _ in range(10_000) for call in workload.next(1)]
    hot = sum(call.session < 2 for call in calls)
    retry = Counter(call.retry for call in calls)
    assert 5_300 < hot < 5_700  # half, and a tenth of the other half
    assert 900 < retry["cut"] < 1_100
    assert 900 < retry["answered"] < 1_100
