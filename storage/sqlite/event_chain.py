"""How the events of one profile are found: each row of `event` names the one before it, the profile names the last.

The rows of a profile are written anyway, so the chain costs two integers where an index would cost a page for each
profile in a batch. Numbers fall along a chain, and all are the same profile's: where that ends the older events are
gone, even if their numbers were given away again.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from trackd.core.documents import Event

Row = tuple[Any, ...]
COLUMNS = ("number", *Event._fields, "previous")


def walk(profile: str, start: str, depth: str, counted: str = "0", most: str = "0") -> str:
    """The beginning of a statement: `walk` has at most `depth` events of a profile, from number `start` on backwards.

    It ends once more than `most` of them are `counted`. The arguments are SQL expressions, `counted` of an event. A
    common table expression may follow.
    """
    return f"""
WITH RECURSIVE walk (number, previous, found) AS (
    SELECT number, previous, {counted} FROM event WHERE number = {start} AND profile_id = {profile}
    UNION ALL
    SELECT event.number, event.previous, walk.found + {counted}
    FROM walk JOIN event ON event.number = walk.previous
    WHERE event.number < walk.number AND event.profile_id = {profile} AND walk.found <= {most}
    LIMIT {depth}
)"""


def chained(
    events: Iterable[Event], last_events: Mapping[str, int | None], last_number: int
) -> tuple[list[Row], dict[str, int | None]]:
    """Rows with the columns COLUMNS, numbered after `last_number`, and the last event of each profile after them."""
    rows: list[Row] = []
    last = dict(last_events)
    for number, event in enumerate(events, last_number + 1):
        rows.append((number, *event, last.get(event.profile_id)))
        last[event.profile_id] = number
    return rows, last
