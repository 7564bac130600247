"""The table `pii`: the personal data of all profiles by value, for the search.

The functions run within a transaction of the caller.
"""

from collections.abc import Iterable, Mapping

from trackd.core.documents import PiiValues
from trackd.core.encoding import reencode
from trackd.storage.sqlite.bulk import BulkInsert
from trackd.storage.sqlite.connection import Connection

DELETE = "DELETE FROM pii WHERE profile_id IN (SELECT value FROM json_each(?))"
BATCH_ROWS = 5_000
PUT = BulkInsert("pii", ("name", "value", "profile_id"))


def put_pii(db: Connection, values: Mapping[str, PiiValues]) -> None:
    """Replace the rows of profiles. `values` are all values of each, by profile id."""
    db.execute(DELETE, (reencode(list(values)),))
    PUT.run(db, [(name, value, profile_id) for profile_id, pairs in values.items() for name, value in pairs])


def put_pii_of_documents(db: Connection, docs: Iterable[str]) -> None:
    """Add the rows of profiles that have none yet. A document that another tool broke has no personal data."""
    from trackd.core.pii_rows import pii_rows  # loads modules that the writer process does not need

    rows: list[tuple[str, str, str]] = []
    for row in pii_rows(docs):
        rows.append(row)
        if len(rows) >= BATCH_ROWS:
            PUT.run(db, rows)
            rows = []
    PUT.run(db, rows)
