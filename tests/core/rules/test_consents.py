import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.core.profile_document import new_profile
from trackd.core.rules.consents import EventTime, answer, expire, is_withdrawn
from trackd.core.rules.draft import Draft, json_size

DAY_1, DAY_2, DAY_3, DAY_4, DAY_5 = (f"2026-01-0{day}T12:00:00.000000Z" for day in range(1, 6))
YEAR_1970 = "1970-01-01T00:00:00.000000Z"


def at(happened: str, received: str | None = None) -> EventTime:
    """Without `received` the event arrived when it happened."""
    return EventTime(happened, received or happened)


@pytest.fixture
def draft() -> Draft:
    return Draft(new_profile("A", DAY_1))


def history(draft: Draft) -> list[tuple[str, str, str]]:
    assert draft.size == json_size(draft.doc)
    return [(entry["id"], entry["change"], entry["time"]) for entry in draft.doc["metadata"].get("consents", [])]


def test_true_grants_and_false_withdraws(draft: Draft) -> None:
    assert answer(draft, {"a": True, "b": False}, at(DAY_1), None, 10).changed == ["a", "b"]
    assert draft.doc["consents"] == {"a": {"granted": DAY_1}}
    assert answer(draft, {"a": False}, at(DAY_2), None, 10).changed == ["a"]
    assert draft.doc["consents"] == {}
    assert history(draft) == [("a", "granted", DAY_1), ("b", "withdrawn", DAY_1), ("a", "withdrawn", DAY_2)]


def test_a_repeated_grant_adds_nothing(draft: Draft) -> None:
    answer(draft, {"a": True, "b": False}, at(DAY_1), None, 10)
    before = draft.doc, draft.clock
    assert answer(draft, {"a": True}, at(DAY_2), None, 10).changed == []
    assert (draft.doc, draft.clock) == before


def test_a_consent_that_is_granted_again_lasts_longer(draft: Draft) -> None:
    answer(draft, {"a": True}, at(DAY_1), 1, 10)
    assert draft.doc["consents"] == {"a": {"granted": DAY_1, "expires": DAY_2}}
    assert answer(draft, {"a": True}, at(DAY_2), 1, 10).changed == ["a"]
    assert draft.doc["consents"] == {"a": {"granted": DAY_1, "expires": DAY_3}}
    assert history(draft) == [("a", "granted", DAY_1)]


def test_a_consent_expires_and_may_be_granted_again(draft: Draft) -> None:
    answer(draft, {"a": True, "b": True}, at(DAY_1), 1, 10)
    answer(draft, {"b": True}, at(DAY_1), None, 10)
    assert expire(draft, DAY_2, 10) == []
    assert expire(draft, DAY_3, 10) == ["a"]
    assert list(draft.doc["consents"]) == ["b"]
    answer(draft, {"a": True}, at(DAY_3), None, 10)
    assert draft.doc["consents"]["a"] == {"granted": DAY_3}
    assert history(draft)[2:] == [("a", "expired", DAY_3), ("a", "granted", DAY_3)]


def test_an_older_answer_that_comes_late_does_not_end_a_consent_sooner(draft: Draft) -> None:
    answer(draft, {"a": True}, at(DAY_2), 1, 10)
    assert answer(draft, {"a": True}, at(DAY_1), 1, 10).changed == []
    assert draft.doc["consents"] == {"a": {"granted": DAY_2, "expires": DAY_3}}


def test_a_consent_without_end_gets_one_when_it_is_granted_under_a_rule_that_ends_it(draft: Draft) -> None:
    answer(draft, {"a": True}, at(DAY_1), None, 10)
    answer(draft, {"a": True}, at(DAY_2), 1, 10)
    assert draft.doc["consents"] == {"a": {"granted": DAY_1, "expires": DAY_3}}
    answer(draft, {"a": True}, at(DAY_2), None, 10)
    assert draft.doc["consents"] == {"a": {"granted": DAY_1}}


def test_a_grant_that_left_the_history_does_not_enter_it_again(draft: Draft) -> None:
    answer(draft, {"a": True}, at(DAY_1), None, 1)
    answer(draft, {"b": True}, at(DAY_1), None, 1)
    assert answer(draft, {"a": True}, at(DAY_2), None, 1).changed == []
    assert history(draft) == [("b", "granted", DAY_1)]


def test_a_time_after_the_last_datetime_is_the_last_datetime(draft: Draft) -> None:
    answer(draft, {"a": True}, at("9999-12-30T00:00:00.000000Z"), 36_500, 10)
    assert draft.doc["consents"]["a"]["expires"] == "9999-12-31T23:59:59.999999Z"


def test_the_history_is_bounded(draft: Draft) -> None:
    for _ in range(5):
        answer(draft, {"a": True}, at(DAY_1), None, 3)
        answer(draft, {"a": False}, at(DAY_1), None, 3)
    assert history(draft) == [("a", "withdrawn", DAY_1), ("a", "granted", DAY_1), ("a", "withdrawn", DAY_1)]


def test_a_withdrawal_always_counts_and_is_noted_no_earlier_than_the_grant_that_it_ends(draft: Draft) -> None:
    answer(draft, {"a": True}, at(DAY_2), None, 10)
    assert answer(draft, {"a": False}, at(YEAR_1970, DAY_3), None, 10) == (["a"], [])
    assert draft.doc["metadata"]["consents"][-1] == {
        "id": "a",
        "change": "withdrawn",
        "time": DAY_2,
        "received": DAY_3,
    }


