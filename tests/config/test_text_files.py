from pathlib import Path

import pytest

from trackd.config.load import load
from trackd.config.rules_file import read_rules
from trackd.config.text_files import read_text

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le with a mark", "utf-16-be with a mark"]


def encoded(text: str, encoding: str) -> bytes:
    name, _, mark = encoding.partition(" ")
    return f"\ufeff{text}".encode(name) if mark else text.encode(name)


@pytest.fixture(params=ENCODINGS)
def encoding(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_file_has_its_text_with_and_without_a_byte_order_mark_and_with_any_line_ends(
    tmp_path: Path, encoding: str
) -> None:
    (tmp_path / "file").write_bytes(encoded("Žofie\r\n🙂\rend\n", encoding))
    assert read_text(tmp_path / "file") == "Žofie\n🙂\nend\n"


def test_settings_and_rules_are_read_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "trackd.toml").write_bytes(encoded("[server]\r\nport = 1\r\n", encoding))
    (tmp_path / "rules.toml").write_bytes(encoded('[event."é"]\r\nschema_file = "é.json"\r\n', encoding))
    (tmp_path / "é.json").write_bytes(encoded('{"title": "é"}\r\n', encoding))

    assert load(file=tmp_path / "trackd.toml").settings.server.port == 1
    assert read_rules(tmp_path / "rules.toml").schemas == {"é": {"title": "é"}}


@pytest.mark.parametrize("content", [b"\xff", b"\xff\xfe\x00"])
def test_another_encoding_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UnicodeDecodeError):
        read_text(tmp_path / "file")
