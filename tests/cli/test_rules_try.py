"""`trackd rules try`: the report, and the files that it refuses."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.example_rules import RULES
from trackd.config.rules_file import DEFAULT_RULES

Result = subprocess.CompletedProcess[str]

STEP = '[[rule]]\nname = "a"\nevent = "b"\nsteps = [{ %s }]\n'
SEGMENT = '[[segment]]\nname = "%s"\nwhen = "%s"\n'
NO_PROFILE = "profile.json is not a profile of trackd: Expected "
PURCHASE = {"type": "purchase-order", "properties": {"total": 34.43}}


def test_try_prints_rules_that_ran_and_were_skipped_and_the_change_of_the_profile(
    trackd: Callable[..., Result], write: Callable[..., Path], tmp_path: Path
) -> None:
    write("rules.toml", RULES)
    write("event.json", PURCHASE)
    write("profile.json", {"id": "p-1", "pii": {"email": "a@b.example"}, "segments": ["old"]})
    files = set(tmp_path.iterdir())
    result = trackd("rules", "try", "rules.toml", "--event", "event.json", "--profile", "profile.json")
    assert (result.returncode, result.stderr) == (0, "")
    report, difference = result.stdout.split("--- profile before\n+++ profile after\n")
    assert report.splitlines() == [
        "event 1, purchase-order: applied",
        "  ran       purchase: traits.private.revenue",
        "  skipped   purchase: set traits.public.city: properties.city is missing",
        "  skipped   purchase: increment pii.email: a text cannot be incremented",
        "  not run   large purchase: the condition does not hold",
        "  left      old",
        "  entered   big-spenders",
    ]
    assert '+      "revenue": 34.43' in difference.splitlines()
    assert '-    "old"' in difference.splitlines()
    assert set(tmp_path.iterdir()) == files


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "debug-1"}, {"type": "purchase-order", "properties": {"total": "x"}}, PURCHASE],
        {
            "session": {"id": "any"},
            "events": [{"type": "debug-1"}, {"type": "purchase-order", "properties": {"total": "x"}}, PURCHASE],
        },
    ],
    ids=["list", "payload"],
)
def test_try_takes_several_events(trackd: Callable[..., Result], write: Callable[..., Path], content: Any) -> None:
    write("rules.toml", RULES)
    write("event.json", content)
    lines = trackd("rules", "try", "rules.toml", "--event", "event.json").stdout.splitlines()
    assert [line for line in lines if line.startswith(("event", "  invalid", "  entered"))] == [
        "event 1, debug-1: dropped, unwanted (debugging)",
        "event 2, purchase-order: stored as invalid, not applied",
        '  invalid   properties.total: "x" is not of type "number"',
        "event 3, purchase-order: applied",
        "  entered   big-spenders",
    ]


def test_try_prints_why_conditions_did_not_hold_and_why_steps_were_skipped(
    trackd: Callable[..., Result], write: Callable[..., Path]
) -> None:
    rules = "".join(
        f"""
        [[rule]]
        name = "{name}"
        event = "*"
        when = "{when}"
        steps = [{{ target = "traits.public.{name}", op = "append", from = "event.type" }}]
        """
        for name, when in {
            "met": "profile.stats.views == 0",
            "missing": "event.properties.absent == 1",
            "failing": "event.properties.n + 'a' == 'b'",
        }.items()
    )
    write("rules.toml", rules + SEGMENT % ("Odd one", "event.properties.n > 'a'"))
    event = {"type": "a", "id": "e-1", "properties": {"n": 1}}
    write("event.json", [event, event])
    report = trackd("rules", "try", "rules.toml", "--event", "event.json").stdout.partition("---")[0]
    expected = [
        "event 1, a: applied",
        "  ran       met: traits.public.met",
        "  not run   missing: a value is missing (",
        "  not run   failing: the condition failed: ",
        "  segment   odd-one failed: ",
        "event 2, a: duplicate of event e-1: seq 1, type a",
    ]
    lines = report.splitlines()
    assert [line[: len(start)] for line, start in zip(lines, expected, strict=True)] == expected


def test_try_takes_half_an_emoji_as_the_server_does(trackd: Callable[..., Result], write: Callable[..., Path]) -> None:
    write("event.json", {"type": "page-view", "properties": {"title": "Sale \ud83d"}})
    write("profile.json", {"id": "p-1", "traits": {"public": {"city": "Brno \ud83d"}}})
    result = trackd("rules", "try", DEFAULT_RULES, "--event", "event.json", "--profile", "profile.json")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[:2] == [
        "event 1, page-view: applied",
        "  note      A lone surrogate, such as half an emoji, is replaced with U+FFFD in `properties.title`.",
    ]


def test_try_completes_a_profile_in_which_values_are_missing(
    trackd: Callable[..., Result], write: Callable[..., Path]
) -> None:
    write("event.json", {"type": "page-view"})
    write("profile.json", {"id": "p-1", "stats": {"visits": 4}, "traits": {"public": {"city": "Brno"}}})
    result = trackd("rules", "try", DEFAULT_RULES, "--event", "event.json", "--profile", "profile.json")
    assert (result.returncode, result.stderr) == (0, "")
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert lines[:2] == ["event 1, page-view: applied", "entered   frequent-visitors"]
    changed = [line.replace(" ", "") for line in lines if line[0] in "+-"]
    assert '-"visits":4,' in changed
    assert '+"visits":5,' in changed
    assert '+"frequent-visitors"' in changed
    assert '+"page-view":1' in changed
    assert not [line for line in changed if "Brno" in line]


def test_try_keeps_to_the_limits_of_the_settings(trackd: Callable[..., Result], write: Callable[..., Path]) -> None:
    write("rules.toml", STEP.replace('"b"', '"*"') % 'target = "traits.public.a", op = "append", from = "event.type"')
    write("trackd.toml", "[limits]\nmax_list_items = 1\n")
    write("event.json", [{"type": "b"}, {"type": "c"}])
    lines = trackd("rules", "try", "rules.toml", "--event", "event.json").stdout.splitlines()
    assert "  ran       a: traits.public.a" in lines
    assert [line for line in lines if "limits.max_list_items" in line] == [
        "  skipped   a: append traits.public.a: the list would have more than 1 items (limits.max_list_items)"
    ]


def test_try_takes_the_source_its_consent_and_the_user_agent_as_options(
    trackd: Callable[..., Result], write: Callable[..., Path]
) -> None:
    write("rules.toml", '[[unwanted]]\nname = "bots"\nbots = true\nsource = ["shop"]\n')
    write("event.json", {"type": "a"})

    def outcome(*options: str) -> str:
        lines: list[str] = trackd("rules", "try", "rules.toml", "--event", "event.json", *options).stdout.splitlines()
        return lines[0]

    bot = ("--user-agent", "Googlebot/2.1 (+http://www.google.com/bot.html)")
    assert outcome("--source", "shop", *bot) == "event 1, a: dropped, unwanted (bots)"
    assert outcome("--source", "blog", *bot) == outcome("--source", "shop") == "event 1, a: applied"
    assert outcome("--consent") == "event 1, a: dropped, no consent"
    write("event.json", {"source": {"id": "shop"}, "events": [{"type": "a"}]})
    assert outcome(*bot) == "event 1, a: dropped, unwanted (bots)"


def test_try_reports_a_call_that_would_be_refused(trackd: Callable[..., Result], write: Callable[..., Path]) -> None:
    write("rules.toml", RULES + '[validation]\nrefuse = ["*"]\n')
    write("event.json", {"type": "purchase-order", "properties": {"total": "x"}})
    result = trackd("rules", "try", "rules.toml", "--event", "event.json")
    assert result.stdout.splitlines() == [
        "The call is refused with 422, and nothing of it is stored:",
        '  event 1: properties.total: "x" is not of type "number"',
    ]


def test_try_reports_a_call_that_takes_too_much_work(trackd: Callable[..., Result], write: Callable[..., Path]) -> None:
    write("rules.toml", RULES)
    write("event.json", [{"type": "purchase-order", "properties": {"total": 1}}] * 40)
    limit = {"TRACKD_LIMITS_MAX_CALL_WORK": "100000"}
    result = trackd("rules", "try", "rules.toml", "--event", "event.json", **limit)
    assert result.stdout.startswith(
        "The call is refused with 413, and nothing of it is stored: it takes more work than limits.max_call_work "
        "allows, at events."
    )


def test_try_shows_which_ids_are_placeholders(trackd: Callable[..., Result], write: Callable[..., Path]) -> None:
    write("rules.toml", "")
    write("event.json", {"profile": {"id": "undefined"}, "events": [{"type": "a", "id": "null"}]})
    result = trackd("rules", "try", "rules.toml", "--event", "event.json")
    assert result.stdout.splitlines()[:3] == [
        "note        The profile id is the placeholder 'undefined' (limits.blocked_ids): it counts as absent.",
        "event 1, a: applied",
        "  note      The event's own id is the placeholder 'null' (limits.blocked_ids): it counts as absent.",
    ]


@pytest.mark.parametrize(
    ("event", "profile", "message"),
    [
        (None, None, "event.json cannot be read (No such file or directory): name another file."),
        ("{", None, "event.json is not JSON: "),
        ({"typ": "x"}, None, "event.json: events.0.type: Field required."),
        ({"session": {"id": "0"}, "events": []}, None, "event.json: session.id: The session id is the placeholder '0'"),
        (7, None, "event.json: events: Input should be a valid array."),
        ("\ud800".encode("unicode_escape").decode(), None, "event.json is not JSON: "),
        (PURCHASE, "[", "profile.json is not JSON: "),
        (PURCHASE, [], f"{NO_PROFILE}`object`, got `array`."),
        (PURCHASE, {"stats": {"counters": []}}, f"{NO_PROFILE}`object`, got `array` - at `$.stats.counters`."),
        (PURCHASE, {"seq": True}, f"{NO_PROFILE}`int`, got `bool` - at `$.seq`."),
        (PURCHASE, {"seq": -5}, f"{NO_PROFILE}`int` >= 0 - at `$.seq`."),
        (PURCHASE, {"segments": [{}]}, f"{NO_PROFILE}`str`, got `object` - at `$.segments[0]`."),
        (PURCHASE, {"consents": {"general": True}}, f"{NO_PROFILE}`object`, got `bool` - at `$.consents[...]`."),
        (
            PURCHASE,
            {"stats": {"counters": {"page-view": "many"}}},
            f"{NO_PROFILE}`int | float`, got `str` - at `$.stats.",
        ),
        (PURCHASE, {"metadata": {"consents": [1]}}, f"{NO_PROFILE}`object`, got `int` - at `$.metadata.consents[0]`."),
        (PURCHASE, {"metadata": {"time": {"insert": "today"}}}, f"{NO_PROFILE}`str` matching regex "),
        (PURCHASE, '{"pii":' + '{"a":' * 300 + "1" + "}" * 301, "profile.json is nested too deep."),
    ],
)
def test_a_file_that_try_cannot_use_fails_with_a_sentence(
    trackd: Callable[..., Result],
    sentence: Callable[..., str],
    write: Callable[..., Path],
    event: Any,
    profile: Any,
    message: str,
) -> None:
    write("rules.toml", RULES)
    arguments = ["rules", "try", "rules.toml", "--event", "event.json"]
    if event is not None:
        write("event.json", event)
    if profile is not None:
        write("profile.json", profile)
        arguments += ["--profile", "profile.json"]
    assert sentence(trackd(*arguments), 1).startswith(message)
