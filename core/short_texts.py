"""Documents as short texts, for a line of a terminal or of a table."""

import msgspec
from msgspec import Raw

MAX_TEXT = 200  # characters

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_text = msgspec.json.Decoder(str).decode


def properties(document: bytes) -> str:
    """The members of a JSON object, such as `price=12 name="Red shoes"`, shortened."""
    try:
        members = _members(document)
    except (msgspec.DecodeError, RecursionError):  # of another tool
        return shortened(document.decode(errors="replace"), MAX_TEXT)
    return shortened(" ".join(f"{name}={_value(bytes(value))}" for name, value in members.items()), MAX_TEXT)


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _value(encoded: bytes) -> str:
    """A text is shown without quotes where it is one word."""
    if encoded.startswith(b'"'):
        text = _text(encoded)
        if text and not any(character.isspace() or character in "\"'=" for character in text):
            return text
        return msgspec.json.encode(text).decode()
    return encoded.decode(errors="replace")
