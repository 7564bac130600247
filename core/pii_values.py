"""The personal data of a profile as texts, for the search by an e-mail address and the like. Pure.

Case, blanks around a text and the ways in which Unicode writes one letter make no difference. A number is found as a
number: 5 and 5.0 are one value.
"""

import json
import math
import unicodedata
from contextlib import suppress
from typing import Any

from trackd.core.documents import JsonObject, PiiValues
from trackd.core.encoding import reencode, refuse_constant
from trackd.core.json_values import is_number
from trackd.core.rules.draft import Draft

MAX_CHARACTERS = 1_000  # longer values are not found
MAX_PATH = 250  # characters of its keys: values with a longer path are not found
MAX_VALUES = 250  # of a profile that are found: a call may write all of them


def pii_values(pii: JsonObject) -> PiiValues:
    """The path, as `pii_name` writes it, and the text of each single value, also within objects and lists.

    The items of a list have the path of the list. A profile with many values has those that come first.
    """
    found: dict[tuple[tuple[str, ...], str], None] = {}
    _collect((), 0, pii, found)
    return tuple((pii_name(path), text) for path, text in found)


def changed_pii_values(draft: Draft) -> PiiValues | None:
    """The values of a profile if the call has changed them."""
    return pii_values(draft.doc["pii"]) if "pii" in draft.changed_at else None


def pii_name(path: tuple[str, ...]) -> str:
    """A path as one text."""
    return reencode(path)


def folded(text: str) -> str:
    """A text in the form in which texts that differ only in case are equal."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold()).strip()


def value_text(value: Any) -> str | None:
    """The text of a single value, None for others, for a null, and for a text that is too long."""
    if isinstance(value, str):
        # Before it is folded: that takes the square of the length of some texts.
        return folded(value) if len(value.strip()) <= MAX_CHARACTERS else None
    if isinstance(value, bool):
        return reencode(value)
    if isinstance(value, int):  # before math.isfinite, which raises OverflowError beyond 1.8e308
        return str(value)
    if not is_number(value) or not math.isfinite(value):
        return None
    return str(int(value)) if value.is_integer() else repr(value)


def searched_values(text: str) -> list[str]:
    """The texts of the values that a search for a text finds: the text itself, and a number or a text that is JSON.

    A text that is too long finds nothing.
    """
    if len(text.strip()) > MAX_CHARACTERS:
        return []
    found = [folded(text)]
    with suppress(ValueError, RecursionError, OverflowError):
        value = value_text(json.loads(text, parse_constant=refuse_constant))
        if value is not None:
            found.append(value)
    return found


def _collect(
    path: tuple[str, ...], path_characters: int, value: Any, found: dict[tuple[tuple[str, ...], str], None]
) -> None:
    """Add the path and the text of each single value, until there are MAX_VALUES."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if len(found) >= MAX_VALUES:
                return
            if path_characters + len(key) <= MAX_PATH:
                _collect((*path, key), path_characters + len(key), inner, found)
    elif isinstance(value, list):
        for item in value:
            if len(found) >= MAX_VALUES:
                return
            _collect(path, path_characters, item, found)
    elif (text := value_text(value)) is not None and len(text) <= MAX_CHARACTERS:
        found[path, text] = None
