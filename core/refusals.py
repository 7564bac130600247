"""What was not stored: refused calls, and events that had no effect. Pure.

The store keeps the newest refusals, so that a person can find out why an event does not arrive.
"""

import re
from collections.abc import Iterable, Sequence, Set

from msgspec import Struct
from msgspec.json import Encoder
from msgspec.structs import replace

BODY_BYTES = 2_048  # of a body that are kept
MAX_FAULTS = 10
MAX_CHARACTERS = 300  # of the message of a fault, of each part of its place, and of an id
MAX_PLACES = 32  # parts of the place of a fault
SECRET = re.compile(r"(?i)(trackd_|\b(?:bearer|basic|digest)[ +]+)[a-z0-9._~+/=-]+")

_encode = Encoder().encode


class Refusal(Struct, frozen=True, omit_defaults=True):
    """A call that was refused, or an event of an answered call that was dropped, invalid, or a duplicate."""

    time: str
    """When the call arrived, a timestamp."""
    status: int
    """That of the answer to the call."""
    reason: str
    """A word of a few: `invalid`, `unknown_source`, ..."""
    source_id: str | None = None
    network: str | None = None
    """The network of the client's address."""
    event_type: str | None = None
    event_id: str | None = None
    profile_id: str | None = None
    session_id: str | None = None
    faults: str = "[]"
    """JSON: what was wrong, as `faults_json` makes it."""
    body: str | None = None
    """The beginning of the body of the call, or of the event as JSON."""
    left_out: int = 0
    """How many refusals for the same reason came before it and are not kept, because there were too many at once."""

    def concerns(self, profile_ids: Set[str], session_ids: Set[str]) -> bool:
        """Whether it is of one of these profiles or sessions, or its body has the id of a profile as a text in JSON."""
        if self.profile_id in profile_ids or self.session_id in session_ids:
            return True
        return self.body is not None and any(_encode(key).decode() in self.body for key in profile_ids)

    def anonymous(self) -> "Refusal":
        """Without everything that could lead to a person."""
        no_person = dict.fromkeys(("network", "event_id", "profile_id", "session_id", "body"))
        return replace(self, **no_person, faults="[]")


class PutRefusals(Struct, frozen=True, tag=True):
    """Adds refusals, and deletes old ones. It is never the reason for which another change fails."""

    refusals: tuple[Refusal, ...]
    keep: int
    """So many of the newest stay."""
    bodies: bool = True
    """Whether bodies stay; if not, those are deleted that were stored under another setting."""


def stored_after(refusals: Sequence[Refusal], change: PutRefusals) -> list[Refusal]:
    """The stored refusals after a change, the oldest first."""
    together = [*refusals, *change.refusals]
    kept = together[max(len(together) - change.keep, 0) :]
    return kept if change.bodies else [replace(refusal, body=None) for refusal in kept]


class Fault(Struct, frozen=True):
    """One thing that was wrong; `loc` leads to its place, if it has one."""

    loc: Sequence[str | int]
    msg: str
    type: str


def faults_json(faults: Iterable[Fault]) -> str:
    """The first faults as JSON, without secrets."""
    shown: list[Fault] = []
    for fault in faults:
        if len(shown) == MAX_FAULTS:
            break
        loc = [place if isinstance(place, int) else clean(place) for place in fault.loc[:MAX_PLACES]]
        shown.append(Fault(loc, clean(fault.msg), fault.type))
    return _encode(shown).decode()


def clean(text: str) -> str:
    """A text of a client, short, without secrets and lone surrogates."""
    return without_secrets(text[:MAX_CHARACTERS])


def without_secrets(text: str) -> str:
    """A text in which tokens are replaced, also those of which the end is cut off."""
    return SECRET.sub(r"\1...", text.encode(errors="replace").decode())


def clean_id(value: object) -> str | None:
    """An id that a client sent; None for a value that is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return clean(str(value).strip()) or None


def body_text(body: bytes) -> str:
    """The beginning of a body without secrets, or how many bytes it has when it is no text in UTF-8."""
    start = body[:BODY_BYTES]
    for cut in range(4 if len(body) > BODY_BYTES else 1):  # within a character
        try:
            return without_secrets(start[: len(start) - cut].decode())
        except UnicodeDecodeError:
            continue
    return f"{len(body):,} bytes, not UTF-8"
