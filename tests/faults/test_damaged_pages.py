"""Pages that are damaged while no server looks, met by a real server: it stops to write, and is not ready."""

from collections.abc import Callable

import httpx

from tests.faults.real_server import RealServer
from tests.support.database import rows
from tests.support.polling import wait_until

Start = Callable[..., RealServer]
PAGE = 4096


def test_a_server_that_meets_damaged_pages_is_not_ready_and_reports_them_once(start: Start) -> None:
    first = start()
    for number in range(30):
        assert first.call("t", session=f"s-{number}").status_code == 200
    first.log()  # stops it
    [page] = rows(first.db, "SELECT rootpage FROM sqlite_schema WHERE name = 'session_by_profile'")
    with first.db.open("rb+") as file:
        file.seek((page["rootpage"] - 1) * PAGE + 3)
        file.write(b"\xff\xff")  # more cells than a page holds

    server = start()
    assert server.call("t", session="new").status_code == 503

    def is_not_ready() -> bool:
        return httpx.get(f"{server.url}/ready").status_code == 503

    wait_until(is_not_ready, "the pages are checked")
    for number in range(30):
        refused = server.call("t", session=f"s-{number}")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert httpx.get(f"{server.url}/healthcheck").status_code == 200
    log = server.log(code=1)
    assert log.count("calls are answered 503") == 1
    assert "is damaged" in log
    assert "`trackd restore BACKUP" in log
    assert "Traceback" not in log
    assert log.splitlines()[-1].startswith(f"trackd: {server.db} is damaged")
    assert "every call that was answered is on disk" not in log
