"""Placeholders such as `undefined`, which scripts send for an id that they do not have (`limits.blocked_ids`)."""

import re
import string
from collections.abc import Iterable

SPACES = (
    string.whitespace
    + "\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000"
    + "".join(map(chr, range(0x2000, 0x200B)))
)
INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"  # soft hyphen, zero-width space and the like
QUOTES = "\"'`\u00b4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a"
DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
STRIPPED = SPACES + INVISIBLE + QUOTES
AROUND = frozenset(STRIPPED)
NOTHING = AROUND.union(DASHES, "0{}")  # .NET writes the nil UUID in braces
BEGIN_NOTHING = NOTHING | {""}
DECIMAL = re.compile(r"(-?[0-9]+)\.0+")  # programs that have all numbers as decimals send 0 as `0.0`


def _folded(text: str) -> str:
    folded = text.strip(STRIPPED).casefold()
    decimal = DECIMAL.fullmatch(folded)
    return decimal[1] if decimal else folded


class BlockedIds:
    """The ids that are blocked, whatever their case and the blanks and quotes around them; `0.0` is `0`.

    `words` are separated by commas. `0` stands for all ids of nothing but zeroes, dashes and blanks, the nil UUID among
    them.
    """

    def __init__(self, words: str = "") -> None:
        self._words = frozenset(filter(None, map(_folded, words.split(","))))
        self._longest = max(map(len, self._words), default=0)

    def __contains__(self, text: str) -> bool:
        folded = _folded(text)
        return folded in self._words or (folded[:1] in BEGIN_NOTHING and "0" in self._words and set(folded) <= NOTHING)

    def has_unusual(self, ids: Iterable[str]) -> bool:
        """Whether one of the ids, none of which is empty, is blocked or has blanks around it. Fast for usual ids."""
        longest, words = self._longest, self._words
        for text in ids:
            if text[0] in AROUND or text[-1] in NOTHING:
                if text[0].isspace() or text[-1].isspace() or text in self:
                    return True
            elif len(text) <= longest and text.casefold() in words:
                return True
        return False


NO_BLOCKED_IDS = BlockedIds()


def blocked_note(what: str, text: str) -> str:
    """The note on an id that is taken as absent; `what` it is the id of."""
    why = f"the placeholder {text!r} (limits.blocked_ids)" if text else "empty"
    return f"{what} is {why}: it counts as absent."