def test_a_withdrawal_after_the_consent_expired_is_noted_no_earlier_than_its_grant(draft: Draft) -> None:
    answer(draft, {"a": True}, at(DAY_2), 1, 10)
    expire(draft, DAY_4, 10)
    answer(draft, {"a": False}, at(YEAR_1970, DAY_5), None, 10)
    assert history(draft) == [("a", "granted", DAY_2), ("a", "expired", DAY_4), ("a", "withdrawn", DAY_2)]


@pytest.mark.parametrize("made", [YEAR_1970, DAY_1, DAY_2, DAY_3])
def test_a_grant_that_was_made_before_the_withdrawal_arrived_has_no_effect(draft: Draft, made: str) -> None:
    answer(draft, {"a": True}, at(DAY_1), None, 10)
    answer(draft, {"a": False}, at(YEAR_1970, DAY_4), None, 10)
    assert answer(draft, {"a": True, "b": True}, at(made, DAY_5), None, 10) == (["b"], ["a"])
    assert list(draft.doc["consents"]) == ["b"]


def test_a_grant_that_is_made_when_the_withdrawal_has_arrived_counts(draft: Draft) -> None:
    answer(draft, {"a": False}, at(DAY_1, DAY_4), None, 10)
    assert answer(draft, {"a": True}, at(DAY_4), None, 10) == (["a"], [])
    assert draft.doc["consents"] == {"a": {"granted": DAY_4}}


def test_a_withdrawal_that_is_repeated_holds_against_grants_made_in_between(draft: Draft) -> None:
    answer(draft, {"a": False}, at(DAY_1), None, 10)
    assert answer(draft, {"a": False}, at(DAY_4), None, 10) == ([], [])
    assert draft.doc["metadata"]["consents"] == [
        {"id": "a", "change": "withdrawn", "time": DAY_1, "received": DAY_4},
    ]
    assert answer(draft, {"a": True}, at(DAY_3, DAY_5), None, 10) == ([], ["a"])
    assert answer(draft, {"a": False}, at(DAY_2), None, 10) == ([], [])
    assert answer(draft, {"a": True}, at(DAY_3, DAY_5), None, 10) == ([], ["a"])


@pytest.mark.parametrize("expires", [False, True])
def test_a_grant_from_before_a_withdrawal_does_not_prolong_a_later_one(draft: Draft, expires: bool) -> None:
    answer(draft, {"a": False}, at(DAY_2), None, 10)
    answer(draft, {"a": True}, at(DAY_3), 1, 10)
    if expires:
        assert expire(draft, DAY_5, 10) == ["a"]
    before = dict(draft.doc["consents"])
    assert answer(draft, {"a": True}, at(DAY_1, DAY_5), None, 10) == ([], ["a"])
    assert draft.doc["consents"] == before


def test_the_last_withdrawals_are_the_last_entries_to_leave_the_history(draft: Draft) -> None:
    answer(draft, {"a": False}, at(DAY_1, DAY_3), None, 3)
    for _ in range(3):
        answer(draft, {"b": True}, at(DAY_4), None, 3)
        answer(draft, {"b": False}, at(DAY_4), None, 3)
    assert history(draft) == [("a", "withdrawn", DAY_1), ("b", "granted", DAY_4), ("b", "withdrawn", DAY_4)]
    assert answer(draft, {"a": True}, at(DAY_2, DAY_5), None, 3) == ([], ["a"])
    answer(draft, {"c": False, "d": False}, at(DAY_5), None, 3)
    assert [entry[:2] for entry in history(draft)] == [("b", "withdrawn"), ("c", "withdrawn"), ("d", "withdrawn")]


def test_a_consent_that_another_tool_stored_without_a_time_can_be_withdrawn(draft: Draft) -> None:
    draft.put(("consents", "a"), {})
    answer(draft, {"a": False}, at(DAY_1), None, 10)
    assert draft.doc["consents"] == {}
    assert is_withdrawn(draft, "a")
    assert not is_withdrawn(draft, "b")


DAY_AFTER = {YEAR_1970: "1970-01-02T00:00:00.000000Z", DAY_1: DAY_2, DAY_2: DAY_3, DAY_3: DAY_4, DAY_4: DAY_5}
moments = st.sampled_from([YEAR_1970, DAY_1, DAY_2, DAY_3, DAY_4])
answers = st.dictionaries(st.sampled_from("ab"), st.booleans(), min_size=1)


@given(st.lists(st.tuples(answers, moments, st.sampled_from([None, 1]))))
def test_the_answers_of_late_queues_follow_one_rule(calls: list[tuple[dict[str, bool], str, int | None]]) -> None:
    """The calls are received one a day; the events have any time up to their arrival."""
    draft = Draft(new_profile("A", DAY_1))
    arrived: dict[str, str] = {}  # consent: the arrival of its last withdrawal
    granted: dict[str, str | None] = {}  # consent: when it ends
    for day, (given_answers, made, days) in enumerate(calls, 5):
        received = f"2026-01-{day:02}T12:00:00.000000Z" if day < 29 else f"2026-02-{day - 28:02}T12:00:00.000000Z"
        expire(draft, received, 100)
        granted = {consent: end for consent, end in granted.items() if end is None or end >= received}
        answer(draft, given_answers, at(min(made, received), received), days, 100)
        for consent, grants in given_answers.items():
            if not grants:
                granted.pop(consent, None)
                arrived[consent] = received
            elif made >= arrived.get(consent, ""):
                end = None if days is None else DAY_AFTER[made]
                known = granted.get(consent, "")
                granted[consent] = None if end is None else max(end, known or "")
        assert {consent: value.get("expires") for consent, value in draft.doc["consents"].items()} == granted
    for entry in draft.doc["metadata"].get("consents", []):
        assert entry.get("received", entry["time"]) >= entry["time"]
