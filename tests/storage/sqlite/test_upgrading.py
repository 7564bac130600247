"""What is logged before and while the tables of an older file are brought up to date."""

import logging
from pathlib import Path

import pytest

from tests.support.older_file import make_older_file
from tests.support.polling import wait_until
from trackd.storage.sqlite.database import lacking_migrations, open_for_writing
from trackd.storage.sqlite.file_format import MIGRATIONS
from trackd.storage.sqlite.upgrading import LEAST_BYTES, Upgrade, room_for_upgrade


def test_the_room_depends_on_the_file_and_on_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "trackd.db"
    path.write_bytes(bytes(1_000_000))
    assert room_for_upgrade(path, {"jobs", "tokens"}) == LEAST_BYTES
    assert room_for_upgrade(path, {"personal_data_by_value", "jobs"}) == LEAST_BYTES + 1_000_000
    assert room_for_upgrade(path, MIGRATIONS) == LEAST_BYTES + 3_250_000


def test_the_room_that_is_needed_is_logged_before(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "trackd.db"
    make_older_file(path)
    lacking = lacking_migrations(path, new=False)
    caplog.set_level(logging.INFO)
    open_for_writing(path).close()
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"{path} is of an older trackd: its tables are brought up to date in one transaction")
    assert f"({len(lacking)} changes), which needs up to 5 MB of free disk, and " in line
    caplog.clear()
    open_for_writing(path).close()
    open_for_writing(tmp_path / "new.db").close()
    assert caplog.records == []


def test_a_lack_of_room_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "trackd.db"
    with path.open("wb") as file:
        file.truncate(1 << 42)  # it takes no room itself
    with Upgrade(path, {"personal_data_by_value"}):
        pass
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_long_one_has_lines_of_its_progress(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "trackd.db"
    path.touch()
    with Upgrade(path, {"jobs", "tokens", "refusals"}, first_line_s=0.01, pause_s=0.01) as upgrade:
        for step in ("jobs", "tokens"):
            upgrade.begin(step)
        wait_until(lambda: len(caplog.records) > 2, "lines are logged")
    assert "1 of 3 changes are done, tokens is under way" in caplog.records[-1].getMessage()
