import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Result = Any

RULES = """
[[rule]]
name = "purchase"
event = "purchase-order"
steps = [
    { target = "traits.private.revenue", op = "increment", from = "properties.total" },
    { target = "traits.public.city", from = "properties.city" },
    { target = "pii.email", op = "increment" },
]
[[rule]]
name = "large purchase"
event = "purchase-order"
when = "event.properties.total >= 1000.0"
steps = [{ target = "traits.public.large", value = true }]
[[segment]]
name = "Big spenders"
when = "profile.traits.private.revenue > 30"
[event.purchase-order]
schema = { type = "object", properties.total.type = "number" }
[[unwanted]]
name = "debugging"
types = ["debug-*"]
"""
PURCHASE = {"type": "purchase-order", "properties": {"total": 34.43}}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file into the folder of the command: TOML as text, JSON as a value."""

    def make(name: str, content: Any) -> Path:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return make


def test_a_sound_file_is_said_to_be_sound(trackd: Callable[..., Result], write: Callable[..., Path]) -> None:
    write("rules.toml", RULES)
    result = trackd("rules", "check", "rules.toml")
    assert result.stdout == "rules.toml is sound: rules 2, segments 1, schemas 1, unwanted 1.\n"
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rule = 1", "rule = 1 is not allowed"),
        ("[[rule]\n", "it is not valid TOML"),
        (RULES.replace("purchase-order", "*", 1).replace("traits.private.revenue", "consents.x"), "consents"),
        (
            RULES.replace("event.properties.total >=", "event.property.total >="),
            'rule "large purchase": when: 1:15: undeclared',
        ),
        (RULES.replace("traits.public.city", "trait.city"), 'rule "purchase", step 2: `trait.city` is no target'),
        (RULES.replace('name = "large purchase"', 'name = "purchase"'), 'rule "purchase": there are two of this name'),
        (RULES.replace('"number"', '"nmber"'), 'event "purchase-order": its schema is wrong: "nmber"'),
    ],
    ids=["shape", "TOML", "consents", "expression", "path", "name", "schema"],
)
def test_a_fault_ends_check_and_serve_with_a_sentence(
    trackd: Callable[..., Result],
    sentence: Callable[..., str],
    write: Callable[..., Path],
    tmp_path: Path,
    text: str,
    said: str,
) -> None:
    write("rules.toml", text)
    checked = trackd("rules", "check", "rules.toml")
    assert said in sentence(checked, 2)
    assert sentence(checked, 2).startswith("rules.toml: ")
    write("trackd.toml", '[rules]\npath = "rules.toml"\n')
    assert sentence(trackd("serve"), 2) == sentence(checked, 2)
    assert sentence(trackd("serve", TRACKD_RULES_PATH="rules.toml"), 2) == sentence(checked, 2)
    assert sentence(trackd("serve", "--rules", "rules.toml"), 2) == sentence(checked, 2)
    assert not list(tmp_path.glob("trackd.db*"))


def test_a_file_that_is_not_there_ends_with_a_sentence(
    trackd: Callable[..., Result], sentence: Callable[..., str]
) -> None:
    said = "none.toml: the rules file cannot be read: No such file or directory."
    assert sentence(trackd("rules", "check", "none.toml"), 2) == said
    assert sentence(trackd("serve", "--rules", "none.toml"), 2) == said


def test_config_says_which_rules_are_in_force_and_who_says_so(trackd: Callable[..., Result]) -> None:
    def shown(*arguments: str, **environment: str) -> list[str]:
        lines = trackd("config", *arguments, **environment).stdout.splitlines()
        return next(line.split() for line in lines if line.startswith("rules.path"))

    assert shown() == ["rules.path", "''", "default"]
    assert shown(TRACKD_RULES_PATH="a.toml") == ["rules.path", "a.toml", "environment"]
    assert shown("--rules", "b.toml", TRACKD_RULES_PATH="a.toml") == ["rules.path", "b.toml", "flag"]


def test_try_says_what_ran_what_was_skipped_and_how_the_profile_changed(
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


def test_try_says_when_a_call_would_be_refused(trackd: Callable[..., Result], write: Callable[..., Path]) -> None:
    write("rules.toml", RULES + '[validation]\nrefuse = ["*"]\n')
    write("event.json", {"type": "purchase-order", "properties": {"total": "x"}})
    result = trackd("rules", "try", "rules.toml", "--event", "event.json")
    assert result.stdout.splitlines() == [
        "The call is refused with 422, and nothing of it is kept:",
        '  event 1: properties.total: "x" is not of type "number"',
    ]


@pytest.mark.parametrize(
    ("event", "profile", "said"),
    [
        (None, None, "event.json cannot be read: No such file or directory."),
        ("{", None, "event.json is not JSON: "),
        ({"typ": "x"}, None, "event.json: events.0.type: Field required."),
        (7, None, "event.json: events: Input should be a valid array."),
        ("\ud800".encode("unicode_escape").decode(), None, "event.json is not JSON: "),
        (PURCHASE, "[", "profile.json is not JSON: "),
        (PURCHASE, [], "profile.json: it should be an object, as in a profile of trackd."),
        (PURCHASE, {"stats": {"counters": []}}, "profile.json: stats.counters should be an object, as in a profile"),
        (PURCHASE, {"seq": True}, "profile.json: seq should be a whole number, as in a profile of trackd."),
    ],
)
def test_what_try_cannot_use_ends_it_with_a_sentence(
    trackd: Callable[..., Result],
    sentence: Callable[..., str],
    write: Callable[..., Path],
    event: Any,
    profile: Any,
    said: str,
) -> None:
    write("rules.toml", RULES)
    arguments = ["rules", "try", "rules.toml", "--event", "event.json"]
    if event is not None:
        write("event.json", event)
    if profile is not None:
        write("profile.json", profile)
        arguments += ["--profile", "profile.json"]
    assert sentence(trackd(*arguments), 1).startswith(said)
