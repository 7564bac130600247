"""Consents over many events of a call: the results of a plain program that searches everything for each event."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.core.documents import JsonObject
from trackd.core.profile_document import new_profile
from trackd.core.rules.consent_history import FEW, Expiries, history_of, keep_arrivals
from trackd.core.rules.consents import EventTime, answer, expire, is_withdrawn
from trackd.core.rules.draft import Draft, json_size

TIMES = [f"2026-01-{day:02}T12:00:00.000000Z" for day in range(1, 9)]
FIRST, LAST = TIMES[0], TIMES[-1]
MAX_BYTES = 1_000_000


class PlainConsents:
    """The consents and the history of a profile as two plain lists of the documentation."""

    def __init__(self, max_history: int) -> None:
        self.max_history = max_history
        self.consents: dict[str, JsonObject] = {}
        self.history: list[JsonObject] = []

    def last(self, consent: str, change: str) -> JsonObject:
        return next(
            (entry for entry in reversed(self.history) if (entry["id"], entry["change"]) == (consent, change)), {}
        )

    def is_withdrawn(self, consent: str) -> bool:
        changes = [entry["change"] for entry in self.history if entry["id"] == consent]
        return changes[-1:] == ["withdrawn"]

    def answer(self, answers: dict[str, bool], time: EventTime, days: int | None) -> tuple[list[str], list[str]]:
        changed, outdated = [], []
        for consent, granted in answers.items():
            known, withdrawal = self.consents.get(consent, {}), self.last(consent, "withdrawn")
            arrived: str = withdrawal.get("received") or withdrawal.get("time") or ""
            if granted and time.happened < arrived:
                outdated.append(consent)
            elif granted:
                after = {"granted": known["granted"] if known else time.happened}
                if days is not None:
                    later = TIMES[min(TIMES.index(time.happened) + days, len(TIMES) - 1)]
                    after["expires"] = max(later, known.get("expires") or "")
                if after != known:
                    changed.append(consent)
                    self.consents[consent] = after
                    if not known:
                        self.history.append({"id": consent, "change": "granted", "time": time.happened})
            elif not known and self.is_withdrawn(consent):
                until = max(time.received, arrived)
                withdrawal.pop("received", None)
                withdrawal |= {"received": until} if until > withdrawal["time"] else {}
            else:
                changed.append(consent)
                self.consents.pop(consent, None)
                granted_at = known["granted"] if known else self.last(consent, "granted").get("time", "")
                made = max(time.happened, granted_at)
                entry = {"id": consent, "change": "withdrawn", "time": made}
                self.history.append(entry | ({"received": time.received} if time.received > made else {}))
        self.shorten()
        return changed, outdated

    def expire(self, now: str) -> list[str]:
        ends = sorted((value.get("expires", LAST), consent) for consent, value in self.consents.items())
        over = [consent for end, consent in ends if end < now]
        for consent in over:
            del self.consents[consent]
            self.history.append({"id": consent, "change": "expired", "time": now})
        self.shorten()
        return over

    def shorten(self) -> None:
        while len(self.history) > self.max_history:
            last_withdrawals = [id(self.last(entry["id"], "withdrawn")) for entry in self.history]
            oldest = [entry for entry in self.history if id(entry) not in last_withdrawals] or self.history
            self.history = [entry for entry in self.history if entry is not oldest[0]]


times = st.sampled_from(TIMES)
acts = st.lists(
    st.tuples(
        st.just("answer"),
        st.dictionaries(st.sampled_from("abcd"), st.booleans()),
        times,
        times,
        st.sampled_from([None, 1, 3]),
    )
    | st.tuples(st.just("roll back"), st.dictionaries(st.sampled_from("abcd"), st.booleans()), times, times, st.just(1))
    | st.tuples(st.just("expire"), st.none(), times, times, st.none()),
    max_size=20,
)


@given(acts, st.integers(1, 6), st.booleans())
def test_consents_and_history_are_those_of_a_plain_program(acts: list[Any], max_history: int, has_many: bool) -> None:
    draft, plain = Draft(new_profile("A", FIRST)), PlainConsents(max_history)
    if has_many:  # in a large history
        many = {f"{n}-{'x' * 400}": True for n in range(FEW)}
        answer(draft, many, EventTime(FIRST, FIRST), None, max_history)
        plain.answer(many, EventTime(FIRST, FIRST), None)
    for act, answers, made, received, days in acts:
        time = EventTime(min(made, received), max(made, received))
        match act:
            case "answer":
                expected = plain.answer(answers, time, days)
                assert answer(draft, answers, time, _days(time.happened, days), max_history) == expected
            case "roll back":
                draft.settle()
                answer(draft, answers, time, days, max_history)
                draft.roll_back()
            case "expire":
                assert expire(draft, received, max_history) == plain.expire(received)
        assert draft.doc["consents"] == plain.consents
        assert draft.doc["metadata"].get("consents", []) == plain.history
        assert [is_withdrawn(draft, consent) for consent in "abcd"] == list(map(plain.is_withdrawn, "abcd"))
        assert draft.size == json_size(draft.doc)


def _days(happened: str, days: int | None) -> int | None:
    """So many days that the end is one of TIMES."""
    return None if days is None else min(days, len(TIMES) - 1 - TIMES.index(happened))


class CountedEntry(dict[str, Any]):
    """An entry of a history that counts how often it is read."""

    reads = 0

    def __getitem__(self, key: str) -> Any:
        CountedEntry.reads += 1
        return super().__getitem__(key)


def test_a_history_is_read_once_in_a_call() -> None:
    entries = [CountedEntry(id=f"c{n}", change="withdrawn", time=FIRST) for n in range(100)]
    doc = new_profile("A", FIRST)
    doc["metadata"]["consents"] = entries
    draft = Draft(doc)
    CountedEntry.reads = 0

    for n in range(500):
        assert is_withdrawn(draft, f"c{n}") == (n < 100)
        answer(draft, {"new": bool(n % 2)}, EventTime(LAST, LAST), None, 1_000)

    assert CountedEntry.reads <= 4 * len(entries)
    assert len(draft.doc["metadata"]["consents"]) == 600


def test_after_a_roll_back_the_history_is_that_of_the_document() -> None:
    draft = Draft(new_profile("A", FIRST))
    answer(draft, {"a": False}, EventTime(FIRST, FIRST), None, 10)
    draft.settle()
    answer(draft, {"b": False}, EventTime(FIRST, FIRST), None, 10)
    draft.roll_back()
    assert is_withdrawn(draft, "a")
    assert not is_withdrawn(draft, "b")
    assert history_of(draft).last("b", "withdrawn") == {}


def test_later_arrivals_are_kept_in_place() -> None:
    draft = Draft(new_profile("A", FIRST))
    answer(draft, {"a": False, "b": False, "c": True, "d": False}, EventTime(FIRST, TIMES[1]), None, 10)
    answer(draft, {"b": True, "e": False}, EventTime(TIMES[2], TIMES[2]), None, 10)
    entries, clock = draft.doc["metadata"]["consents"], draft.clock

    assert keep_arrivals(draft, ["a", "d", "e"], TIMES[2], MAX_BYTES)
    assert [entry.get("received") for entry in entries] == [TIMES[2], TIMES[1], None, TIMES[2], None, None]
    assert keep_arrivals(draft, ["a", "d", "e"], TIMES[3], MAX_BYTES)
    assert keep_arrivals(draft, ["a"], TIMES[2], MAX_BYTES)
    assert not any(keep_arrivals(draft, [consent], LAST, MAX_BYTES) for consent in ("b", "c", "new"))

    assert draft.doc["metadata"]["consents"] is entries
    assert [entry.get("received") for entry in entries] == [TIMES[3], TIMES[1], None, TIMES[3], None, TIMES[3]]
    assert draft.clock == clock
    assert draft.size == json_size(draft.doc)


def test_an_arrival_for_which_the_profile_has_no_room_is_left_to_the_rules() -> None:
    draft = Draft(new_profile("A", FIRST))
    answer(draft, {"a": False}, EventTime(FIRST, FIRST), None, 10)
    full = draft.size
    assert not keep_arrivals(draft, ["a"], LAST, full)
    assert draft.size == full == json_size(draft.doc)
    needed = full + len(f',"received":"{LAST}"')
    assert not keep_arrivals(draft, ["a"], LAST, needed - 1)
    assert keep_arrivals(draft, ["a"], LAST, needed)
    assert draft.size == needed == json_size(draft.doc)
    assert keep_arrivals(draft, ["a"], LAST, full)


@pytest.mark.parametrize("entries", [1, 100])
def test_after_an_arrival_in_place_the_size_of_the_history_is_measured_again(entries: int) -> None:
    draft = Draft(new_profile("A", FIRST))
    answer(draft, {f"c{n}": False for n in range(entries)}, EventTime(FIRST, FIRST), None, 1_000)
    assert keep_arrivals(draft, ["c0"], TIMES[1], MAX_BYTES)
    for n in range(3):
        answer(draft, {f"new{n}": True}, EventTime(TIMES[2], TIMES[2]), None, 1_000)
        assert draft.size == json_size(draft.doc)


class CountedConsents(dict[str, Any]):
    """Consents that count how often one is looked up."""

    look_ups = 0

    def get(self, key: str, default: Any = None) -> Any:
        CountedConsents.look_ups += 1
        return super().get(key, default)


def test_only_consents_that_are_over_are_looked_up_to_find_them() -> None:
    consents = CountedConsents({f"c{n}": {"granted": FIRST, "expires": TIMES[1 if n < 3 else 4]} for n in range(1_000)})
    expiries = Expiries(consents)
    CountedConsents.look_ups = 0

    over = [consent for now in TIMES[:4] * 100 for consent in expiries.take(consents, now)]

    assert over == ["c0", "c1", "c2"]
    assert CountedConsents.look_ups == 3


def test_a_consent_that_lasts_longer_by_now_is_not_over() -> None:
    consents: JsonObject = {"a": {"granted": FIRST, "expires": TIMES[1]}}
    expiries = Expiries(consents)
    consents["a"] = {"granted": FIRST, "expires": TIMES[3]}
    expiries.add("a", TIMES[3])
    assert list(expiries.take(consents, TIMES[2])) == []
    assert list(expiries.take(consents, TIMES[4])) == ["a"]
