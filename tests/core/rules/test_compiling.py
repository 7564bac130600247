from pathlib import Path

import pytest

from tests.support.validating import faults
from trackd.config.errors import RulesError
from trackd.config.settings import Limits
from trackd.core.rules.ruleset import RuleSet
from trackd.http import rules_loading
from trackd.http.rules_loading import load_rules

STEP = '{ target = "traits.public.a", value = 1 }'


def rule(step: str = STEP, event: str = '"e"', more: str = "") -> str:
    return f'[[rule]]\nname = "r"\nevent = {event}\n{more}\nsteps = [{step}]\n'


def segment(when: str = '"true"', name: str = "s") -> str:
    return f'[[segment]]\nname = "{name}"\nwhen = {when}\n'


def loaded(tmp_path: Path, text: str) -> RuleSet:
    file = tmp_path / "rules.toml"
    file.write_text(text)
    return load_rules(str(file), Limits())


def test_the_default_rules_are_valid_and_have_the_event_types_of_the_source_page() -> None:
    rules = load_rules("", Limits())
    assert [one.name for one in rules.plan("consent-granted").rules] == ["consents granted"]
    assert rules.plan("consent-revoked").changes_consents
    assert rules.plan("purchase-order").tags == ("sales",)
    assert rules.segments.keys() == {"frequent-visitors", "customers"}
    assert not rules.refuses_invalid("any")


def test_a_schema_file_may_be_in_the_folder_of_the_rules(tmp_path: Path) -> None:
    (tmp_path / "order.json").write_text('{"required": ["total"]}')
    rules = loaded(tmp_path, '[event.order]\nschema_file = "order.json"\n')
    schema = rules.plan("order").schema
    assert schema is not None
    assert faults(schema, {})


