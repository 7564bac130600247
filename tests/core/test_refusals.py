"""Refusals: what is kept of bodies, faults and ids."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.core.refusals import BODY_BYTES, MAX_FAULTS, Fault, Refusal, body_text, clean_id, faults_json

NOW = "2026-01-31T12:00:00.000000Z"
SECRET = "trackd_9emqGL0bIZmIgaz4gjevBlcFuteSUAGx2FcS2EgmO08"


def test_a_body_is_kept_up_to_its_first_bytes() -> None:
    assert body_text(b"a" * 5_000) == "a" * BODY_BYTES
    assert body_text(b"abc") == "abc"


@given(st.text(alphabet="aé€🙂", max_size=3_000))
def test_a_body_is_cut_between_two_characters(text: str) -> None:
    kept = body_text(text.encode())

    assert text.startswith(kept)
    assert min(len(text.encode()), BODY_BYTES) - len(kept.encode()) < 4


def test_a_body_that_is_no_text_is_described() -> None:
    assert body_text(b"\xff" * 3_000) == "3,000 bytes, not UTF-8"
    assert body_text(b"abc\xe2\x82") == "5 bytes, not UTF-8"


@pytest.mark.parametrize(
    "text", [SECRET, f'{{"authorization":"Bearer {SECRET[7:]}"}}', f"basic {SECRET[7:]}", f"x=Bearer+{SECRET[7:]}"]
)
@pytest.mark.parametrize("before", [0, BODY_BYTES - 20])
def test_a_token_is_not_kept_nor_a_part_of_it(text: str, before: int) -> None:
    kept = body_text(b"a" * before + b" " + text.encode())

    assert SECRET[7:12] not in kept
    assert SECRET[7:] not in faults_json([Fault((text,), text, "t")])


def test_faults_are_bounded() -> None:
    faults = json.loads(faults_json(Fault(["a" * 1_000, 1] * 100, "m" * 9_000, "t") for _ in range(50)))

    assert len(faults) == MAX_FAULTS
    assert len(json.dumps(faults)) < 70_000


@pytest.mark.parametrize(
    ("value", "kept"),
    [("a", "a"), (" a ", "a"), (17, "17"), (True, None), (None, None), ({}, None), ("", None), ("\ud800", "?")],
)
def test_an_id_is_kept_as_text(value: object, kept: str | None) -> None:
    assert clean_id(value) == kept


def test_an_anonymous_refusal_leads_to_no_person() -> None:
    refusal = Refusal(
        NOW, 422, "invalid", "s", "10.0.0.0/24", "t", "e", "A", "S", '[{"loc":[],"msg":"m","type":"t"}]', "body", 3
    )

    assert refusal.anonymous() == Refusal(NOW, 422, "invalid", "s", None, "t", left_out=3)
