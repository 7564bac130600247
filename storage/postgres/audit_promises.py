"""The promises of trackd about its documents in a PostgreSQL database, each a query that finds those which break it.

Retention deletes all events below some number, so the events of a profile may begin there.
"""

import json
from collections.abc import Iterator

from trackd.core.documents import tombstone
from trackd.storage.audit.check import Check, Finding
from trackd.storage.audit.promises import RESTORE
from trackd.storage.postgres.connection import Connection, text_of
from trackd.storage.postgres.numbers import GIVEN_UP_TO
from trackd.storage.postgres.row_documents import READABLE_DOC

INSERTED = f"""btrim(({READABLE_DOC} #> '{{metadata,time,insert}}')::text, '"')"""
STORED_COUNTS = f"""
SELECT profile.id, stored.type, stored.events, ({READABLE_DOC} #> '{{stats,counters}}')::text FROM (
    SELECT profile_id, type, count(*) AS events FROM event
    WHERE profile_id <> '' AND status <> 'invalid' GROUP BY profile_id, type
) AS stored JOIN profile ON profile.id = profile_id
"""
# Times are those of nodes, whose clocks differ: a profile whose first event was committed later is another one.
IS_LATER = """
EXISTS (
    SELECT 1 FROM event WHERE event.profile_id = profile.id AND event.number > erased.number AND erased.number > 0
    AND event.seq = 1
)
"""
# PostgreSQL hashes an id as it is stored; one with U+0000 or U+0001 is stored in another form.
ERASED = f"""
SELECT profile.id, {text_of("erased.erased")} FROM profile
JOIN erased ON erased.hash = encode(sha256(convert_to(profile.id, 'UTF8')), 'hex')
WHERE {INSERTED} < {text_of("erased.erased")} AND NOT {IS_LATER}
"""
ODD_IDS = f"SELECT id, {INSERTED} FROM profile WHERE strpos(id, chr(1)) > 0"
TOMBSTONE = f"""
SELECT {text_of("erased")} FROM erased JOIN profile ON profile.id = %s WHERE hash = %s AND NOT {IS_LATER}
"""


def _promise(name: str, promise: str, sql: str) -> Check[Connection]:
    """A check of which `sql` selects the id of each document that breaks the promise, and a sentence on how."""

    def find(db: Connection) -> Iterator[Finding]:
        return ((str(place), str(fault)) for place, fault in db.stream(sql))

    return Check(name, promise, find, RESTORE)


def _find_low_counters(db: Connection) -> Iterator[Finding]:
    for profile_id, event_type, events, counters in db.stream(STORED_COUNTS):
        try:
            counted = json.loads(counters or "{}").get(event_type)
        except (ValueError, AttributeError):  # another check finds it
            continue
        if isinstance(counted, int | float) and counted < events:
            yield profile_id, f"counts {counted} of type {event_type}, and {events} are stored"


def _find_erased(db: Connection) -> Iterator[Finding]:
    for profile_id, erased in db.stream(ERASED):
        yield profile_id, f"it was erased at {erased}"
    for profile_id, inserted in db.rows(ODD_IDS):
        for (erased,) in db.rows(TOMBSTONE, [profile_id, tombstone(profile_id)]):
            if inserted is not None and inserted < erased:
                yield profile_id, f"it was erased at {erased}"


