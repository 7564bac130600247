import pytest

from trackd.core.profile_document import new_profile
from trackd.core.rules.consents import answer, expire
from trackd.core.rules.draft import Draft, json_size

DAY_1, DAY_2, DAY_3 = (f"2026-01-0{day}T12:00:00.000000Z" for day in (1, 2, 3))


@pytest.fixture
def draft() -> Draft:
    return Draft(new_profile("A", DAY_1))


def history(draft: Draft) -> list[tuple[str, str, str]]:
    assert draft.size == json_size(draft.doc)
    return [(entry["id"], entry["change"], entry["time"]) for entry in draft.doc["metadata"].get("consents", [])]


def test_true_grants_and_false_withdraws(draft: Draft) -> None:
    assert answer(draft, {"a": True, "b": False}, DAY_1, None, 10).changed == ["a", "b"]
    assert draft.doc["consents"] == {"a": {"granted": DAY_1}}
    assert answer(draft, {"a": False}, DAY_2, None, 10).changed == ["a"]
    assert draft.doc["consents"] == {}
    assert history(draft) == [("a", "granted", DAY_1), ("b", "withdrawn", DAY_1), ("a", "withdrawn", DAY_2)]


def test_a_repetition_adds_nothing(draft: Draft) -> None:
    answer(draft, {"a": True, "b": False}, DAY_1, None, 10)
    before = draft.doc, draft.clock
    assert answer(draft, {"a": True, "b": False}, DAY_2, None, 10).changed == []
    assert (draft.doc, draft.clock) == before


def test_a_consent_that_is_granted_again_lasts_longer(draft: Draft) -> None:
    answer(draft, {"a": True}, DAY_1, 1, 10)
    assert draft.doc["consents"] == {"a": {"granted": DAY_1, "expires": DAY_2}}
    assert answer(draft, {"a": True}, DAY_2, 1, 10).changed == ["a"]
    assert draft.doc["consents"] == {"a": {"granted": DAY_1, "expires": DAY_3}}
    assert history(draft) == [("a", "granted", DAY_1)]


def test_a_consent_expires_and_may_be_granted_again(draft: Draft) -> None:
    answer(draft, {"a": True, "b": True}, DAY_1, 1, 10)
    answer(draft, {"b": True}, DAY_1, None, 10)
    assert expire(draft, DAY_2, 10) == []
    assert expire(draft, DAY_3, 10) == ["a"]
    assert list(draft.doc["consents"]) == ["b"]
    answer(draft, {"a": True}, DAY_3, None, 10)
    assert draft.doc["consents"]["a"] == {"granted": DAY_3}
    assert history(draft)[2:] == [("a", "expired", DAY_3), ("a", "granted", DAY_3)]


def test_an_older_answer_that_comes_late_does_not_end_a_consent_sooner(draft: Draft) -> None:
    answer(draft, {"a": True}, DAY_2, 1, 10)
    assert answer(draft, {"a": True}, DAY_1, 1, 10).changed == []
    assert draft.doc["consents"] == {"a": {"granted": DAY_2, "expires": DAY_3}}


def test_a_consent_without_end_gets_one_when_it_is_granted_under_a_rule_that_ends_it(draft: Draft) -> None:
    answer(draft, {"a": True}, DAY_1, None, 10)
    answer(draft, {"a": True}, DAY_2, 1, 10)
    assert draft.doc["consents"] == {"a": {"granted": DAY_1, "expires": DAY_3}}
    answer(draft, {"a": True}, DAY_2, None, 10)
    assert draft.doc["consents"] == {"a": {"granted": DAY_1}}


def test_a_grant_that_left_the_history_does_not_enter_it_again(draft: Draft) -> None:
    answer(draft, {"a": True}, DAY_1, None, 1)
    answer(draft, {"b": True}, DAY_1, None, 1)
    assert answer(draft, {"a": True}, DAY_2, None, 1).changed == []
    assert history(draft) == [("b", "granted", DAY_1)]


def test_a_time_after_the_last_datetime_is_the_last_datetime(draft: Draft) -> None:
    answer(draft, {"a": True}, "9999-12-30T00:00:00.000000Z", 36_500, 10)
    assert draft.doc["consents"]["a"]["expires"] == "9999-12-31T23:59:59.999999Z"


def test_the_history_is_bounded(draft: Draft) -> None:
    for _ in range(5):
        answer(draft, {"a": True}, DAY_1, None, 3)
        answer(draft, {"a": False}, DAY_1, None, 3)
    assert history(draft) == [("a", "withdrawn", DAY_1), ("a", "granted", DAY_1), ("a", "withdrawn", DAY_1)]


def test_a_grant_that_is_older_than_the_last_withdrawal_does_not_count_and_a_withdrawal_always_does(
    draft: Draft,
) -> None:
    answer(draft, {"a": True}, DAY_2, None, 10)
    assert answer(draft, {"a": False}, DAY_1, None, 10) == (["a"], [])
    answer(draft, {"a": True}, DAY_2, None, 10)
    answer(draft, {"a": False}, DAY_3, None, 10)
    assert answer(draft, {"a": True, "b": True}, DAY_2, None, 10) == (["b"], ["a"])
    assert list(draft.doc["consents"]) == ["b"]
    assert answer(draft, {"a": True}, DAY_3, None, 10) == (["a"], [])
