"""The URL of a store as it is shown."""

import pytest

from trackd.config.errors import SettingsError
from trackd.config.load import load
from trackd.config.store_url import masked


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@db.example:5433/trackd", "postgresql://me:***@db.example:5433/trackd"),
        ("postgresql://me@db.example/trackd?password=secret", "postgresql://me@db.example/trackd"),
        (
            "postgresql://me:sec%40ret@a,b:5433/trackd?target_session_attrs=read-write",
            "postgresql://me:***@a,b:5433/trackd",
        ),
        ("postgresql://db.example", "postgresql://db.example"),
        ("postgresql://me:secret@[db.example", "postgresql://me:***@[db.example"),
        ("postgresql://me:secret@db.example?sslmode=require", "postgresql://me:***@db.example"),
        ("postgresql://me:p[w]@db1,[2001:db8::2]:5433/trackd", "postgresql://me:***@db1,[2001:db8::2]:5433/trackd"),
        ("no URL", "no URL"),
        ("postgresql://me:sec/ret@db.example/trackd", "postgresql://***"),
        ("postgresql://me:1?ret@db.example/trackd", "postgresql://me:***@db.example/trackd"),
        ("postgresql://me:1?r=et@db.example/trackd", "postgresql://me:***@db.example/trackd"),
        ("postgresql://me:sec@ret@db.example/trackd", "postgresql://***"),
        ("postgresql://me:s@c/ret@db.example/trackd", "postgresql://***"),
        ("postgresql://me:sec#ret@db.example/trackd", "postgresql://me:***@db.example/trackd"),
        ("postgresql://me:1/2?r=et@db.example/trackd", "postgresql://***"),
        ("postgresql:///trackd?user=me@example", "postgresql:///trackd"),
        ("postgresql://me@/trackd?host=@/run/postgresql", "postgresql://me@/trackd"),
        ("['https://a']", "['https://a']"),
        ("1 https://a", "1 https://a"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert masked(url) == shown


@pytest.mark.parametrize("password", ["sec/ret", "sec@ret", "1?s/ret", "[sec/ret", "s@c/ret", "1/2?r=ret"])
def test_a_password_that_must_be_encoded_is_a_fault_of_the_url_and_not_shown(password: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load({"store": {"url": f"postgresql://me:{password}@db.example/trackd"}})
    assert "has an @ or a / in its password: write them as %40 and %2F" in str(raised.value)
    assert "ret@" not in str(raised.value)


def test_a_percent_sign_that_encodes_nothing_is_a_fault_of_the_url() -> None:
    with pytest.raises(SettingsError, match="has a % that encodes nothing: write it as %25") as raised:
        load({"store": {"url": "postgresql://me:sec%ret@db.example/trackd"}})
    assert "sec" not in str(raised.value)


def test_a_space_is_a_fault_of_the_url() -> None:
    with pytest.raises(SettingsError, match="has a space or a line break: leave it out, or write it as %20") as raised:
        load({"store": {"url": "postgresql://me:sec ret@db.example/trackd"}})
    assert "sec" not in str(raised.value)


def test_a_password_may_have_other_characters() -> None:
    for password in ("s:e%2Fc*r+e*t", "p%40ss%25", "é€", "1?r=et#", "p[w]"):
        url = f"postgresql://me:{password}@db.example/trackd"
        assert load({"store": {"url": url}}).settings.store.url == url