COUNTERS = Check(
    "counters", "a profile has counted at least its stored, valid events of each type", _find_low_counters, RESTORE
)
PROMISES = (
    _promise(
        "first event",
        "a profile's events begin with 1, or where retention has deleted the older ones",
        """
        SELECT profile_id, format('event %%s has seq %%s, and the one before it is missing', id, seq) FROM (
            SELECT DISTINCT ON (profile_id) profile_id, id, seq FROM event WHERE profile_id <> ''
            ORDER BY profile_id, number
        ) AS first_event WHERE seq <> 1 AND (SELECT deleted_up_to FROM event_numbers) = 0
        """,
    ),
    _promise(
        "numbers",
        "each event of a profile has the number after that of the event before it",
        """
        SELECT profile_id, format('event %%s has seq %%s, the one before it %%s', id, seq, before) FROM (
            SELECT profile_id, id, seq, lag(seq) OVER (PARTITION BY profile_id ORDER BY number) AS before
            FROM event WHERE profile_id <> ''
        ) AS chain WHERE before <> seq - 1
        """,
    ),
    _promise(
        "no number twice",
        "no two events of a profile have one number, or one id",
        """
        SELECT profile_id, format('%%s events have seq %%s', count(*), seq) FROM event WHERE profile_id <> ''
        GROUP BY profile_id, seq HAVING count(*) > 1
        UNION ALL SELECT profile_id, format('%%s events have id %%s', count(*), id) FROM event WHERE profile_id <> ''
        GROUP BY profile_id, id HAVING count(*) > 1
        """,
    ),
    _promise(
        "last event",
        "a profile's seq is that of its last event",
        """
        SELECT profile.id, format('it has seq %%s, its last event %%s', seq, coalesce(last_seq::text, 'is missing'))
        FROM profile LEFT JOIN (
            SELECT profile_id, max(event.seq) AS last_seq FROM event GROUP BY profile_id
        ) AS last_event ON profile_id = profile.id
        WHERE last_seq IS DISTINCT FROM seq AND NOT (
            last_seq IS NULL AND (seq = 0 OR (SELECT deleted_up_to FROM event_numbers) > 0)
        )
        """,
    ),
    _promise(
        "living",
        "events, sessions and ids belong to profiles that exist",
        """
        SELECT profile_id, format('%%s events belong to it, and it does not exist', count(*)) FROM event
        WHERE profile_id <> '' AND NOT EXISTS (SELECT 1 FROM profile WHERE profile.id = profile_id) GROUP BY profile_id
        UNION ALL SELECT profile_id, format('session %%s belongs to it, and it does not exist', session.id) FROM session
        WHERE NOT EXISTS (SELECT 1 FROM profile WHERE profile.id = profile_id)
        UNION ALL SELECT profile_id, format('%%s event ids belong to it, and it does not exist', count(*))
        FROM event_id WHERE NOT EXISTS (SELECT 1 FROM profile WHERE profile.id = profile_id) GROUP BY profile_id
        UNION ALL SELECT into_id, format('%%s was merged into it, and it does not exist', merged.id) FROM merged
        WHERE NOT EXISTS (SELECT 1 FROM profile WHERE profile.id = into_id)
        """,
    ),
    _promise(
        "event ids",
        "an id that a client chose belongs to the event with its seq",
        """
        SELECT event_id.profile_id, format('id %%s is stored with seq %%s, and its event has %%s', event_id.id,
               coalesce(event_id.seq::text, 'none'), event.seq)
        FROM event_id JOIN event ON event.id = event_id.id AND event.profile_id = event_id.profile_id
        WHERE event_id.seq IS DISTINCT FROM event.seq
        """,
    ),
    Check("erased", "no erased profile exists as it was before", _find_erased, RESTORE),
    _promise(
        "positions",
        "each event and each erasure has a number of its own, which is not given again",
        f"""
        SELECT erased.hash, format('its erasure has number %%s, as event %%s', erased.number, event.id)
        FROM erased JOIN event ON event.number = erased.number
        UNION ALL SELECT hash, format('its erasure has number %%s, which is not given yet', number) FROM erased
        WHERE number > {GIVEN_UP_TO}
        UNION ALL SELECT id, format('event %%s is not given yet', number) FROM event WHERE number > {GIVEN_UP_TO}
        UNION ALL SELECT id, format('this history of the feed begins after %%s, which is not given yet', begins_after)
        FROM feed_history WHERE begins_after > {GIVEN_UP_TO}
        UNION ALL SELECT '', 'the feed has no history' WHERE NOT EXISTS (SELECT 1 FROM feed_history)
        UNION ALL SELECT event.id, format('event %%s is stored, and all up to %%s are deleted', event.number,
               event_numbers.deleted_up_to)
        FROM event JOIN event_numbers ON event.number <= event_numbers.deleted_up_to
        """,
    ),
)
