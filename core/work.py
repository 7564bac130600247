"""The work that one call causes, counted in units and bounded by `limits.max_call_work`. Pure.

A unit is about a nanosecond on a small server, but no clock is read: the count follows from the call, from the stored
profile and session and from the rules alone. So the same call gets the same answer each time, on every server, also
after a restart. Nothing that happens to be in memory may change the count: what a memo saves is charged all the same.

The weights below are measured (docs/performance.md), and rounded up. What takes long at once is charged before it is
done, and all else for each event or rule, not for each step of it.
"""

from msgspec import Struct

CALL = 20_000
EVENT = 8_000
DOCUMENT_BYTE = 20  # of the stored profile: read, changed, written once a call
EVENT_CHARACTER = 4  # of the properties of an event, as JSON
RULE = 3_000
STEP = 3_000
SEGMENT = 500  # whether it is due
CONSENT_CHARACTER = 250  # of an event whose keys are consents
KEY = 2_000  # of an object, for a target that ends in `*`
CHANGED = 6_000  # a path
SKIPPED = 15_000  # a path, with the reason
DRAFT_BYTE = 2  # of a value that is measured and compared
DRAFT_ITEM = 100  # of a list that is copied
COMPARED_BYTE = 2  # of an object of the session that is compared with the profile's, and for each
COMPARED_MEMBER = 500  # of its members
STRUCTURE_BYTE = 160  # of a list or an object that an event brings
DECIMAL_SUM = 10_000
FAULT = 12_000
UNWANTED = 3_000  # an entry that drops events

LONG_CALL = 1_000_000  # what more takes counts in the round of connections
COSTLY_CALL = 5_000_000  # a call of more makes the next ones of its client wait for turns


class TooMuchWorkError(Exception):
    """The call takes more work than it may. The text names what went over the limit."""


class PostponedError(Exception):
    """The call takes more work than it may take at once."""


class Allowance(Struct, frozen=True):
    """The work that a call may take at once. One that takes more is postponed: it has no effect and comes again."""

    units: int = 1 << 62
    is_repeated: bool = False
    """Whether the call was postponed: rate limits have counted it."""


FULL = Allowance()


class Work(Struct):
    """The count of one call. `at_once`: the units of its allowance."""

    limit: int
    spent: int = 0
    at_once: int = FULL.units

    def charge(self, units: int, kind: str, name: str = "") -> None:
        """Count units, for the rule of a name or the like.

        Raises TooMuchWorkError when they are over the limit, PostponedError when they are over the allowance.
        """
        self.spent += units
        if self.spent > self.limit:
            raise TooMuchWorkError(f"{kind} `{name}`" if name else kind)
        if self.spent > self.at_once:
            raise PostponedError

    def add(self, units: int) -> None:
        """Count units that the next charge compares with the limit. Raises PostponedError."""
        self.spent += units
        if self.spent > self.at_once:
            raise PostponedError

    def foresee(self, units: int) -> None:
        """Raises PostponedError if so many units, of which most may not be needed, are over the allowance."""
        if self.spent + units > self.at_once:
            raise PostponedError
