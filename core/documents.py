"""What trackd stores: source, token, profile, session, event.

All are immutable. Times are text: UTC, ISO 8601 with microseconds and `Z`. The JSON documents of profiles, sessions and
events, as clients see them, are in `document_shapes.py`.
"""

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple, Self

from msgspec import Meta, Raw, Struct

from trackd.core.encoding import json_object

JsonObject = dict[str, Any]
TimeText = Annotated[str, Meta(examples=["2026-01-31T12:00:00.000000Z"], extra_json_schema={"format": "date-time"})]
NO_MEMO = 0


def timestamp(moment: datetime) -> str:
    """`2026-01-31T12:00:00.000000Z`; a moment without a zone is UTC. Raises OverflowError outside years 1 to 9999."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    elif moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[:-6] + "Z"


class SourceTimes(Struct, frozen=True):
    insert: TimeText = ""
    update: TimeText = ""


class SourceMetadata(Struct, frozen=True):
    time: SourceTimes = SourceTimes()


class Source(Struct, frozen=True):
    """A sender of events. `rate_limit` is in calls per second, None for no limit; no `origins` means any."""

    id: str
    name: str
    description: str = ""
    enabled: bool = True
    consent: bool = False
    returns_profile: bool = False
    permanent_profile_id: bool = False
    origins: tuple[str, ...] = ()
    rate_limit: float | None = None
    tags: tuple[str, ...] = ()
    metadata: SourceMetadata = SourceMetadata()

    @classmethod
    def of_row(cls, row: Any) -> Self:
        """From a row of the table `source`: its columns are the fields in their order, the two times at the end."""
        *values_of_fields, inserted, updated = row
        columns = dict(zip(cls.__struct_fields__[:-1], values_of_fields, strict=True))
        columns["metadata"] = source_metadata(inserted, updated)
        for flag in ("enabled", "consent", "returns_profile", "permanent_profile_id"):
            columns[flag] = bool(columns[flag])
        for values in ("origins", "tags"):
            columns[values] = tuple(json.loads(columns[values]))
        return cls(**columns)


def source_metadata(inserted: str, updated: str) -> SourceMetadata:
    return SourceMetadata(SourceTimes(inserted, updated))


class TokenScope(StrEnum):
    """What a token opens. `admin` includes `read`."""

    READ = "read"
    ADMIN = "admin"


class Token(Struct, frozen=True):
    """Who may look inside and administer. Of its secret only the hash is kept (`secret_hash`).

    Scopes that trackd does not know, of another tool or a newer trackd, open nothing.
    """

    name: str
    hash: str
    scopes: tuple[str, ...]
    inserted: str = ""

    @classmethod
    def of_row(cls, row: Any) -> Self:
        """Of the table `token`, which has these columns in this order."""
        name, hash_, scopes, inserted = row
        return cls(name, hash_, tuple(scopes.split()), inserted)

    def opens(self, scope: TokenScope) -> bool:
        return scope in self.scopes or TokenScope.ADMIN in self.scopes


def secret_hash(secret: str) -> str:
    """SHA-256 in hex: a slow hash protects secrets that can be guessed, and these have 32 random bytes."""
    import hashlib  # OpenSSL, 3.5 MB: the writer process hashes next to nothing

    return hashlib.sha256(secret.encode()).hexdigest()


class Profile(Struct, frozen=True):
    """One person. `seq` is the number of the last stored event; `revision` counts the writes of this profile.

    `doc_json` is its whole document: as text it takes a fifth of the memory, and that is what the disk takes too.
    `remembered` is the number under which who wrote the document finds what need not be found out of it again.
    """

    id: str
    seq: int
    revision: int
    doc_json: Raw
    memo: int = NO_MEMO

    @property
    def doc(self) -> JsonObject:
        """A new object each time."""
        return json_object(self.doc_json)


class Session(Struct, frozen=True):
    id: str
    profile_id: str
    inserted: str
    updated: str
    context_json: Raw
    properties_json: Raw

    @property
    def context(self) -> JsonObject:
        return json_object(self.context_json)

    @property
    def properties(self) -> JsonObject:
        return json_object(self.properties_json)


class Event(NamedTuple):
    """One stored event, in the order of the table's columns; `properties` and what follows is JSON text.

    `reasons`: why the event is invalid, a list of sentences; None when it is not.
    """

    id: str
    profile_id: str
    seq: int
    session_id: str
    source_id: str
    type: str
    created: str
    inserted: str
    status: str
    ip: str | None
    properties: str
    context: str
    config: str
    tags: str
    reasons: str | None = None
