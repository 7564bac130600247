import pytest

from tests.support.making import Make
from trackd.config.settings import Privacy
from trackd.core.documents import JsonObject
from trackd.http.body import Headers
from trackd.http.track.kept_headers import MAX_CHARACTERS, KeptHeaders

HEADERS = {b"user-agent": b"Browser/1", b"referer": b"https://shop.example/a?b=c", b"host": b"x"}
UA, REFERRER = {"user_agent": "Browser/1"}, {"referrer": "https://shop.example/a?b=c"}


def context(privacy: Privacy, headers: Headers, sent: JsonObject | None) -> JsonObject | None:
    return KeptHeaders(privacy).added_to(Make.call(context=sent), headers).context


@pytest.mark.parametrize(
    ("privacy", "kept"),
    [
        (Privacy(), {}),
        (Privacy(user_agent=True), UA),
        (Privacy(referrer=True), REFERRER),
        (Privacy(user_agent=True, referrer=True), UA | REFERRER),
    ],
)
def test_the_headers_that_are_set_are_kept(privacy: Privacy, kept: dict[str, str]) -> None:
    assert context(privacy, HEADERS, {"page": {"url": "/a"}}) == {**kept, "page": {"url": "/a"}}


def test_a_client_that_names_its_own_wins_and_absent_headers_add_nothing() -> None:
    both = Privacy(user_agent=True, referrer=True)
    assert context(both, HEADERS, {"user_agent": None}) == {"user_agent": None, **REFERRER}
    assert context(both, {b"user-agent": b" "}, None) == {}


@pytest.mark.parametrize(
    ("value", "text"), [("Žofie".encode(), "Žofie"), (b"caf\xe9 ", "café"), (b"x" * 9_000, "x" * MAX_CHARACTERS)]
)
def test_a_header_is_a_bounded_text(value: bytes, text: str) -> None:
    assert context(Privacy(user_agent=True), {b"user-agent": value}, {}) == {"user_agent": text}