def test_the_id_of_a_segment_is_its_name_in_lower_case_with_dashes(tmp_path: Path) -> None:
    rules = loaded(tmp_path, segment(name="  Größte KÄUFER_2026! "))
    assert rules.segments.keys() == {"größte-käufer-2026"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x = 1", "there is no key `x` here"),
        (rule(more="whn = 'true'"), 'rule "r": there is no key `whn` here'),
        (rule('{ target = "pii.a", valu = 1 }'), 'rule "r", step 1: there is no key `valu` here'),
        ("[validation]\nrefuse_all = true", "validation: there is no key `refuse_all` here"),
        ("[event.a]\ntag = []", 'event "a": there is no key `tag` here'),
        ("[[rule]]\nevent = 'e'\nsteps = []", "rule number 1: the key `name` is missing"),
        (rule(""), 'rule "r": steps = [] is not allowed'),
        (
            rule(f'{STEP}, {{ target = "pii.a", op = "add", value = 1 }}'),
            "rule \"r\", step 2: op = 'add' is not allowed",
        ),
        (rule('{ target = "pii.a" }'), 'rule "r", step 1: `set` needs a `value` or a `from`'),
        (rule('{ target = "pii.a", value = 1, from = "properties.a" }'), "`value` or `from`, not both"),
        (rule('{ target = "pii.a", op = "unset", value = 1 }'), "`unset` takes no `value`"),
        (rule('{ target = "pii.a", op = "unset", from = "properties" }'), "only with a target that ends in `.*`"),
        (rule('{ target = "pii", value = 1 }'), 'rule "r", step 1: `pii` is no target: it is one of traits.public.*'),
        (rule('{ target = "stats.views", value = 1 }'), "`stats.views` is no target"),
        (rule('{ target = "pii.a b", value = 1 }'), "`pii.a b` is no path"),
        (rule('{ target = "consents.a.b", value = true }'), "consents.* takes one key"),
        (rule('{ target = "stats.counters.a.b", value = 1 }'), "stats.counters.* takes one key"),
        (rule(f'{{ target = "pii.{".".join("abcdefghijklmnop")}", value = 1 }}'), "it has more than 16 keys"),
        (rule('{ target = "pii.*", value = 1 }'), "needs a `from` with an object"),
        (rule('{ target = "pii.a", from = "profile.seq" }'), "`profile.seq` is no source"),
        (rule('{ target = "pii.a", from = "propertis.a" }'), "`propertis.a` is no source"),
        (rule('{ target = "pii.a", value = 2026-01-01 }'), "write a date as text"),
        (rule('{ target = "pii.a", value = [{ x = nan }] }'), "no number of JSON"),
        (rule('{ target = "pii.a", value = -inf }'), "the value -inf is no number of JSON"),
        (rule('{ target = "pii.a", from = "properties.*" }'), "`properties.*` is no source"),
        (rule('{ target = "consents.a", op = "increment" }'), "`increment` is not for consents"),
        (rule('{ target = "consents.a", value = true }', event='["a", "*"]'), "names its event types"),
        (rule(more="valid_for_days = 3"), "valid_for_days is for rules that change consents"),
        (
            rule('{ target = "pii.a", op = "max", from = "properties.a" }', more='nulls = "unset"'),
            "with a step that sets",
        ),
        (rule(more='nulls = "null"'), "nulls = 'null' is not allowed: input should be 'ignore' or 'unset'"),
        (rule(more="valid_for_days = 0"), "valid_for_days = 0 is not allowed"),
        (rule() + rule(), 'rule "r": there are two of this name'),
        (segment(name="A b") + segment(name="a-B"), 'segment "a-b": there are two of this name'),
        (segment(name="!"), "its name needs a letter or a digit"),
        (segment(when='"evnt.type == 1"'), 'segment "s": when: 1:5: undeclared reference'),
        (segment(when='"1 + 1"'), "it gives int, not true or false"),
        (rule(more="when = '('"), 'rule "r": when: '),
        (rule(more=f"when = '{'true || ' * 600}true'"), "at most 4096 characters"),
        ("[event.'*']\nschema = {}", "are for one event type each"),
        ("[event.a]\nschema = { type = 'nmber' }", 'event "a": its schema is wrong'),
        ("[event.a]\nschema = { '$ref' = 'http://schemas.example/a' }", 'event "a": its schema is wrong'),
        ("[event.a]\nschema = {}\nschema_file = 'x'", "`schema` or `schema_file`, not both"),
        ("[event.a]\nschema_file = 'none.json'", "cannot be read: No such file or directory"),
        ("[event.a]\nschema_file = 'rules.toml'", "is not JSON"),
        ("[[unwanted]]\nname = 'u'", 'unwanted "u": it needs `types`, or `bots = true`'),
        ("[[unwanted]]\nname = 'u'\nbots = 1", "bots = 1 is not allowed"),
        ("[[rule]", "it is not valid TOML"),
        (f"x = {'9' * 5000}", "it is not valid TOML"),
        (rule('{ target = "pii.a\\n[x]\\nb", value = 1 }'), "`pii.a?[x]?b` is no path"),
        (rule(event='"page-*"'), "`page-*` is no event type"),
        (segment() + 'event = "page-*"\n', "`page-*` is no event type"),
        ("[event.'page-*']\ntags = ['a']", "are for one event type each"),
        (rule('{ target = "pii.a", op = "max", value = true }'), "`max` takes a number or a text"),
        (rule(f'{{ target = "pii.a", value = {{ {".".join("a" * 300)} = 1 }} }}'), "nested deeper than 64"),
        (rule(f'{{ target = "pii.a", value = {{ {".".join("a" * 3000)} = 1 }} }}'), "nested"),
        (f"a = {'[' * 5000}", "it is nested too deep"),
        ("rule = [5]", "rule number 1: rule = 5 is not allowed: it should be a table"),
        (rule(event='["a", ""]'), "rule \"r\": event = '' is not allowed"),
        ('[[rule]]\nname = "a\\nb"\nevent = "e"\nsteps = []', 'rule "a?b": '),
        ("[event.a]\nschema = { minimum = nan }", "nan is no number of JSON"),
        (rule(f'{{ target = "pii.a", value = [0x{"f" * 4000}] }}'), "has more than 4,300 digits"),
        (rule('{ target = "pii.a", op = "increment", value = "x" }'), "`increment` takes a number"),
        (rule('{ target = "pii.a", from = "properties.a", as = "money" }'), "as = 'money' is not allowed"),
        (rule('{ target = "pii.a", value = "1", as = "number" }'), "`as` converts what `from` takes"),
        (rule('{ target = "pii.a", op = "increment", as = "number" }'), "`as` converts what `from` takes"),
        (rule('{ target = "pii.*", op = "unset", from = "properties", as = "text" }'), "`unset` takes no `as`"),
        (
            rule('{ target = "pii.a", op = "increment", from = "properties.a", as = "text" }'),
            '`increment` takes `as = "nu',
        ),
        (rule('{ target = "pii.a", op = "max", from = "properties.a", as = "boolean" }'), "`max` takes a number or a"),
        (
            rule('{ target = "stats.counters.a", from = "properties.a", as = "text" }'),
            'a counter takes `as = "number"`',
        ),
        (rule('{ target = "consents.a", from = "properties.a", as = "text" }'), 'it takes `as = "boolean"`'),
        (rule('{ target = "consents.a", value = "yes" }'), "a consent is true or false"),
        (rule('{ target = "stats.counters.a", value = "x" }'), "a counter is a number"),
    ],
)
def test_a_fault_is_reported_with_the_file_and_the_place(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(RulesError) as raised:
        loaded(tmp_path, text)
    sentence = str(raised.value)
    assert sentence.startswith(f"{tmp_path}/rules.toml: ")
    assert fault in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_bytes(b"\xef\xbb\xbf" + rule().encode())
    rules = load_rules(str(tmp_path / "rules.toml"), Limits())
    assert [one.name for one in rules.plan("e").rules] == ["r"]


@pytest.mark.parametrize("content", ["null", "[" * 100_000, '{"minimum": NaN}'])
def test_a_schema_file_without_a_schema_is_reported(tmp_path: Path, content: str) -> None:
    (tmp_path / "schema.json").write_text(content)
    with pytest.raises(RulesError, match='event "a": its schema'):
        loaded(tmp_path, "[event.a]\nschema_file = 'schema.json'")


@pytest.mark.parametrize("content", [b"\xff", None])
def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "rules.toml"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    with pytest.raises(RulesError, match=r"rules\.toml: .*\.$"):
        load_rules(str(file), Limits())


def test_rules_of_one_type_and_of_any_run_in_the_order_of_the_file(tmp_path: Path) -> None:
    kinds = {"1": '"a"', "2": '"*"', "3": '["b", "a"]', "4": '"*"'}
    rules = loaded(tmp_path, "".join(rule(event=event).replace('"r"', f'"{name}"') for name, event in kinds.items()))

    def order(event_type: str) -> str:
        return "".join(one.name for one in rules.plan(event_type).rules)

    assert [order(event_type) for event_type in ("a", "b", "c")] == ["1234", "234", "24"]


def test_the_fingerprint_depends_on_the_rules_the_schemas_the_limits_and_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = tmp_path / "order.json"
    text = rule() + '[event.order]\nschema_file = "order.json"\n'

    schema.write_text("{}")
    before = loaded(tmp_path, text).fingerprint
    assert loaded(tmp_path, "# the same\n" + text).fingerprint == before
    assert loaded(tmp_path, text + segment()).fingerprint != before
    assert load_rules(str(tmp_path / "rules.toml"), Limits(max_call_work=1_000_000)).fingerprint != before
    schema.write_text('{"required": ["total"]}')
    assert loaded(tmp_path, text).fingerprint != before

    schema.write_text("{}")
    assert loaded(tmp_path, text).fingerprint == before
    monkeypatch.setattr(rules_loading, "__version__", "another")
    assert loaded(tmp_path, text).fingerprint != before
