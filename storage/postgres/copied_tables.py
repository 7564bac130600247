"""The tables of a database file and of a PostgreSQL database side by side, for the copy of the one into the other."""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from trackd.core.documents import Event
from trackd.storage.postgres.bulk import Rows
from trackd.storage.postgres.connection import Connection, Row, text_of
from trackd.storage.postgres.events import KINDS as KINDS_OF_EVENTS

# `number` of these tables is the row's own number in a file. It is kept: lists are in its order.
OWN_NUMBERS = ("profile", "session", "login")
BY_DEFAULT = (*OWN_NUMBERS, "job")  # PostgreSQL gives the numbers of these tables unless they are given


class CopiedTable(Struct, frozen=True):
    """A table: its columns with their kinds in PostgreSQL, and those that give its rows their order, from `key` on."""

    name: str
    columns: dict[str, str]
    key: tuple[str, ...]

    def of_file(self, after: Sequence[Any] | None, limit: int) -> tuple[str, Sequence[Any]]:
        """A statement for the rows of a file after a key, and its parameters."""
        names = ", ".join(self._in_file(column) for column in self.columns)
        keys = ", ".join(map(self._in_file, self.key))
        where = f"WHERE ({keys}) > ({', '.join('?' * len(self.key))})" if after is not None else ""
        return f"SELECT {names} FROM {self.name} {where} ORDER BY {keys} LIMIT {limit}", tuple(after or ())

    def _in_file(self, column: str) -> str:
        return "rowid" if column == "number" and self.name in OWN_NUMBERS else column

    def rows_of_file(self, db: Any) -> Iterator[Row]:
        """All rows of a file in their order, as a PostgreSQL database has them."""
        sql, _ = self.of_file(None, -1)
        return map(self.converted, db.execute(sql))

    def converted(self, row: Sequence[Any]) -> Row:
        """A row of a file with the values that PostgreSQL has for them."""
        kinds = self.columns.values()
        return tuple([_converted(value, kind) for value, kind in zip(row, kinds, strict=True)])

    def rows(self, db: Connection) -> Iterator[Row]:
        """All rows of the database in their order."""
        return db.stream(f"SELECT {self._selected()} FROM {self.name} ORDER BY {self._order('')}")

    def last_key(self, db: Connection) -> Row | None:
        """The key of the last row of the database, None when it has none."""
        selected = ", ".join(self.key)
        rows = db.rows(f"SELECT {selected} FROM {self.name} ORDER BY {self._order(' DESC')} LIMIT 1")
        return rows[0] if rows else None

    def _order(self, direction: str) -> str:
        return ", ".join(f"{self.name}.{column}{direction}" for column in self.key)

    def _selected(self) -> str:
        return ", ".join(_sql(f"{self.name}.{column}", kind) for column, kind in self.columns.items())

    def key_of(self, row: Sequence[Any]) -> Row:
        names = [*self.columns]
        return tuple(row[names.index(column)] for column in self.key)

    def insert(self) -> Rows:
        overriding = "OVERRIDING SYSTEM VALUE " if self.name in BY_DEFAULT else ""
        statement = f"INSERT INTO {self.name} ({{names}}) {overriding}SELECT {{names}} FROM {{given}} ORDER BY place"
        return Rows([*self.columns.items()], statement)


def _sql(column: str, kind: str) -> str:
    if kind == "timestamptz":
        return text_of(column)
    return f"{column}::text" if kind == "json" else column


def _converted(value: Any, kind: str) -> Any:
    if kind == "boolean":
        return bool(value)
    if kind == "double precision":
        return None if value is None else float(value)
    return None if kind == "timestamptz" and value == "" else value  # a source of trackd 0.1


def _table(name: str, columns: str, key: str) -> CopiedTable:
    """`columns` are names, each with its kind behind a colon, if it is no text."""
    pairs = [column.partition(":") for column in columns.split()]
    kinds = {"": "text", "n": "bigint", "i": "integer", "t": "timestamptz", "j": "json", "b": "boolean"}
    kinds["f"] = "double precision"
    return CopiedTable(name, {column: kinds.get(kind, kind) for column, _, kind in pairs}, tuple(key.split()))


EVENTS = CopiedTable(
    "event", {"number": "bigint", **{name: KINDS_OF_EVENTS.get(name, "text") for name in Event._fields}}, ("number",)
)
COPIED = (
    _table("profile", "number:n id seq:n revision:n doc:j remembered:n reevaluated:t", "number"),
    _table("merged", "id into_id", "id"),
    _table("session", "number:n id profile_id inserted:t updated:t context:j properties:j", "number"),
    _table("event_id", "profile_id id seq:n", "profile_id id"),
    _table("erased", "hash erased:t number:n", "hash"),
    EVENTS,
    _table("pii", "name value profile_id", "name value profile_id"),
    _table(
        "refusal",
        "number:n time:t status:i reason source_id network event_type event_id profile_id session_id faults:j body "
        "left_out:n",
        "number",
    ),
    _table(
        "source",
        "id name description enabled:b consent:b returns_profile:b permanent_profile_id:b origins:j rate_limit:f "
        "tags:j inserted:t updated:t",
        "id",
    ),
    _table("token", "name hash scopes inserted:t expires:t used:t", "name"),
    _table("login", "number:n name hash scopes inserted:t expires:t token_hash is_link:b", "number"),
    _table(
        "job",
        "number:n kind arguments:j state done:n total:n position:j result:j inserted:t updated:t",
        "number",
    ),
)
