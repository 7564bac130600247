"""The URL of a store as it is shown."""

import pytest

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
        ("postgresql://me:secret@[db.example", "postgresql://***"),
        ("no URL", "no URL"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert masked(url) == shown
