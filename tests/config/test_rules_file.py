"""Reading the rules file and its schema files."""

from pathlib import Path

import pytest

from trackd.config.errors import RulesError
from trackd.config.rules_file import read_rules, read_toml


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "some.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("text", ["[[rule]", "a = ", "a = 1\na = 2", b"name = '\xff'", "a = " + "9" * 5000])
def test_a_file_that_is_not_toml_is_reported(tmp_path: Path, text: str | bytes) -> None:
    path = written(tmp_path, text)

    with pytest.raises(RulesError) as raised:
        read_toml(path)

    sentence = str(raised.value)
    assert sentence.startswith(f"{path}: it is not valid TOML: ")
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r"none\.toml: the rules file cannot be read: No such file or directory\.$"):
        read_toml(tmp_path / "none.toml")


def test_a_folder_is_no_rules_file(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r": it is no file\.$"):
        read_toml(tmp_path)


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    assert read_toml(written(tmp_path, b"\xef\xbb\xbfrule = []")) == {"rule": []}


def test_schema_files_are_read_from_the_folder_of_the_rules_file(tmp_path: Path) -> None:
    (tmp_path / "order.json").write_text('{"required": ["total"]}')

    content = read_rules(written(tmp_path, "[event.order]\nschema_file = 'order.json'\n[event.other]\nschema = {}"))

    assert content.schemas == {"order": {"required": ["total"]}}
    assert content.tables["event"] == {"order": {"schema_file": "order.json"}, "other": {"schema": {}}}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"\xff", "is not JSON: 'utf-8' codec"),
        (b'{"minimum": NaN}', "is not JSON: NaN is not a JSON number"),
        (b"[" * 100_000, "is not JSON: maximum recursion depth exceeded"),
    ],
)
def test_a_schema_file_that_cannot_be_read_is_reported(tmp_path: Path, content: bytes | None, fault: str) -> None:
    path, schema = written(tmp_path, "[event.a]\nschema_file = 'schema.json'"), tmp_path / "schema.json"
    if content is not None:
        schema.write_bytes(content)

    with pytest.raises(RulesError) as raised:
        read_rules(path)

    assert str(raised.value).startswith(f'{path}: event "a": its schema {schema} {fault}')


@pytest.mark.parametrize(
    "text", ["event = 1", "event = { a = 1 }", "[event.a]\nschema_file = ''", "[event.a]\ntags = 1"]
)
def test_entries_of_another_shape_are_left_to_the_models(tmp_path: Path, text: str) -> None:
    assert read_rules(written(tmp_path, text)).schemas == {}
