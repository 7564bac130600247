"""Connections to PostgreSQL: texts with characters that it cannot hold, and errors."""

import contextlib
from urllib.parse import quote

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.making import Make
from tests.support.polling import wait_until
from tests.support.ports import free_port
from tests.support.stores import PostgresBackend, existing
from trackd.config.store_url import masked
from trackd.core.documents import Source
from trackd.core.source_changes import AddSource
from trackd.storage.doctor.finding import State
from trackd.storage.errors import StoreError
from trackd.storage.postgres.audit import audit_database, database_checks
from trackd.storage.postgres.connection import Connection, connect
from trackd.storage.postgres.doctor import check_database
from trackd.storage.postgres.store import PostgresStore
from trackd.storage.postgres.texts import packed, unpacked

texts = st.text(st.sampled_from("\0\1\2aé"))


@given(texts, texts)
def test_packed_texts_have_no_nul_and_keep_their_content_and_order(one: str, other: str) -> None:
    assert "\0" not in packed(one)
    assert unpacked((packed(one), packed(other))) == (one, other)
    assert (packed(one) < packed(other)) is (one < other)


def test_parameters_of_any_form_are_packed() -> None:
    assert packed({"a": ["x\0", 1, None], "b": "\1"}) == {"a": ["x\1\1", 1, None], "b": "\1\2"}


def test_a_server_that_does_not_answer_is_an_error_without_the_password() -> None:
    with pytest.raises(StoreError, match=r"no connection to postgresql://me:\*\*\*@127.0.0.1") as raised:
        connect(f"postgresql://me:secret@127.0.0.1:{free_port()}/trackd")
    assert "secret" not in str(raised.value)


def test_a_url_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(StoreError, match="is no URL of PostgreSQL"):
        connect("postgresql://me:secret@host/?unknown=1")


@pytest.mark.parametrize("rest", ["secret@[::1", "secret@[]", "secret@[::1]secret", "sec%00ret@host", "sec ret@host"])
def test_the_fault_of_a_url_is_named_without_its_password(rest: str) -> None:
    url = f"postgresql://me:{rest}/trackd"
    with pytest.raises(StoreError, match=r"is no URL of PostgreSQL: [^:]*(URI|value|spaces)") as raised:
        connect(url)
    [finding] = check_database(url)
    assert "ret" not in f"{raised.value} {finding.found}".replace(masked(url), "")


def test_a_read_after_the_connection_was_lost_opens_another(postgres_backend: PostgresBackend) -> None:
    connection = Connection(postgres_backend.url)
    [(pid,)] = connection.read("SELECT pg_backend_pid()")
    postgres_backend.db.rows("SELECT pg_terminate_backend(%s, 10000)", [pid])

    assert connection.read("SELECT 1") == [(1,)]
    connection.close()


@pytest.mark.parametrize("pipelined", [False, True])
def test_a_transaction_whose_connection_was_lost_does_not_go_on_on_another_one(
    postgres_backend: PostgresBackend, pipelined: bool
) -> None:
    connection = Connection(postgres_backend.url)
    [(pid,)] = connection.rows("SELECT pg_backend_pid()")

    def lose_it_and_go_on() -> None:
        with connection.transaction(pipelined=pipelined):
            connection.run("BEGIN")
            connection.rows("SELECT 1")
            postgres_backend.db.rows("SELECT pg_terminate_backend(%s, 10000)", [pid])
            with contextlib.suppress(psycopg.Error):
                connection.rows("SELECT 1")
            connection.run("UPDATE heartbeat SET beats = 7777")

    with pytest.raises(psycopg.OperationalError):
        lose_it_and_go_on()
    connection.close()

    assert postgres_backend.db.rows("SELECT count(*) FROM heartbeat WHERE beats = 7777") == [(0,)]


def test_within_a_transaction_the_server_takes_a_node_that_does_nothing_for_idle(
    postgres_backend: PostgresBackend,
) -> None:
    connection = Connection(postgres_backend.url)
    [(pid,)] = connection.rows("SELECT pg_backend_pid()")
    state = "SELECT state FROM pg_stat_activity WHERE pid = %s"

    with connection.transaction(pipelined=True):
        connection.run("BEGIN")
        connection.rows_of(("SELECT 1", ()), ("SELECT 2", ()))
        wait_until(lambda: postgres_backend.db.rows(state, [pid]) == [("idle in transaction",)])
        connection.run("ROLLBACK")
    connection.close()


def test_the_server_ends_the_session_of_a_node_whose_machine_is_gone(postgres_backend: PostgresBackend) -> None:
    with contextlib.closing(Connection(postgres_backend.url)) as connection:
        names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count")
        assert [connection.rows(f"SHOW {name}") for name in names] == [[("10",)], [("5",)], [("3",)]]


def test_a_stream_that_ends_early_leaves_the_connection_usable(postgres_backend: PostgresBackend) -> None:
    for row in postgres_backend.db.stream("SELECT generate_series(1, 1000000)"):
        assert row == (1,)
        break
    assert postgres_backend.db.rows("SELECT 2") == [(2,)]


ODD = {
    "standard_conforming_strings": "off",
    "DateStyle": "German",
    "TimeZone": "Asia/Kathmandu",
    "extra_float_digits": "-15",
    "default_transaction_isolation": "serializable",
    "statement_timeout": "250",
    "lock_timeout": "250",
    "idle_session_timeout": "250",
    "synchronous_commit": "off",
}


def test_settings_of_the_user_and_the_url_do_not_change_what_is_stored_and_read(
    postgres_backend: PostgresBackend, make: type[Make]
) -> None:
    options = quote(" ".join(f"-c {name}={value}" for name, value in ODD.items()))
    url = f"{postgres_backend.url}?client_encoding=latin1&options={options}"
    with contextlib.closing(PostgresStore(url)) as store, contextlib.closing(store.listings()) as listings:
        store.commit([make.change("é€", events=1, event={"id": "\U0001f642", "properties": '{"a":"\\u0000"}'})])
        store.commit([AddSource(Source("shop", "The shop", rate_limit=0.1))])
        store._reader.rows("SELECT pg_sleep(0.3)")

        assert existing(store.profile("é€")).seq == 1
        assert [event.id for event in postgres_backend.events()] == ["\U0001f642"]
        assert listings.event("\U0001f642") == postgres_backend.listings.event("\U0001f642")
        assert [source.rate_limit for source in store.sources()] == [0.1]
        assert listings.segment_members() == {}
    assert [find for find in audit_database(url, database_checks(rules_change_counters=True)) if find.number] == []
    states = {find.check: find.state for find in check_database(url)}
    assert State.FAULT not in {states[check] for check in ("clock", "tables", "encoding")}
