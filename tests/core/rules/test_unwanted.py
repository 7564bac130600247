import pytest

from trackd.core.rules.unwanted import Unwanted

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


@pytest.mark.parametrize(
    ("event_type", "unwanted"),
    [("debug-1", True), ("debug-", True), ("test", True), ("tests", False), ("Test", False), ("a debug-1", False)],
)
def test_types_are_patterns_for_the_whole_type(event_type: str, unwanted: bool) -> None:
    assert Unwanted("u", ["debug-*", "t?st"], False, []).matches(event_type, "source", None) is unwanted


@pytest.mark.parametrize(
    ("user_agent", "unwanted"),
    [
        (CHROME, False),
        (GOOGLE, True),
        ("curl/8.0", True),
        ("", False),
        (None, False),
        ("x" * 60_000 + "Googlebot", False),
    ],
)
def test_bots_are_recognized_by_their_user_agent(user_agent: str | None, unwanted: bool) -> None:
    assert Unwanted("bots", [], True, []).matches("page-view", "source", user_agent) is unwanted


def test_a_star_means_any_source() -> None:
    assert Unwanted("u", ["a"], False, ["*"]).matches("a", "any", None)


def test_an_event_must_match_all_conditions() -> None:
    entry = Unwanted("u", ["page-*"], True, ["website"])
    assert entry.matches("page-view", "website", GOOGLE)
    assert not entry.matches("page-view", "website", CHROME)
    assert not entry.matches("page-view", "app", GOOGLE)
    assert not entry.matches("purchase", "website", GOOGLE)
