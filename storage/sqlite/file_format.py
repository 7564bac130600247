"""Marks of a trackd database file: its application id, and the names of its migrations (schema.py)."""

from trackd.storage.sqlite.connection import Connection

APPLICATION_ID = 0x74726B64  # "trkd", in the header of the file
# As in schema.py. A file that has them all is opened without loading schema.py and sqlite-utils.
MIGRATIONS = frozenset(
    {
        "first_tables",
        "reasons_of_invalid_events",
        "chain_of_each_profiles_events",
        "tombstones_of_erased_profiles",
        "tokens",
        "what_a_server_remembers_of_profiles",
        "canonical_origins_of_sources",
        "numbers_that_are_never_given_twice",
        "index_of_late_events",
        "times_of_reevaluations",
        "jobs",
        "personal_data_by_value",
        "expiry_and_use_of_tokens",
        "stops_of_the_retention",
        "trusted_times_of_the_retention",
        "logins_of_the_live_page",
        "refusals",
        "positions_of_erasures_and_histories",
        "rules_that_ran_for_events",
        "refusals_before_histories",
    }
)
MIGRATIONS_TABLE = "_sqlite_migrations"
APPLIED_MIGRATIONS = f"SELECT name FROM {MIGRATIONS_TABLE} WHERE migration_set = 'trackd'"


def table_names(connection: Connection) -> set[str]:
    """The names of all tables in the file."""
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def applied_migrations(connection: Connection) -> set[str]:
    """The names of the migrations that the file has."""
    if MIGRATIONS_TABLE not in table_names(connection):
        return set()
    return {name for (name,) in connection.execute(APPLIED_MIGRATIONS)}
