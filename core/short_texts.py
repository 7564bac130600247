"""Documents as short texts, for a line of a terminal or of a table."""

import msgspec
from msgspec import Raw, Struct

MAX_TEXT = 200  # characters


class _Page(Struct, frozen=True):
    url: Raw = Raw(b"null")


class _Context(Struct, frozen=True):
    page: _Page = _Page()


_context = msgspec.json.Decoder(_Context).decode
_members = msgspec.json.Decoder(dict[str, Raw]).decode
_text = msgspec.json.Decoder(str).decode


def contents(event_properties: bytes, context: bytes) -> str:
    """What is in an event: its page and its properties, such as `page=https://shop.example/ price=12`, shortened."""
    found = properties(event_properties)
    page = _page(context)
    return shortened(f"page={_value(page)} {found}".rstrip(), MAX_TEXT) if page else found


def properties(document: bytes) -> str:
    """The members of a JSON object, such as `price=12 name="Red shoes"`, shortened."""
    try:
        members = _members(document)
    except (msgspec.DecodeError, RecursionError):  # of another tool
        return shortened(document.decode(errors="replace"), MAX_TEXT)
    return shortened(" ".join(f"{name}={_value(bytes(value))}" for name, value in members.items()), MAX_TEXT)


def _page(context: bytes) -> bytes:
    """The address of the page that an event happened on, as JSON; empty when it is not known."""
    try:
        address = bytes(_context(context).page.url)
    except (msgspec.DecodeError, RecursionError):
        return b""
    return address if address.startswith(b'"') and len(address) > len(b'""') else b""


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
