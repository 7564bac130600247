"""The numbers of events and erasures: their places in the order of commits, though several nodes commit.

A number is the id of its transaction and a place in it. Transactions do not end in the order of their ids, so the order
is complete only below the oldest transaction that is under way. The events of one profile are in the order of their
`seq`: the fence lets a transaction write a profile only if its state was read before the transaction began, so that the
one which wrote that state had begun, and ended, earlier.

Ids of transactions are those of the server. A database that is moved to another server goes on after its last number:
`xid_offset` is the difference.
"""

from trackd.storage.postgres.schema import NUMBER_BITS

MAX_PLACES = 2**NUMBER_BITS
# The number before the first one of this transaction.
BASE = f"(SELECT (pg_current_xact_id()::text::bigint + xid_offset) << {NUMBER_BITS} FROM event_numbers)"
# All numbers that transactions have so far.
GIVEN_UP_TO = f"""
((pg_snapshot_xmax(pg_current_snapshot())::text::bigint + (SELECT xid_offset FROM event_numbers)) << {NUMBER_BITS})
"""
LAST_NUMBER = """
SELECT greatest(
    (SELECT max(number) FROM event), (SELECT max(number) FROM erased), (SELECT deleted_up_to FROM event_numbers), 0
)
"""
# Transactions that are under way, and all later ones, have numbers after `last` from now on.
MOVE_BEHIND = f"""
UPDATE event_numbers SET xid_offset = greatest(
    xid_offset, (%(last)s::bigint >> {NUMBER_BITS}) + 1 - pg_snapshot_xmin(pg_current_snapshot())::text::bigint
)
"""
# No transaction that commits later has a number up to this one.
COMPLETE_UP_TO = f"""
((pg_snapshot_xmin(pg_current_snapshot())::text::bigint + (SELECT xid_offset FROM event_numbers)) << {NUMBER_BITS}) - 1
"""
