"""The personal data of a profile as texts, for the search by an e-mail address and the like. Pure.

Case, blanks around a text and the ways in which Unicode writes one letter make no difference. A number is found as a
number: 5 and 5.0 are one value.
"""

import json
import math
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from trackd.core.documents import JsonObject, PiiValues
from trackd.core.encoding import reencode, refuse_constant
from trackd.core.json_values import is_number
from trackd.core.rules.draft import Draft

PII = frozenset({"pii"})
MAX_CHARACTERS = 1_000  # longer values are not found


def pii_values(pii: JsonObject) -> PiiValues:
    """The path, as `pii_name` writes it, and the text of each single value, also within objects and lists.

    The items of a list have the path of the list.
    """
    return tuple(dict.fromkeys(_values((), pii)))


def changed_pii_values(draft: Draft) -> PiiValues | None:
    """The values of a profile if the call has changed them."""
    return pii_values(draft.doc["pii"]) if draft.changed_since(0, PII) else None


def pii_name(path: tuple[str, ...]) -> str:
    """A path as one text."""
    return reencode(path)


def folded(text: str) -> str:
    """A text in the form in which texts that differ only in case are equal."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold()).strip()


def value_text(value: Any) -> str | None:
    """The text of a single value, None for others and for a null."""
    if isinstance(value, str):
        return folded(value)
    if isinstance(value, bool):
        return reencode(value)
    if isinstance(value, int):  # before math.isfinite, which raises OverflowError beyond 1.8e308
        return str(value)
    if not is_number(value) or not math.isfinite(value):
        return None
    return str(int(value)) if value.is_integer() else repr(value)


def searched_values(text: str) -> list[str]:
    """The texts of the values that a search for a text finds: the text itself, and a number or a text that is JSON."""
    found = [folded(text)]
    with suppress(ValueError, RecursionError, OverflowError):
        value = value_text(json.loads(text, parse_constant=refuse_constant))
        if value is not None:
            found.append(value)
    return found


def _values(path: tuple[str, ...], value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _values((*path, key), inner)
    elif isinstance(value, list):
        for item in value:
            yield from _values(path, item)
    elif (text := value_text(value)) is not None and len(text) <= MAX_CHARACTERS:
        yield pii_name(path), text
