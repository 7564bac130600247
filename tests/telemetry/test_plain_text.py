import json

import pytest

from trackd.telemetry.plain_text import plain, plain_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("Žofie's shop [/b] {x} %s \\n", "Žofie's shop [/b] {x} %s \\n"),
        ("two\nlines\r\n\tand a tab", r"two\nlines\r\n\tand a tab"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07", r"\x1b[31mred\x1b[0m \x1b]0;title\x07"),
        ("C1 \x9b31m and \x85", r"C1 \x9b31m and \x85"),
        ("\u202edetrevni\u202c \u2066isolated\u2069 \u200f", r"\u202edetrevni\u202c \u2066isolated\u2069 \u200f"),
        ("invisible \u200b\ufeff\U000e0041", r"invisible \u200b\ufeff\U000e0041"),
        ("separators \u2028\u2029", r"separators \u2028\u2029"),
        ("a shell's byte \udcff", r"a shell's byte \udcff"),
        ("NUL \0 and DEL \x7f", r"NUL \x00 and DEL \x7f"),
        ("田中\u3000花子\u00a0🙂", "田中\u3000花子\u00a0🙂"),  # other blanks, and characters newer than this Python
        ("\U000110bd \U0001fae9", "\\U000110bd \U0001fae9"),
    ],
)
def test_what_a_terminal_would_act_on_is_escaped_and_all_other_text_stays(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_any_value_is_shown_as_its_text() -> None:
    assert (plain(5), plain(None), plain(ValueError("a\nb"))) == ("5", "None", r"a\nb")


def test_json_stays_the_same_json() -> None:
    value = {"a\x9b": ["\u202e", "\U000e0041", "é🙂\\n", "\n", 1.10, 12345678901234567890]}
    text = json.dumps(value, indent=2, ensure_ascii=False)
    shown = plain_json(text)
    assert json.loads(shown) == value
    assert shown.count("\n") == text.count("\n")
    assert shown.replace("\n", "").isprintable()
    assert "é🙂" in shown
