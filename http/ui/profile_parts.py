"""A profile and its sessions as pages show them."""

import contextlib
import math
from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct

from trackd.core.encoding import json_members
from trackd.http.ui.values import (
    MAX_ROWS,
    NULL,
    Moment,
    as_moment,
    as_text,
    as_texts,
    cut,
    items_of,
    members_of,
    value_at,
    values,
)

MAX_PERSONAL = 80  # characters of the personal data in a list
MAX_FORMATTED = 131_072  # bytes of a document: indents make a deep one much larger
MAX_DOCUMENT = 262_144  # characters of the text of a document
PARTS = ("seq", "metadata", "stats", "traits", "pii", "consents", "segments", "interests", "ids", "active")
UNITS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))


class Table(Struct, frozen=True):
    """Names and values, the first of them; `more` is the number of the others."""

    title: str
    rows: list[tuple[str, str]]
    more: int


class ShownConsent(Struct, frozen=True):
    name: str
    granted: Moment
    expires: Moment


class ConsentEntry(Struct, frozen=True):
    """A change of a consent."""

    name: str
    change: str
    time: Moment


class ShownProfile(Struct, frozen=True):
    """The parts of a profile. `document` is its JSON, indented, or if it `is_cut` the beginning of it."""

    seq: str
    first_seen: Moment
    last_seen: Moment
    visits: str
    views: str
    is_active: bool
    segments: list[str]
    ids: list[str]
    tables: list[Table]
    consents: list[ShownConsent]
    history: list[ConsentEntry]
    document: str
    is_cut: bool


class ShownSession(Struct, frozen=True):
    id: str
    began: Moment
    last_call: Moment
    duration: str
    context: str


class FoundProfile(Struct, frozen=True):
    """A profile in a list."""

    id: str
    personal: str
    seq: str
    first_seen: Moment
    last_seen: Moment


def shown_profile(document: bytes) -> ShownProfile:
    """The parts of a document that is a JSON object."""
    profile = dict.fromkeys(PARTS, NULL) | json_members(Raw(document))
    time, stats, traits = value_at(profile["metadata"], "time"), profile["stats"], profile["traits"]
    text = _indented(document)
    tables = [
        _table("Personal data", profile["pii"]),
        _table("Public traits", value_at(traits, "public")),
        _table("Private traits", value_at(traits, "private")),
        _table("Interests", profile["interests"]),
        _table("Events by type", value_at(stats, "counters")),
    ]
    return ShownProfile(
        seq=as_text(profile["seq"]),
        first_seen=as_moment(value_at(time, "insert")),
        last_seen=as_moment(value_at(time, "update")),
        visits=as_text(value_at(stats, "visits")),
        views=as_text(value_at(stats, "views")),
        is_active=bytes(profile["active"]) != b"false",
        segments=as_texts(profile["segments"]),
        ids=as_texts(profile["ids"]),
        tables=[table for table in tables if table.rows],
        consents=[
            ShownConsent(cut(name), as_moment(value_at(consent, "granted")), as_moment(value_at(consent, "expires")))
            for name, consent in _first(members_of(profile["consents"]))
        ],
        history=[
            ConsentEntry(
                as_text(value_at(entry, "id")), as_text(value_at(entry, "change")), as_moment(value_at(entry, "time"))
            )
            for entry in reversed(items_of(value_at(profile["metadata"], "consents"))[-MAX_ROWS:])
        ],
        document=text[:MAX_DOCUMENT],
        is_cut=len(text) > MAX_DOCUMENT,
    )


def shown_sessions(documents: bytes) -> list[ShownSession]:
    """The sessions of a page of a list."""
    return [
        ShownSession(
            id=as_text(value_at(session, "id")),
            began=as_moment(value_at(session, "metadata", "time", "insert")),
            last_call=as_moment(value_at(session, "metadata", "time", "update")),
            duration=_duration(value_at(session, "metadata", "time", "duration")),
            context=as_text(value_at(session, "context")),
        )
        for session in values(documents)
    ]


def found_profiles(documents: bytes) -> list[FoundProfile]:
    """The profiles of a page of a list."""
    return [
        FoundProfile(
            id=as_text(value_at(profile, "id"), None),
            personal=cut(
                ", ".join(as_text(value) for _, value in _first(members_of(value_at(profile, "pii")))), MAX_PERSONAL
            ),
            seq=as_text(value_at(profile, "seq")),
            first_seen=as_moment(value_at(profile, "metadata", "time", "insert")),
            last_seen=as_moment(value_at(profile, "metadata", "time", "update")),
        )
        for profile in values(documents)
    ]


def _duration(value: Raw) -> str:
    """Seconds as people write them: the two largest units."""
    try:
        seconds = float(bytes(value))
    except ValueError:
        return as_text(value)
    if not 60 <= seconds < math.inf:
        return f"{as_text(value).removesuffix('.0')} s"
    for size, unit, part, name in UNITS:
        if seconds >= size:
            parts = int(seconds % size // part)
            return f"{int(seconds // size):,} {unit}" + (f" {parts} {name}" if parts else "")
    raise AssertionError(seconds)


def _table(title: str, value: Raw) -> Table:
    members = members_of(value)
    return Table(title, [(cut(name), as_text(item)) for name, item in _first(members)], max(0, len(members) - MAX_ROWS))


def _first(members: Mapping[str, Raw]) -> list[tuple[str, Raw]]:
    return list(members.items())[:MAX_ROWS]


def _indented(document: bytes) -> str:
    if len(document) <= MAX_FORMATTED:
        with contextlib.suppress(ValueError, RecursionError):
            document = msgspec.json.format(document, indent=2)
    return document.decode("utf-8", "replace")
