from collections.abc import Callable
from pathlib import Path

import httpx

from tests.bench.filled_file import Filling, fill
from tests.support.database import rows
from tests.support.payloads import payload
from tests.support.process import Process
from trackd.core.documents import Source
from trackd.storage.audit.audit import audit, checks
from trackd.storage.sqlite.sources import Sources

FILLING = Filling(profiles=50, sessions=3, events=4)


def test_a_filled_file_is_sound(tmp_path: Path) -> None:
    file = tmp_path / "filled.db"
    fill(file, FILLING)
    found = list(audit(file, checks(rules_change_counters=False)))
    assert [each.first for each in found if each.number] == []
    assert rows(file, "SELECT count(*) AS n FROM event") == [{"n": FILLING.total}]
    assert rows(file, "SELECT count(*) AS n FROM session") == [{"n": 150}]


def test_calls_go_on_with_the_profiles_of_a_filled_file(serve: Callable[..., Process], tmp_path: Path) -> None:
    file = tmp_path / "filled.db"
    fill(file, FILLING)
    with Sources(file) as sources:
        sources.add(Source("shop", "test"))
    server = serve(db=file)
    answer = httpx.post(f"{server.url}/track", json=payload("s-49", "page-view", source="shop"), timeout=30).json()
    assert answer["debugging"]["events"]["seq"] == [FILLING.sessions * FILLING.events + 1]
    assert rows(file, "SELECT profile_id FROM session WHERE id = 's-49'") == [{"profile_id": answer["profile"]["id"]}]
