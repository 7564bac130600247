"""`trackd rules`, and what the other commands say of rules."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trackd.config.rules_file import DEFAULT_RULES

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
STEP = '[[rule]]\nname = "a"\nevent = "b"\nsteps = [{ %s }]\n'
SEGMENT = '[[segment]]\nname = "%s"\nwhen = "%s"\n'
NO_PROFILE = "profile.json is not a profile of trackd: Expected "
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
        ("[[rules]]\n", "there is no key `rules` here."),
        ('[[rule]]\nname = "a"\nevent = "b"\n', 'rule "a": the key `steps` is missing.'),
        (STEP % 'target = "pii.a", value = 1, form = "x"', 'rule "a", step 1: there is no key `form` here.'),
        (STEP % 'target = "pii.a", op = "add", value = 1', "rule \"a\", step 1: op = 'add' is not allowed"),
        (STEP % 'target = "pii.a"', 'rule "a", step 1: `set` needs a `value` or a `from`.'),
        (STEP % 'target = "pii.a", value = 1, from = "properties.b"', 'rule "a", step 1: a step takes `value` or'),
        (STEP % 'target = "pii.a", from = "profil.id"', 'rule "a", step 1: `profil.id` is no source'),
        (STEP % 'target = "pii.a b", value = 1', 'rule "a", step 1: `pii.a b` is no path'),
        (STEP % 'target = "pii.a", op = "increment", value = "b"', 'rule "a", step 1: `increment` takes a number.'),
        (STEP % 'target = "pii.a", value = 2024-05-06', 'rule "a", step 1: the value 2024-05-06 is not JSON'),
        (SEGMENT % ("A b", "true") + SEGMENT % ("a-B", "true"), "there are two of this name."),
        (SEGMENT % ("a", "profile.stats.views > 'b'"), 'segment "a": when: 1:21: found no matching overload'),
        (SEGMENT % ("a", "profile.stats.views"), 'segment "a": when: it gives int, not true or false.'),
        (SEGMENT % ("a", "(" * 99 + "true" + ")" * 99), 'segment "a": when: Expression recursion limit exceeded'),
        ('[event.a]\nschema_file = "b.json"\n', 'event "a": its schema b.json cannot be read: No such file'),
        ('[[unwanted]]\nname = "a"\n', 'unwanted "a": it needs `types`, or `bots = true`.'),
        ("[validation]\nrefuse = 7\n", "validation: refuse = 7 is not allowed"),
    ],
)
def test_check_says_where_the_fault_is(
    trackd: Callable[..., Result], sentence: Callable[..., str], write: Callable[..., Path], text: str, said: str
) -> None:
    write("rules.toml", text)
    checked = sentence(trackd("rules", "check", "rules.toml"), 2)
    assert checked.startswith("rules.toml: ")
    assert said in checked


def test_a_fault_ends_serve_before_it_makes_a_database_whoever_names_the_file(
    trackd: Callable[..., Result], sentence: Callable[..., str], write: Callable[..., Path], tmp_path: Path
) -> None:
    write("rules.toml", RULES.replace("traits.public.city", "trait.city"))
    said = sentence(trackd("rules", "check", "rules.toml"), 2)
    assert sentence(trackd("serve", "--rules", "rules.toml"), 2) == said
    assert sentence(trackd("serve", TRACKD_RULES_PATH="rules.toml"), 2) == said
    write("trackd.toml", '[rules]\npath = "rules.toml"\n')
    assert sentence(trackd("serve"), 2) == said
    assert {path.name for path in tmp_path.iterdir()} == {"rules.toml", "trackd.toml"}


def test_a_file_that_is_not_there_ends_with_a_sentence(
    trackd: Callable[..., Result], sentence: Callable[..., str]
) -> None:
    said = "none.toml: the rules file cannot be read: No such file or directory."
    assert sentence(trackd("rules", "check", "none.toml"), 2) == said
    assert sentence(trackd("serve", "--rules", "none.toml"), 2) == said


def test_try_ends_like_check_when_the_rules_have_a_fault(
    trackd: Callable[..., Result], sentence: Callable[..., str], write: Callable[..., Path]
) -> None:
    write("rules.toml", STEP % 'target = "pii", value = 1')
    said = sentence(trackd("rules", "try", "rules.toml", "--event", "none.json"), 2)
    assert said.startswith('rules.toml: rule "a", step 1: `pii` is no target')


def test_config_says_which_rules_are_in_force_and_who_says_so(
    trackd: Callable[..., Result], write: Callable[..., Path]
) -> None:
    def shown(*arguments: str, **environment: str) -> list[str]:
        lines = trackd("config", *arguments, **environment).stdout.splitlines()
        return next(line.split() for line in lines if line.startswith("rules.path"))

    assert shown() == ["rules.path", "''", "default"]
    write("trackd.toml", '[rules]\npath = "c.toml"\n')
    assert shown() == ["rules.path", "c.toml", "file", "trackd.toml"]
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


def test_try_says_why_conditions_did_not_hold_and_what_else_was_left_out(
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
        "event 2, a: duplicate",
    ]
    lines = report.splitlines()
    assert [line[: len(start)] for line, start in zip(lines, expected, strict=True)] == expected


def test_try_completes_a_profile_that_leaves_things_out(
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


def test_try_may_be_told_the_source_its_consent_and_the_user_agent(
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


def test_try_says_when_a_call_would_be_refused(trackd: Callable[..., Result], write: Callable[..., Path]) -> None:
    write("rules.toml", RULES + '[validation]\nrefuse = ["*"]\n')
    write("event.json", {"type": "purchase-order", "properties": {"total": "x"}})
    result = trackd("rules", "try", "rules.toml", "--event", "event.json")
    assert result.stdout.splitlines() == [
        "The call is refused with 422, and nothing of it is stored:",
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
