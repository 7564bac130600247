"""What a standby changes: a commit that it may not have, and an old primary that runs again after a failover."""

from psycopg.errors import Diagnostic

from trackd.config.store_url import masked
from trackd.storage.errors import StoreError

STOPPED_WAITING = "SyncRepWaitForLSN"  # the function of PostgreSQL that warns of it
# Each promotion begins another timeline. None on a standby.
TIMELINE = """
SELECT CASE WHEN NOT pg_is_in_recovery()
THEN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer END
"""
_newest: dict[str, int] = {}  # the newest timeline that this process has seen, by the URL


def is_unconfirmed(notice: Diagnostic) -> bool:
    """Whether the server has stopped to wait for its standby: a commit is done there, and lost in a failover."""
    return notice.severity_nonlocalized == "WARNING" and notice.source_function == STOPPED_WAITING


def check_timeline(url: str, timeline: int | None) -> None:
    """Raise StoreError for a primary that was replaced by another one of the URL's hosts."""
    newest = _newest.setdefault(url, timeline or 0)
    if timeline is not None and timeline < newest:
        raise StoreError(
            f"two of {masked(url)} take writes, and this one was replaced by a standby (timeline {timeline}, not "
            f"{newest}): stop it"
        )
    _newest[url] = max(newest, timeline or 0)
