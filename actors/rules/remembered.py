"""What was found out about profiles, and need not be found out again as long as they and the rules stay as they are.

Much of it is the same for many profiles, so it is kept once, under a number that is stored with each profile: it is
there again when a profile comes back into memory.
"""

import itertools
import secrets

from msgspec import Struct

from trackd.actors.rules.repetitions import Repeated
from trackd.actors.rules.rules import Segment

MAX_REMEMBERED = 16_384  # about 1 KB each at most
NUMBER_BITS = 62


class Remembered(Struct, frozen=True):
    """`looked_at`: segments that the profile is rightly in, or out of. `repetitions`: see there."""

    looked_at: frozenset[Segment] = frozenset()
    repetitions: Repeated = ()


class Memory:
    """Of one set of rules. Numbers of another one, of a server before or beside this one too, lead to nothing here."""

    def __init__(self) -> None:
        self._next = itertools.count(secrets.randbits(NUMBER_BITS))
        self._numbers: dict[Remembered, int] = {}
        self._remembered: dict[int, Remembered] = {}

    def remember(self, remembered: Remembered) -> int:
        """The number under which it is found, or what is equal."""
        number = self._numbers.get(remembered)
        if number is None:
            if len(self._numbers) == MAX_REMEMBERED:
                self._numbers.clear()
                self._remembered.clear()
            number = self._numbers[remembered] = next(self._next)
            self._remembered[number] = remembered
        return number

    def recall(self, number: int) -> Remembered | None:
        return self._remembered.get(number)
