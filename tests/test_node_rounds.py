"""Two nodes on PostgreSQL, and what may befall them: what was answered is stored once."""

from pathlib import Path

import pytest

from tests.node_faults import KINDS, PLACES
from tests.node_rounds import Round

PAUSE_S = 6.0  # longer than a transaction of the stopped node lasts


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_answered_is_lost_doubled_or_out_of_order(tmp_path: Path, kind: str) -> None:
    with PLACES[kind](tmp_path, PAUSE_S) as place:
        history, verdict = await Round(place, kind).run(seed=1)

    assert verdict.counts == {}
    assert verdict.read_back
    assert len(history) > 0
