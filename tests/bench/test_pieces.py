from pathlib import Path

import uvloop

from tests.bench.payloads import SOURCE_ID
from tests.bench.pieces import in_process
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources


def test_every_piece_of_a_call_is_measured(tmp_path: Path) -> None:
    db = tmp_path / "trackd.db"
    with Sources(db, create=True) as sources:
        sources.add(Source(SOURCE_ID, "test"))
    found = uvloop.run(in_process(db, 64))
    assert {each.process for each in found} == {"server", "writer"}
    assert all(each.cpu_us > 0 for each in found)
