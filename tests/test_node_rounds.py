"""Two nodes on one PostgreSQL, of which one is killed or stopped, or the database: what was answered is stored once."""

from pathlib import Path

import pytest

from tests.node_rounds import KINDS, Round, pair_of_nodes

PAUSE_S = 6.0  # longer than a transaction of the stopped node lasts


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_answered_is_lost_doubled_or_out_of_order(tmp_path: Path, kind: str) -> None:
    with pair_of_nodes(tmp_path) as (nodes, cluster):
        history, verdict = await Round(nodes, cluster, kind, PAUSE_S).run(seed=1)

    assert verdict.counts == {}
    assert verdict.read_back
    assert len(history) > 0
