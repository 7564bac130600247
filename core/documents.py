"""The stored documents: source, token, profile, session, event.

All are immutable. Times are text: UTC, ISO 8601 with microseconds and `Z`. The JSON documents of profiles, sessions and
events, as clients see them, are in `document_shapes.py`.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Annotated, Any, NamedTuple, Self

from msgspec import Meta, Raw, Struct, convert, to_builtins
from msgspec.structs import replace

from trackd.core.encoding import json_object, size_of

JsonObject = dict[str, Any]
TimeText = Annotated[str, Meta(examples=["2026-01-31T12:00:00.000000Z"], extra_json_schema={"format": "date-time"})]
NO_MEMO = 0
PiiValues = tuple[tuple[str, str], ...]
"""Names and texts of a profile's personal data, as pii_values.py makes them for the search."""


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
    """A sender of events. `rate_limit` is in calls per second, null for no limit; an empty `origins` allows any."""

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
    def of_row(cls, row: Mapping[str, Any]) -> Self:
        """From the columns of a row of the table `source`, by name; columns of other tools are ignored."""
        columns = {name: row[name] for name in cls.__struct_fields__[:-1]}
        columns["metadata"] = source_metadata(row["inserted"], row["updated"])
        for flag in ("enabled", "consent", "returns_profile", "permanent_profile_id"):
            columns[flag] = bool(columns[flag])
        for values in ("origins", "tags"):
            columns[values] = tuple(json.loads(columns[values]))
        return cls(**columns)

    def added(self, now: str) -> Self:
        """The source as it is when it is added: made and changed now."""
        return replace(self, metadata=source_metadata(now, now))

    def edited(self, fields: Mapping[str, Any], updated: str) -> Self:
        """The source with other values in these fields. Raises ValidationError for a value of the wrong type."""
        metadata = source_metadata(self.metadata.time.insert, updated)
        return replace(convert({**to_builtins(self), **fields}, type(self)), metadata=metadata)


def source_metadata(inserted: str, updated: str) -> SourceMetadata:
    return SourceMetadata(SourceTimes(inserted, updated))


class TokenScope(StrEnum):
    """The permission of a token. `read` includes `metrics`, `admin` includes all."""

    READ = "read"
    METRICS = "metrics"
    ERASE = "erase"
    ADMIN = "admin"


OPENED_BY: Mapping[TokenScope, frozenset[TokenScope]] = {
    TokenScope.READ: frozenset({TokenScope.READ, TokenScope.ADMIN}),
    TokenScope.METRICS: frozenset({TokenScope.METRICS, TokenScope.READ, TokenScope.ADMIN}),
    TokenScope.ERASE: frozenset({TokenScope.ERASE, TokenScope.ADMIN}),
    TokenScope.ADMIN: frozenset({TokenScope.ADMIN}),
}
"""The scopes of tokens that open what requires a scope."""


class Token(Struct, frozen=True):
    """A permission to read documents or to administer. `hash` is the `secret_hash` of its secret, which is not stored.

    Unknown scopes, written by another tool or a newer trackd, permit nothing.
    """

    name: str
    hash: str
    scopes: tuple[str, ...]
    inserted: str = ""
    expires: str | None = None
    """The first moment when it is no longer valid, a timestamp; None for a token that never expires."""
    used: str | None = None
    """When it was last used, a timestamp to within an hour; None for never."""

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Self:
        """From the columns of a row of the table `token`, by name; columns of other tools are ignored."""
        columns = {name: row[name] for name in cls.__struct_fields__ if name in row}
        return cls(**{**columns, "scopes": tuple(row["scopes"].split())})

    def opens(self, scope: TokenScope) -> bool:
        return not OPENED_BY[scope].isdisjoint(self.scopes)

    def has_expired(self, now: str) -> bool:
        """`now` is a timestamp."""
        return self.expires is not None and self.expires <= now


class Login(Struct, frozen=True):
    """A person on the live page, from the exchange of a link or a token for a cookie until `expires`.

    `hash` is the `secret_hash` of the cookie, or of the key of a link that was not used yet.
    """

    name: str
    hash: str
    scopes: tuple[str, ...]
    inserted: str
    expires: str
    token_hash: str | None = None
    """That of the token: the login ends with it. None for a login by a link."""
    is_link: bool = False
    """Whether it is a link that was not used yet."""

    def opens(self, scope: TokenScope) -> bool:
        return not OPENED_BY[scope].isdisjoint(self.scopes)

    def has_expired(self, now: str) -> bool:
        """`now` is a timestamp."""
        return self.expires <= now


def login_name(first_hash: str) -> str:
    """The name of a login, as `trackd token list` shows it, by the hash of its link or of its cookie."""
    return f"login-{first_hash[:8]}"


PREFIX_OF_SECRETS = "trackd_"  # makes a leaked secret recognisable, for people and for scanners
SECRET_BYTES = 32
LINK_LASTS = timedelta(minutes=30)  # to the live page


def secret_hash(secret: str) -> str:
    """SHA-256 in hex. A slow hash protects secrets that can be guessed; these have 32 random bytes."""
    import hashlib  # loads OpenSSL, which the writer process does not need

    return hashlib.sha256(secret.encode()).hexdigest()


def tombstone(profile_id: str) -> str:
    """The SHA-256 of an erased profile's id: it shows that a given id was erased, but not which ids were."""
    import hashlib  # loads OpenSSL: memory that the writer process needs for erasures only

    return hashlib.sha256(profile_id.encode()).hexdigest()


class Profile(Struct, frozen=True, gc=False):
    """A person. `seq` is the number of the last stored event; `revision` is one higher after each write.

    It begins with `first_revision`; in profiles that an older version made, with 1.

    `doc_json` is the whole document (`ProfileDocument`) as JSON text, the form in the file: it takes less memory than
    objects. `memo` is the key of the memo of evaluations that belongs to this document; NO_MEMO without one.
    """

    id: str
    seq: int
    revision: int
    doc_json: Raw
    memo: int = NO_MEMO

    @property
    def doc(self) -> JsonObject:
        """The document, decoded anew for each access."""
        return json_object(self.doc_json)

    @property
    def size(self) -> int:
        """Bytes of the document."""
        return size_of(self.doc_json)


class Session(Struct, frozen=True, gc=False):
    """A visit of a profile. `updated` is the time of its last call; clients get it as `SessionDocument`."""

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

    @property
    def size(self) -> int:
        """Bytes of the context and the properties."""
        return size_of(self.context_json) + size_of(self.properties_json)


class Event(NamedTuple):
    """A stored event, in the order of the table's columns; clients get it as `EventDocument`.

    The fields from `properties` on are JSON text. `reasons` is a list of sentences, None unless the event is invalid.
    `rules` is its trace, see `trace_of`; None if no rule ran.
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
    rules: str | None = None


event_of: Callable[[tuple[Any, ...]], Event] = partial(tuple.__new__, Event)
"""The event with these fields, all of them; takes a third of the time of `Event`."""


class FirstCopy(NamedTuple):
    """The fields of a stored event by which its duplicates are compared with it."""

    type: str
    source_id: str
    status: str
