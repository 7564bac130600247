"""The promises of trackd about its documents, each a query that finds those which break it.

Retention deletes all events below some number, so a chain of events may end there, and nowhere else.
"""

from collections.abc import Iterator

from trackd.core.documents import tombstone
from trackd.storage.audit.check import AuditedFile, Check, Finding
from trackd.storage.sqlite.event_chain import LAST_NUMBER, walk

RESTORE = (
    "the numbers or counters of these profiles are wrong: restore a backup, and report it with the output of this "
    "command if nothing but trackd wrote to the file"
)
# A profile of which the first event was stored after the erasure is another one, whatever the clock showed then: it may
# have been set back. The events of the profile that was erased have lower numbers.
IS_LATER = f"""
EXISTS (
    {walk(profile="profile.id", start="profile.last_event", depth="-1")}
    SELECT 1 FROM walk JOIN event ON event.number = walk.number WHERE event.number > erased.number AND event.seq = 1
)
"""


def _promise(name: str, promise: str, sql: str) -> Check[AuditedFile]:
    """A check of which `sql` selects the id of each document that breaks the promise, and a sentence on how."""

    def find(file: AuditedFile) -> Iterator[Finding]:
        return file.texts(sql)

    return Check(name, promise, find, RESTORE)


COUNTERS = _promise(
    "counters",
    "a profile has counted at least its stored, valid events of each type",
    """
    WITH stored AS (SELECT profile_id, type, count(*) AS events FROM event
                    WHERE profile_id <> '' AND status <> 'invalid' GROUP BY profile_id, type),
         counted AS (SELECT profile.id, counter.key, counter.value
                     FROM profile, json_each(doc, '$.stats.counters') AS counter WHERE json_valid(doc))
    SELECT id, printf('counts %s of type %s, and %d are stored', value, type, events)
    FROM stored JOIN counted ON id = profile_id AND key = type WHERE value < events
    """,
)
PROMISES = (
    _promise(
        "first event",
        "a profile's events begin with 1, or where retention has deleted the older ones",
        """
        SELECT profile_id, printf('event %s has seq %d, and the one before it is missing', id, seq) FROM event
        WHERE profile_id <> '' AND CASE
            WHEN previous IS NULL THEN seq <> 1
            ELSE previous >= (SELECT min(number) FROM event)
                 AND NOT EXISTS (SELECT 1 FROM event AS before WHERE before.number = event.previous) END
        """,
    ),
    _promise(
        "numbers",
        "each event of a profile has the number after that of the event before it",
        """
        SELECT event.profile_id, printf('event %s has seq %d, the one before it %d', event.id, event.seq, before.seq)
        FROM event JOIN event AS before ON before.number = event.previous
        WHERE event.profile_id <> '' AND event.previous < event.number
        AND (before.profile_id <> event.profile_id OR before.seq <> event.seq - 1)
        """,
    ),
    _promise(
        "no number twice",
        "no two events of a profile have one number, or one id",
        """
        SELECT profile_id, printf('%d events have seq %d', count(*), seq) FROM event WHERE profile_id <> ''
        GROUP BY profile_id, seq HAVING count(*) > 1
        UNION ALL SELECT profile_id, printf('%d events have id %s', count(*), id) FROM event WHERE profile_id <> ''
        GROUP BY profile_id, id HAVING count(*) > 1
        """,
    ),
    _promise(
        "last event",
        "a profile's seq is that of its last event",
        """
        SELECT profile.id, printf('it has seq %d, its last event %s', profile.seq, coalesce(event.seq, 'is missing'))
        FROM profile LEFT JOIN event ON event.number = profile.last_event AND event.profile_id = profile.id
        WHERE event.seq IS NOT profile.seq
        AND NOT (profile.last_event IS NULL AND profile.seq = 0)
        AND NOT (event.number IS NULL AND profile.last_event IS NOT NULL
                 AND profile.last_event < (SELECT coalesce(min(number), profile.last_event + 1) FROM event))
        UNION ALL SELECT profile.id, printf('it has seq %d, and events up to %d', profile.seq, max(event.seq))
        FROM event JOIN profile ON profile.id = event.profile_id
        GROUP BY event.profile_id HAVING max(event.seq) > profile.seq
        """,
    ),
    _promise(
        "living",
        "events, sessions and ids belong to profiles that exist",
        """
        SELECT profile_id, printf('%d events belong to it, and it does not exist', count(*)) FROM event
        WHERE profile_id <> '' AND profile_id NOT IN (SELECT id FROM profile) GROUP BY profile_id
        UNION ALL SELECT profile_id, printf('session %s belongs to it, and it does not exist', id) FROM session
        WHERE profile_id NOT IN (SELECT id FROM profile)
        UNION ALL SELECT profile_id, printf('%d event ids belong to it, and it does not exist', count(*)) FROM event_id
        WHERE profile_id NOT IN (SELECT id FROM profile) GROUP BY profile_id
        UNION ALL SELECT into_id, printf('%s was merged into it, and it does not exist', id) FROM merged
        WHERE into_id NOT IN (SELECT id FROM profile)
        """,
    ),
    _promise(
        "event ids",
        "an id that a client chose belongs to the event with its seq",
        """
        SELECT event_id.profile_id, printf('id %s is stored with seq %d, and its event is %s', event_id.id,
               event_id.seq, coalesce(event.id, 'missing'))
        FROM event_id JOIN event ON event.id = event_id.id AND event.profile_id = event_id.profile_id
        WHERE event_id.seq IS NOT event.seq
        """,
    ),
    _promise(
        "erased",
        "no erased profile exists as it was before",
        f"""
        SELECT profile.id, printf('it was erased at %s', erased.erased)
        FROM profile JOIN erased ON erased.hash = tombstone(CAST(profile.id AS BLOB))
        WHERE json_valid(profile.doc) AND profile.doc ->> '$.metadata.time.insert' < erased.erased
        AND NOT {IS_LATER}
        """,
    ),
    _promise(
        "positions",
        "each event and each erasure has a number of its own, which is not given again",
        f"""
        SELECT erased.hash, printf('its erasure has number %d, as event %s', erased.number, event.id)
        FROM erased JOIN event ON event.number = erased.number
        UNION ALL SELECT hash, printf('its erasure has number %d, which is not given yet', number) FROM erased
        WHERE number > ({LAST_NUMBER})
        UNION ALL SELECT id, printf('this history of the feed begins after %d, which is not given yet', begins_after)
        FROM feed_history WHERE begins_after > ({LAST_NUMBER})
        UNION ALL SELECT '', 'the feed has no history' WHERE NOT EXISTS (SELECT 1 FROM feed_history)
        UNION ALL SELECT event.id, printf('event %d is stored, and all up to %d are deleted', event.number,
               event_numbers.deleted_up_to)
        FROM event JOIN event_numbers ON event.number <= event_numbers.deleted_up_to
        """,
    ),
)


def add_functions(file: AuditedFile) -> None:
    """Add the functions of SQL that the queries use."""
    file.db.create_scalar_function("tombstone", _tombstone, 1, deterministic=True)  # type: ignore[arg-type]


def _tombstone(profile_id: bytes) -> str:
    return tombstone(profile_id.decode(errors="surrogateescape"))
