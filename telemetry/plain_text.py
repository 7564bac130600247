"""Text from outside as plain text, for terminals and logs: one line, without anything that a terminal would act on."""

import json
import unicodedata

# Control characters with line breaks and escapes (C0, C1), invisible ones such as those that turn the direction of
# text, lone surrogates, and the two separators of lines.
ESCAPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def plain(text: object) -> str:
    r"""The text with an escape, such as `\n`, `\x1b` or `\u202e`, in place of each such character."""
    text = str(text)
    if text.isprintable():
        return text
    return "".join(_escaped(character) if _is_escaped(character) else character for character in text)


def plain_json(text: str) -> str:
    """JSON with its own escapes in place of such characters within texts. It is the same JSON, in as many lines."""
    if text.isprintable():
        return text
    return "".join(
        json.dumps(character)[1:-1] if character != "\n" and _is_escaped(character) else character for character in text
    )


def _is_escaped(character: str) -> bool:
    return not character.isprintable() and unicodedata.category(character) in ESCAPED_CATEGORIES


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
