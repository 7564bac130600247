"""`trackd rules check`, and rules files that other commands refuse."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.example_rules import RULES

Result = subprocess.CompletedProcess[str]

STEP = '[[rule]]\nname = "a"\nevent = "b"\nsteps = [{ %s }]\n'
SEGMENT = '[[segment]]\nname = "%s"\nwhen = "%s"\n'


def test_check_of_a_sound_file_prints_the_number_of_its_entries(
    trackd: Callable[..., Result], write: Callable[..., Path]
) -> None:
    write("rules.toml", RULES)
    result = trackd("rules", "check", "rules.toml")
    assert result.stdout == "rules.toml is sound: rules 2, segments 1, schemas 1, unwanted 1.\n"
    assert (result.returncode, result.stderr) == (0, "")


def test_check_and_try_print_how_a_schema_of_an_unknown_draft_is_read(
    trackd: Callable[..., Result], write: Callable[..., Path]
) -> None:
    write("rules.toml", '[event.a]\nschema_file = "a.json"\n')
    write("a.json", {"$schema": "urn:own", "properties": {"b": {"$ref": "b.json"}}})
    write("b.json", {"items": [{"type": "integer"}], "$schema": "urn:own"})
    write("event.json", {"type": "a", "properties": {"b": ["x"]}})
    notes = 'Note: event "a": its $schema \'urn:own\' is not known: it is read as draft 2020-12.\nNote: event "a": in '
    checked, tried = (
        trackd("rules", "check", "rules.toml"),
        trackd("rules", "try", "rules.toml", "--event", "event.json"),
    )
    assert checked.stdout.startswith(notes)
    assert checked.stdout.endswith("rules.toml is sound: rules 0, segments 0, schemas 1, unwanted 0.\n")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert tried.stdout.startswith(notes)
    assert '  invalid   properties.b.0: "x" is not of type "integer"' in tried.stdout.splitlines()


def test_check_prints_which_conditions_take_so_much_work_that_calls_with_many_events_are_refused(
    trackd: Callable[..., Result], write: Callable[..., Path]
) -> None:
    usual = "event.properties.sku.matches('^[A-Z]{2}-[0-9]+$') && event.properties.price > 5.0"
    letters = r"profile.pii.name.matches('^\\\\pL+$')"
    write("rules.toml", SEGMENT % ("usual", usual) + SEGMENT % ("letters", letters))
    checked = trackd("rules", "check", "rules.toml").stdout.splitlines()
    assert len(checked) == 2
    assert checked[0].startswith('Note: segment "letters": when: its evaluation takes 3,0')
    assert " so that a call with more than 8" in checked[0]
    assert checked[0].endswith(r"is refused (limits.max_call_work); a pattern with `\pL` or the like takes very long.")


@pytest.mark.parametrize(
    ("text", "message"),
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
def test_check_prints_the_place_of_the_first_fault(
    trackd: Callable[..., Result], sentence: Callable[..., str], write: Callable[..., Path], text: str, message: str
) -> None:
    write("rules.toml", text)
    checked = sentence(trackd("rules", "check", "rules.toml"), 2)
    assert checked.startswith("rules.toml: ")
    assert message in checked


def test_serve_fails_on_a_fault_before_it_creates_a_database_however_the_file_is_named(
    trackd: Callable[..., Result], sentence: Callable[..., str], write: Callable[..., Path], tmp_path: Path
) -> None:
    write("rules.toml", RULES.replace("traits.public.city", "trait.city"))
    message = sentence(trackd("rules", "check", "rules.toml"), 2)
    assert sentence(trackd("serve", "--rules", "rules.toml"), 2) == message
    assert sentence(trackd("serve", TRACKD_RULES_PATH="rules.toml"), 2) == message
    write("trackd.toml", '[rules]\npath = "rules.toml"\n')
    assert sentence(trackd("serve"), 2) == message
    assert {path.name for path in tmp_path.iterdir()} == {"rules.toml", "trackd.toml"}


def test_a_file_that_does_not_exist_fails_with_a_sentence(
    trackd: Callable[..., Result], sentence: Callable[..., str]
) -> None:
    message = "none.toml: the rules file cannot be read: No such file or directory."
    assert sentence(trackd("rules", "check", "none.toml"), 2) == message
    assert sentence(trackd("serve", "--rules", "none.toml"), 2) == message


def test_try_ends_like_check_when_the_rules_have_a_fault(
    trackd: Callable[..., Result], sentence: Callable[..., str], write: Callable[..., Path]
) -> None:
    write("rules.toml", STEP % 'target = "pii", value = 1')
    message = sentence(trackd("rules", "try", "rules.toml", "--event", "none.json"), 2)
    assert message.startswith('rules.toml: rule "a", step 1: `pii` is no target')


def test_config_prints_the_rules_file_in_force_and_its_origin(
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
