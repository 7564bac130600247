"""What tells that a file is trackd's, and which migrations it has. Those themselves are in schema.py."""

from trackd.storage.sqlite.connection import Connection

APPLICATION_ID = 0x74726B64  # "trkd", in the file's header: tells our files from foreign ones
# The names in schema.py. A file that has them all is opened without it, and without sqlite-utils: 3.5 MB and 60 ms.
MIGRATIONS = frozenset(
    {
        "first_tables",
        "reasons_of_invalid_events",
        "chain_of_each_profiles_events",
        "tombstones_of_erased_profiles",
        "tokens",
        "what_a_server_remembers_of_profiles",
    }
)
APPLIED = "SELECT name FROM _sqlite_migrations WHERE migration_set = 'trackd'"


def tables(connection: Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def applied_migrations(connection: Connection) -> set[str]:
    """Their names."""
    if "_sqlite_migrations" not in tables(connection):
        return set()
    return {name for (name,) in connection.execute(APPLIED)}
