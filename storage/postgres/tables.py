"""The rows of a PostgreSQL database in the form that those of a file have: the columns, texts and whole numbers.

Exports, the audit, and the copy of a file all read them so. A file has two columns that PostgreSQL lacks, the number of
each event's predecessor and that of each profile's last event: here they are found by an index.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from trackd.core.documents import Event
from trackd.storage.postgres.connection import Connection, Row, text_of
from trackd.storage.postgres.events import JSON as JSON_OF_EVENTS
from trackd.storage.postgres.events import TIMES as TIMES_OF_EVENTS
from trackd.storage.postgres.row_documents import EVENT_COLUMNS

# In a file the last deleted event keeps its number there: a chain may end with the last one that was deleted.
DELETED = "(SELECT nullif(deleted_up_to, 0) FROM event_numbers)"
PREVIOUS = f"""
CASE WHEN event.profile_id = '' OR event.seq = 1 THEN NULL ELSE coalesce((
    SELECT max(before.number) FROM event AS before
    WHERE before.profile_id = event.profile_id AND before.number < event.number
), {DELETED}) END
"""
LAST_EVENT = f"""
coalesce((SELECT max(number) FROM event WHERE profile_id = profile.id), CASE WHEN seq > 0 THEN {DELETED} END)
"""
# Whole exports number events and erasures anew, without the gaps: a file would read many numbers in vain. 1 stands for
# all events that the retention has deleted.
PLACES = """
WITH place AS MATERIALIZED (
    SELECT number, profile_id, row_number() OVER (ORDER BY number) + 1 AS place
    FROM (SELECT number, profile_id FROM event UNION ALL SELECT number, NULL FROM erased WHERE number > 0) AS numbered
), chain AS (
    SELECT number, place, lag(place) OVER (PARTITION BY profile_id ORDER BY number) AS previous FROM place
    WHERE profile_id IS NOT NULL
), last AS (
    SELECT profile_id, max(place) AS place FROM place WHERE profile_id IS NOT NULL GROUP BY profile_id
)
"""
DELETED_PLACE = "(SELECT CASE WHEN deleted_up_to > 0 THEN 1 END FROM event_numbers)"
LAST_PLACE = "SELECT 1 + (SELECT count(*) FROM event) + (SELECT count(*) FROM erased WHERE number > 0)"


class Table(Struct, frozen=True):
    """A table; `columns` have the SQL of each of those that a file has, `order` is SQL, `place` names a row."""

    name: str
    columns: Mapping[str, str]
    order: str
    place: Sequence[str]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def select(self, where: str = "TRUE", columns: Iterable[str] = ()) -> str:
        """The statement for all rows, or those that match, in their order; by default with all columns."""
        selected = ", ".join(self.columns[name] for name in columns or self.columns)
        return f"SELECT {selected} FROM {self.name} WHERE {where} ORDER BY {self.order}"

    def rows(self, db: Connection) -> Iterator[Row]:
        return db.stream(self.select())


def _table(name: str, columns: str, order: str, place: str, **other: str) -> Table:
    """`columns` are names, each with its kind behind a colon, if it has one: a time, JSON or a flag."""
    kinds = [column.partition(":") for column in columns.split()]
    sql = {column: other.get(column, _sql(f"{name}.{column}", kind)) for column, _, kind in kinds}
    return Table(name, sql, order, place.split())


def _sql(column: str, kind: str) -> str:
    match kind:
        case "time":
            return text_of(column)
        case "json":
            return f"{column}::text"
        case "flag":
            return f"{column}::integer"
    return column


_EVENT_KINDS = {**dict.fromkeys(TIMES_OF_EVENTS, ":time"), **dict.fromkeys(JSON_OF_EVENTS, ":json")}
_EVENT = f"number {' '.join(name + _EVENT_KINDS.get(name, '') for name in Event._fields)} previous"
_SOURCE_TIMES = {name: f"coalesce({text_of(f'source.{name}')}, '')" for name in ("inserted", "updated")}
TABLES = {
    table.name: table
    for table in (
        _table("profile", "id seq revision doc:json last_event", "profile.number", "id", last_event=LAST_EVENT),
        _table("merged", "id into_id", "id", "id"),
        _table(
            "session", "id profile_id inserted:time updated:time context:json properties:json", "session.number", "id"
        ),
        _table("event_id", "profile_id id seq", "profile_id, id", "id"),
        _table(
            "erased", "hash erased:time number", "hash", "hash", number="CASE WHEN erased.number > 0 THEN number END"
        ),
        _table("event", _EVENT, "event.number", "number id", previous=PREVIOUS),
        _table(
            "source",
            "id name description enabled:flag consent:flag returns_profile:flag permanent_profile_id:flag "
            "origins:json rate_limit tags:json inserted updated",
            "source.inserted, id",
            "id",
            **_SOURCE_TIMES,
        ),
        _table("token", "name hash scopes inserted:time expires:time used:time", "name", "name"),
        _table("login", "name hash scopes inserted:time expires:time token_hash is_link:flag", "login.number", "name"),
        _table(
            "job",
            "number kind arguments:json state done total position:json result:json inserted:time updated:time",
            "number",
            "number",
        ),
        _table("feed_history", "number id begins_after refusals_after", "number", "number"),
        _table("retention", "id stopped_after:time confirmed:time trusted:time", "id", "id"),
        _table("installation", "id number page", "id", "id"),
        _table("pii", "name value profile_id", "name, value, profile_id", "profile_id name"),
        _table(
            "refusal",
            "number time:time status reason source_id network event_type event_id profile_id session_id faults:json "
            "body left_out",
            "number",
            "number",
        ),
    )
}
DENSE = {
    "profile": f"""
{PLACES} SELECT profile.id, seq, revision, doc::text,
    coalesce(last.place, CASE WHEN seq > 0 THEN {DELETED_PLACE} END)
FROM profile LEFT JOIN last ON last.profile_id = profile.id ORDER BY profile.number
""",
    "erased": f"""
{PLACES} SELECT hash, {text_of("erased.erased")}, place FROM erased LEFT JOIN place ON place.number = erased.number
ORDER BY hash
""",
    "event": f"""
{PLACES} SELECT place, {EVENT_COLUMNS},
    CASE WHEN event.profile_id = '' OR seq = 1 THEN NULL ELSE coalesce(previous, {DELETED_PLACE}) END
FROM event JOIN chain USING (number) ORDER BY number
""",
}
"""Statements for the rows of these tables with numbers that have no gaps, as whole exports have them."""
