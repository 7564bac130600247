"""A profile, its events and its sessions as a page shows them.

Other tools write files too: a value of another form than trackd writes is shown as the JSON that it is, or left out.
Texts are cut, for clients chose them.
"""

import contextlib
import math
from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct

from trackd.core.encoding import json_members
from trackd.core.short_texts import properties

MAX_TEXT = 300  # characters of a value
MAX_PERSONAL = 80  # characters of the personal data in a list
MAX_ROWS = 200  # of a table
MAX_FORMATTED = 131_072  # bytes of a document: indents make a deep one much larger
MAX_DOCUMENT = 262_144  # characters of the text of a document
NULL = Raw(b"null")
PARTS = ("seq", "metadata", "stats", "traits", "pii", "consents", "segments", "interests", "ids", "active")
UNITS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))
EVENT_PARTS = ("id", "seq", "type", "metadata", "source", "session", "properties")

_values = msgspec.json.Decoder(list[Raw]).decode


class Table(Struct, frozen=True):
    """Names and values, the first of them; `more` is the number of the others."""

    title: str
    rows: list[tuple[str, str]]
    more: int


class Moment(Struct, frozen=True):
    """A time as it is stored, and for people. Both are empty without one."""

    value: str
    text: str


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


class ShownRule(Struct, frozen=True):
    """A rule that ran, with the paths that it changed; `more` is the number of those that are not listed."""

    name: str
    changed: list[str]
    more: str


class ShownEvent(Struct, frozen=True):
    id: str
    seq: str
    type: str
    status: str
    source: str
    session: str
    arrived: Moment
    happened: Moment
    properties: str
    reasons: list[str]
    rules: list[ShownRule]


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
    time, stats, traits = _at(profile["metadata"], "time"), profile["stats"], profile["traits"]
    text = _indented(document)
    tables = [
        _table("Personal data", profile["pii"]),
        _table("Public traits", _at(traits, "public")),
        _table("Private traits", _at(traits, "private")),
        _table("Interests", profile["interests"]),
        _table("Events by type", _at(stats, "counters")),
    ]
    return ShownProfile(
        seq=_text(profile["seq"]),
        first_seen=_moment(_at(time, "insert")),
        last_seen=_moment(_at(time, "update")),
        visits=_text(_at(stats, "visits")),
        views=_text(_at(stats, "views")),
        is_active=bytes(profile["active"]) != b"false",
        segments=_texts(profile["segments"]),
        ids=_texts(profile["ids"]),
        tables=[table for table in tables if table.rows],
        consents=[
            ShownConsent(_cut(name), _moment(_at(consent, "granted")), _moment(_at(consent, "expires")))
            for name, consent in _first(_members(profile["consents"]))
        ],
        history=[
            ConsentEntry(_text(_at(entry, "id")), _text(_at(entry, "change")), _moment(_at(entry, "time")))
            for entry in reversed(_list(_at(profile["metadata"], "consents"))[-MAX_ROWS:])
        ],
        document=text[:MAX_DOCUMENT],
        is_cut=len(text) > MAX_DOCUMENT,
    )


def shown_events(documents: bytes) -> list[ShownEvent]:
    """The events of a page of a list."""
    return [_event(event) for event in _values(documents)]


def _event(event: Raw) -> ShownEvent:
    parts = {**dict.fromkeys(EVENT_PARTS, NULL), **_members(event)}
    metadata = parts["metadata"]
    return ShownEvent(
        id=_text(parts["id"], None),
        seq=_text(parts["seq"]),
        type=_text(parts["type"]),
        status=_text(_at(metadata, "status")),
        source=_text(_at(parts["source"], "id")),
        session=_text(_at(parts["session"], "id")),
        arrived=_moment(_at(metadata, "time", "insert")),
        happened=_moment(_at(metadata, "time", "create")),
        properties=properties(bytes(parts["properties"])),
        reasons=_texts(_at(metadata, "reasons")),
        rules=[
            ShownRule(_text(_at(rule, "id")), _texts(_at(rule, "changed")), _text(_at(rule, "more")))
            for rule in _list(_at(metadata, "rules"))[:MAX_ROWS]
        ],
    )


def shown_sessions(documents: bytes) -> list[ShownSession]:
    """The sessions of a page of a list."""
    return [
        ShownSession(
            id=_text(_at(session, "id")),
            began=_moment(_at(session, "metadata", "time", "insert")),
            last_call=_moment(_at(session, "metadata", "time", "update")),
            duration=_duration(_at(session, "metadata", "time", "duration")),
            context=_text(_at(session, "context")),
        )
        for session in _values(documents)
    ]


def found_profiles(documents: bytes) -> list[FoundProfile]:
    """The profiles of a page of a list."""
    return [
        FoundProfile(
            id=_text(_at(profile, "id"), None),
            personal=_cut(", ".join(_text(value) for _, value in _first(_members(_at(profile, "pii")))), MAX_PERSONAL),
            seq=_text(_at(profile, "seq")),
            first_seen=_moment(_at(profile, "metadata", "time", "insert")),
            last_seen=_moment(_at(profile, "metadata", "time", "update")),
        )
        for profile in _values(documents)
    ]


def _at(value: Raw, *keys: str) -> Raw:
    """The value at a path of objects, null when there is none."""
    for key in keys:
        value = _members(value).get(key, NULL)
    return value


def _members(value: Raw) -> Mapping[str, Raw]:
    """The members of an object; of any other value none."""
    try:
        return json_members(value)
    except (ValueError, RecursionError):
        return {}


def _list(value: Raw) -> list[Raw]:
    """The items of a list; of any other value none."""
    try:
        return _values(value)
    except (ValueError, RecursionError):
        return []


def _text(value: Raw, most: int | None = MAX_TEXT) -> str:
    """A text as it is, any other value as JSON; empty for null."""
    content = bytes(value).strip()
    if content == b"null":
        return ""
    text = content.decode("utf-8", "replace")
    if content.startswith(b'"'):
        with contextlib.suppress(ValueError):
            text = msgspec.json.decode(content, type=str)
    return _cut(text, most)


def _cut(text: str, most: int | None = MAX_TEXT) -> str:
    return text if most is None or len(text) <= most else f"{text[:most]}…"


def _texts(value: Raw) -> list[str]:
    return [_text(item) for item in _list(value)[:MAX_ROWS]]


def _moment(value: Raw) -> Moment:
    text = _text(value)
    return Moment(text, f"{text[:19].replace('T', ' ')} UTC" if text else "")


def _duration(value: Raw) -> str:
    """Seconds as people write them: the two largest units."""
    try:
        seconds = float(bytes(value))
    except ValueError:
        return _text(value)
    if not 60 <= seconds < math.inf:
        return f"{_text(value).removesuffix('.0')} s"
    for size, unit, part, name in UNITS:
        if seconds >= size:
            parts = int(seconds % size // part)
            return f"{int(seconds // size):,} {unit}" + (f" {parts} {name}" if parts else "")
    raise AssertionError(seconds)


def _table(title: str, value: Raw) -> Table:
    members = _members(value)
    return Table(title, [(_cut(name), _text(item)) for name, item in _first(members)], max(0, len(members) - MAX_ROWS))


def _first(members: Mapping[str, Raw]) -> list[tuple[str, Raw]]:
    return list(members.items())[:MAX_ROWS]


def _indented(document: bytes) -> str:
    if len(document) <= MAX_FORMATTED:
        with contextlib.suppress(ValueError, RecursionError):
            document = msgspec.json.format(document, indent=2)
    return document.decode("utf-8", "replace")
