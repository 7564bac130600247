"""What was found out about profiles, and need not be found out again as long as they and the rules stay as they are.

Much of it is the same for many profiles, so it is kept once, under a number that is stored with each profile. The
number follows from the content: a profile that comes back into memory, also of another server, need only be the first
of its kind to be looked at anew.
"""

import hashlib

from msgspec import Struct

from trackd.core.rules.repetitions import Repeated
from trackd.core.rules.rule import Segment

MAX_REMEMBERED = 16_384  # about 1 KB each at most
NUMBER_BYTES = 8


class Memo(Struct, frozen=True):
    """`looked_at`: segments that the profile is rightly in, or out of. `repetitions`: see there."""

    looked_at: frozenset[Segment] = frozenset()
    repetitions: Repeated = ()


class MemoTable:
    """Of one set of rules, which `fingerprint` stands for: numbers of other rules lead to nothing here."""

    def __init__(self, fingerprint: bytes = b"") -> None:
        self._fingerprint = fingerprint
        self._numbers: dict[Memo, int] = {}
        self._remembered: dict[int, Memo] = {}

    def remember(self, memo: Memo) -> int:
        """The number under which it is found, or what is equal."""
        number = self._numbers.get(memo)
        if number is None:
            if memo.repetitions:  # others are where this profile was before it repeated anything
                self.remember(Memo(memo.looked_at))
            if len(self._numbers) == MAX_REMEMBERED:
                self._numbers.clear()
                self._remembered.clear()
            number = self._numbers[memo] = self._number(memo)
            self._remembered[number] = memo
        return number

    def recall(self, number: int) -> Memo | None:
        return self._remembered.get(number)

    def _number(self, memo: Memo) -> int:
        """Of 63 bits, and never NO_MEMO."""
        content = repr((sorted(segment.id for segment in memo.looked_at), memo.repetitions))
        digest = hashlib.blake2b(content.encode(), key=self._fingerprint, digest_size=NUMBER_BYTES).digest()
        return int.from_bytes(digest) >> 1 or 1
