from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Result
from tests.support.database import rows
from trackd.storage.sqlite.sources import Sources


def test_a_confirmation_of_the_clock_is_written_and_reports_whether_the_retention_was_stopped(
    trackd: Callable[..., Result], tmp_path: Path
) -> None:
    with Sources(tmp_path / "trackd.db", create=True):
        pass

    done = trackd("retention", "confirm")

    assert done.returncode == 0
    assert done.stdout.startswith("Confirmed the clock, it is 2")
    assert done.stdout.endswith(" UTC: the retention was not stopped.\n")
    [row] = rows(tmp_path / "trackd.db", "SELECT stopped_after, confirmed FROM retention")
    assert row["stopped_after"] is None
    assert row["confirmed"].startswith(done.stdout.split(" is ")[1].replace(" ", "T", 1)[:16])


def test_without_a_database_there_is_nothing_to_confirm(
    trackd: Callable[..., Result], sentence: Callable[..., str], tmp_path: Path
) -> None:
    assert sentence(trackd("retention", "confirm"), 1).startswith(f"There is no database {tmp_path}/trackd.db:")
    assert list(tmp_path.iterdir()) == []
