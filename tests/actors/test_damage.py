"""A fault is explained by a damaged row, or is one of the code."""

import pytest
from msgspec import Raw
from msgspec.structs import replace

from tests.support.making import Make
from trackd.actors.damage import damage_of
from trackd.storage.errors import StoreError

PROFILE = Make.one_profile().profiles["A"]
SESSION = Make.one_profile().session("S")
DEEP = Raw(b'{"a":' + b"[" * 9_999 + b"]" * 9_999 + b"}")


def test_sound_rows_and_missing_ones_explain_nothing() -> None:
    assert SESSION is not None
    assert damage_of(PROFILE, lambda: SESSION) == damage_of(None, lambda: None) == ""


@pytest.mark.parametrize("changed", [{"doc_json": Raw(b"{")}, {"doc_json": DEEP}, {"seq": b"x"}, {"revision": "x"}])
def test_a_damaged_profile_is_named(changed: dict[str, object]) -> None:
    assert "`trackd verify`" in damage_of(replace(PROFILE, **changed), lambda: None)


@pytest.mark.parametrize("changed", [{"context_json": Raw(b"{")}, {"properties_json": DEEP}, {"updated": "never"}])
def test_a_damaged_session_is_named(changed: dict[str, object]) -> None:
    assert SESSION is not None
    session = replace(SESSION, **changed)
    assert "`trackd verify`" in damage_of(PROFILE, lambda: session)
    assert "`trackd verify`" in damage_of(None, lambda: session)


def test_a_row_that_cannot_be_read_explains_the_fault() -> None:
    def unreadable() -> None:
        raise StoreError("no disk")

    assert damage_of(PROFILE, unreadable)
