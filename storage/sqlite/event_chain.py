"""Chains of events: each row of `event` names the profile's event before it, and the profile names its last event.

The events of a profile are found by following its chain backwards. Those rows are written anyway, so the chain costs
two integers for each event; an index would cost a page for each profile of a batch. Numbers fall along a chain, and all
its events are of one profile. A chain ends where this is not so: the older events are deleted there. In a file of
trackd 0.1 later events may have their numbers.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from trackd.core.documents import Event

Row = tuple[Any, ...]
COLUMNS = ("number", *Event._fields, "previous")
# The highest number that an event or an erasure has or had.
LAST_NUMBER = "SELECT max(used_up_to, coalesce((SELECT max(number) FROM event), 0)) FROM event_numbers"
# The number of the first event that arrived at `:time` or later, by bisection: there is no index on times of arrival.
ARRIVED_EARLIER = (
    "(SELECT inserted < :time FROM event WHERE number >= (between_numbers.low + between_numbers.high) / 2"
    " ORDER BY number LIMIT 1)"
)
NUMBER_AT_TIME = f"""
WITH RECURSIVE between_numbers (low, high) AS (
    SELECT coalesce((SELECT min(number) FROM event), 0), coalesce((SELECT max(number) FROM event), 0) + 1
    UNION ALL
    SELECT iif({ARRIVED_EARLIER}, (low + high) / 2 + 1, low), iif({ARRIVED_EARLIER}, high, (low + high) / 2)
    FROM between_numbers WHERE low < high
)
SELECT max(low) FROM between_numbers
"""


def walk(profile: str, start: str, depth: str, counted: str = "0", most: str = "0") -> str:
    """The beginning of a statement that follows a chain: the table `walk` has `number`, `previous` and `found`.

    It has at most `depth` events of a profile, from the event with the number `start` backwards. It ends early when
    more than `most` of its events fulfil the condition `counted`. All arguments are SQL expressions; `counted` is about
    a row of `event`, and is 0 or 1. Another common table expression may follow.
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
    """Append events to the chains of their profiles; return their rows, and the number of each profile's last event.

    `last_events` are those numbers before, None or missing for a profile without events. The rows have the columns
    COLUMNS and the numbers after `last_number`.
    """
    rows: list[Row] = []
    last = dict(last_events)
    for number, event in enumerate(events, last_number + 1):
        rows.append((number, *event, last.get(event.profile_id)))
        last[event.profile_id] = number
    return rows, last
