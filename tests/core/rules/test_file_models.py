"""The shape of a rules file, and the sentence for each fault."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from trackd.config.errors import RulesError
from trackd.config.rules_file import DEFAULT_RULES, read_rules
from trackd.core.rules.file_models import RulesFile, StepEntry, parse_rules_file

STEP = '{ target = "pii.a", value = 1 }'
OPERATIONS = (
    "set",
    "set_if_absent",
    "unset",
    "increment",
    "decrement",
    "max",
    "min",
    "append",
    "append_unique",
    "remove",
)
WITHOUT_OPERAND = {"unset", "increment", "decrement"}

tables = st.recursive(
    st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "a", "set", "pii.a", "*"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "event", "steps", "target", "when", "types"]), inner, max_size=4)
    ),
    max_leaves=12,
)


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "some.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def parsed(path: Path) -> RulesFile:
    return parse_rules_file(read_rules(path).tables, str(path))


def rule(step: str = STEP, more: str = "") -> str:
    return f'[[rule]]\nname = "r"\nevent = "e"\n{more}\nsteps = [{step}]\n'


def fault(folder: Path, text: str | bytes) -> str:
    """The error that parsing ends with, without the name of the file."""
    path = written(folder, text)
    with pytest.raises(RulesError) as raised:
        parsed(path)
    sentence = str(raised.value)
    assert sentence.startswith(f"{path}: ")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence.removeprefix(f"{path}: ").removesuffix(".")


def test_the_default_file_can_be_read() -> None:
    file = parsed(DEFAULT_RULES)

    assert [entry.name for entry in file.rule][:2] == ["consents granted", "consents revoked"]
    assert [entry.name for entry in file.segment] == ["Frequent visitors", "Customers"]
    assert file.validation.refuse == []
    assert file.unwanted == []


def test_an_empty_file_has_no_rules(tmp_path: Path) -> None:
    assert parsed(written(tmp_path, "")) == RulesFile()


def test_keys_that_are_left_out_have_defaults(tmp_path: Path) -> None:
    [entry] = parsed(written(tmp_path, rule())).rule

    assert (entry.when, entry.valid_for_days) == (None, None)
    assert entry.steps == [StepEntry.model_validate({"target": "pii.a", "op": "set", "value": 1})]


def test_one_text_stands_for_a_list_of_one(tmp_path: Path) -> None:
    file = parsed(
        written(
            tmp_path,
            f'{rule()}\n[[unwanted]]\nname = "u"\ntypes = "a*"\nsource = "s"\n'
            '[event.e]\ntags = "t"\n[validation]\nrefuse = "*"\n',
        )
    )

    assert file.rule[0].event == ["e"]
    assert (file.unwanted[0].types, file.unwanted[0].source) == (["a*"], ["s"])
    assert file.event["e"].tags == ["t"]
    assert file.validation.refuse == ["*"]


def test_entries_cannot_be_changed() -> None:
    file = parsed(DEFAULT_RULES)

    with pytest.raises(ValidationError):
        file.rule[0].name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("op", OPERATIONS)
def test_an_operation_takes_a_value_or_a_source_and_not_both(tmp_path: Path, op: str) -> None:
    def fault_of(operand: str) -> str | None:
        text = rule(f'{{ target = "pii.a", op = "{op}"{operand} }}')
        try:
            parsed(written(tmp_path, text))
        except RulesError:
            return fault(tmp_path, text)
        return None

    missing = None if op in WITHOUT_OPERAND else f'rule "r", step 1: `{op}` needs a `value` or a `from`'
    assert fault_of("") == missing
    assert fault_of(', value = 1, from = "context.a"') == 'rule "r", step 1: a step takes `value` or `from`, not both'
    assert fault_of(', from = "context.a"') is None
    assert fault_of(", value = 1") == ('rule "r", step 1: `unset` takes no `value`' if op == "unset" else None)


@pytest.mark.parametrize("value", ["false", "0", '""', "[]", "{}"])
def test_a_falsy_value_is_a_value(tmp_path: Path, value: str) -> None:
    [entry] = parsed(written(tmp_path, rule(f'{{ target = "pii.a", value = {value} }}'))).rule

    assert entry.steps[0].value is not None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rules = []", "there is no key `rules` here"),
        ("rule = 5", "rule = 5 is not allowed: input should be a valid list"),
        (rule(more="name_ = 1"), 'rule "r": there is no key `name_` here'),
        (
            rule(f"{STEP}, {{ target = 'pii.b', source = 'context' }}"),
            'rule "r", step 2: there is no key `source` here',
        ),
        (rule("{ value = 1 }"), 'rule "r", step 1: the key `target` is missing'),
        (rule("{ target = 1, value = 1 }"), 'rule "r", step 1: target = 1 is not allowed'),
        (f"{rule()}[[rule]]\nevent = 'e'\nsteps = [{STEP}]", "rule number 2: the key `name` is missing"),
        (f"[[rule]]\nname = 7\nevent = 'e'\nsteps = [{STEP}]", "rule number 1: name = 7 is not allowed"),
        (f"[[rule]]\nname = ''\nevent = 'e'\nsteps = [{STEP}]", "rule \"\": name = '' is not allowed"),
        (f"[[rule]]\nname = 'r'\nevent = []\nsteps = [{STEP}]", 'rule "r": event = [] is not allowed'),
        (rule(more="valid_for_days = 36501"), 'rule "r": valid_for_days = 36501 is not allowed'),
        (rule(more="valid_for_days = true"), 'rule "r": valid_for_days = True is not allowed'),
        (rule(more="valid_for_days = 1.5"), 'rule "r": valid_for_days = 1.5 is not allowed'),
        (rule(more="when = ''"), "rule \"r\": when = '' is not allowed"),
        ("[[segment]]\nname = 's'", 'segment "s": the key `when` is missing'),
        ("[[segment]]\nname = 's'\nwhen = true", 'segment "s": when = True is not allowed'),
        ("[[unwanted]]\nname = 'u'\nbots = false", 'unwanted "u": it needs `types`, or `bots = true`'),
        ("[[unwanted]]\nbots = true", "unwanted number 1: the key `name` is missing"),
        ("[event.e]\nschemas = {}", 'event "e": there is no key `schemas` here'),
        ("[event.e]\nschema = 5", 'event "e": schema = 5 is not allowed'),
        ("[event.e]\nschema = {}\nschema_file = 'f'", "takes `schema` or `schema_file`, not both"),
        ("[validation]\nrefuse = 1", "validation: refuse = 1 is not allowed"),
    ],
)
def test_a_fault_is_reported_with_its_place(tmp_path: Path, text: str, sentence: str) -> None:
    assert sentence in fault(tmp_path, text)


def test_a_quoted_value_is_bounded(tmp_path: Path) -> None:
    assert len(fault(tmp_path, rule(more=f"when = '{'x' * 5000}'"))) < 250


@given(tables, tables, tables)
def test_any_content_is_rules_or_a_fault_with_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, rules: object, segments: object, unwanted: object
) -> None:
    content = {"rule": rules, "segment": segments, "unwanted": unwanted}
    text = "\n".join(f"{key} = {toml(value)}" for key, value in content.items())
    path = written(tmp_path_factory.getbasetemp(), text)

    try:
        parsed(path)
    except RulesError as error:
        sentence = str(error)
    else:
        return
    assert sentence.startswith(f"{path}: ")
    assert "\n" not in sentence


def toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
        case list():
            return f"[{', '.join(map(toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)
