"""Users and schemas: whose tables are used, where tables are made, and what is in their way."""

import contextlib
from collections.abc import Iterator
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest

from tests.support.making import Make
from tests.support.postgres import with_database
from tests.support.stores import PostgresBackend
from trackd.core.changes import Outcome
from trackd.storage.doctor.finding import State
from trackd.storage.errors import StoreError
from trackd.storage.postgres.audit import audit_database, database_checks
from trackd.storage.postgres.doctor import check_database
from trackd.storage.postgres.read_only_database import ReadOnlyDatabase
from trackd.storage.postgres.shared_database import SharedDatabase
from trackd.storage.postgres.store import PostgresStore

ROLE, PASSWORD = "trackd_app", "of app"


@pytest.fixture(scope="module")
def owned(postgres_database: str) -> str:
    """The URL of a database of its own, by the owner of its tables."""
    url = with_database(postgres_database, "trackd_making")
    PostgresStore(url).close()
    return url


@pytest.fixture
def as_app(owned: str) -> Iterator[str]:
    """The URL of the same database, by a user without any rights to its tables."""
    with psycopg.connect(owned, autocommit=True) as db:
        db.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'".encode())
        yield by_app(owned)
        db.execute(f"DROP OWNED BY {ROLE} CASCADE; DROP ROLE {ROLE}".encode())


def by_app(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{ROLE}:{quote(PASSWORD)}@{parts.netloc.rpartition('@')[2]}"))


def run(url: str, sql: str) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(sql.encode())


def refusal(url: str) -> str:
    """The sentence of a node; that of a command that only reads has the same reason and remedy."""
    with pytest.raises(StoreError) as of_node:
        PostgresStore(url)
    sentence = str(of_node.value)
    with pytest.raises(StoreError) as of_command:
        ReadOnlyDatabase(url)
    assert sentence.partition(": ")[2] in str(of_command.value)
    return sentence.partition("cannot be made: ")[2]


def privileges(url: str) -> tuple[State, str, str]:
    [found] = [finding for finding in check_database(url) if finding.check == "privileges"]
    return found.state, found.found, found.remedy


def test_a_user_that_may_read_and_write_all_tables_needs_no_right_to_make_some(
    owned: str, as_app: str, make: type[Make]
) -> None:
    run(owned, f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {ROLE}")
    with contextlib.closing(PostgresStore(as_app)) as store:
        assert store.commit([make.change("A", events=1)]) == [Outcome.STORED]
    SharedDatabase(as_app).close()
    state, found, _ = privileges(as_app)
    assert (state, "may read and write all tables" in found) == (State.NOTE, True)


def test_a_user_that_may_only_read_is_told_what_to_do(owned: str, as_app: str) -> None:
    run(owned, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {ROLE}")
    with pytest.raises(StoreError) as raised:
        PostgresStore(as_app)
    state, found, remedy = privileges(as_app)
    assert (state, found.startswith(f"{ROLE} may not read and write copied_file, ")) == (State.FAULT, True)
    assert remedy == f"`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {ROLE}`"
    assert str(raised.value).endswith(f"cannot be used: {found}; {remedy}")


@pytest.mark.parametrize("privilege", ["SELECT", "INSERT", "UPDATE", "DELETE"])
def test_a_table_that_the_user_may_not_read_and_write_is_named_before_calls_fail(
    owned: str, as_app: str, privilege: str
) -> None:
    run(owned, f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {ROLE}")
    run(owned, f"REVOKE {privilege} ON event FROM {ROLE}; CREATE TABLE IF NOT EXISTS of_others (x int)")
    with pytest.raises(StoreError, match=f"cannot be used: {ROLE} may not read and write event; `GRANT SELECT"):
        PostgresStore(as_app)
    assert privileges(as_app)[:2] == (State.FAULT, f"{ROLE} may not read and write event")


def test_a_server_is_recognized_whatever_its_user_and_the_name_in_its_url(owned: str, as_app: str) -> None:
    run(owned, f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {ROLE}")
    with SharedDatabase(owned) as database:
        assert not database.has_nodes()
        with contextlib.closing(PostgresStore(f"{as_app}?application_name=another")):
            assert database.has_nodes()


def test_a_user_that_may_not_use_the_schema_is_told_so(owned: str, as_app: str) -> None:
    run(owned, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    try:
        found, remedy = f"{ROLE} may not use the schema public", f"`GRANT USAGE ON SCHEMA public TO {ROLE}`"
        assert refusal(as_app) == f"{found}; {remedy}"
        assert privileges(as_app) == (State.FAULT, found, remedy)
    finally:
        run(owned, "GRANT USAGE ON SCHEMA public TO PUBLIC")


def test_a_schema_that_is_made_later_and_comes_first_does_not_hide_the_tables(
    postgres_database: str, make: type[Make]
) -> None:
    url = with_database(postgres_database, "trackd_hidden")
    with contextlib.closing(PostgresBackend(url)) as before:
        assert before.store.commit([make.change("A", events=1)]) == [Outcome.STORED]
        before.execute("CREATE SCHEMA AUTHORIZATION CURRENT_USER")
        before.execute("DELETE FROM trackd_migration WHERE name = 'copies_of_files'; DROP TABLE copied_file")
    with contextlib.closing(PostgresBackend(url)) as after:
        assert [event.profile_id for event in after.events()] == ["A"]
        assert after.db.rows("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename ~ '^(trackd|copied)_'") == [
            ("public",)
        ]
    assert [find for find in audit_database(url, database_checks(rules_change_counters=True)) if find.number] == []
    assert privileges(url)[0] is State.OK


def test_tables_are_not_made_beside_those_that_search_path_does_not_lead_to(owned: str) -> None:
    run(owned, "CREATE SCHEMA another")
    try:
        with psycopg.connect(owned) as db:
            [(user,)] = db.execute("SELECT current_user").fetchall()
        url = f"{owned}?options={quote('-c search_path=another')}"
        found = f"the schema public has tables of trackd, and search_path of {user} does not lead to it"
        remedy = f"`ALTER ROLE {user} SET search_path = public`, or give trackd a database of its own"
        assert refusal(url) == f"{found}; {remedy}"
        assert privileges(url) == (State.FAULT, found, remedy)
    finally:
        run(owned, "DROP SCHEMA another")


def test_tables_of_other_programs_are_left_alone_and_named(postgres_database: str) -> None:
    url = with_database(postgres_database, "trackd_taken")
    run(url, "CREATE TABLE session (id text); CREATE VIEW event AS SELECT 1 AS one")
    found, remedy = "the schema public has event, session of another program", "give trackd a database of its own"
    assert refusal(url) == f"{found}; {remedy}"
    assert privileges(url) == (State.FAULT, found, remedy)
    run(url, "INSERT INTO session VALUES ('kept')")


def test_a_database_without_a_schema_and_one_that_only_reads_are_refused_with_a_remedy(postgres_database: str) -> None:
    url = with_database(postgres_database, "trackd_none")
    of_schema = f"{url}?options={quote('-c search_path=nowhere')}"
    assert refusal(of_schema).startswith("no schema of search_path exists, or may be used; create the schema")
    with pytest.raises(StoreError, match="read-only transaction: name the primary, or reset default_transaction"):
        PostgresStore(f"{url}?options={quote('-c default_transaction_read_only=on')}")
