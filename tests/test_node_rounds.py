"""Two nodes on PostgreSQL, and what may befall them: what was answered is stored once."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.node_faults import Place, behind_proxy, on_one_server, with_standby
from tests.node_rounds import Round

PAUSE_S = 6.0  # longer than a transaction of the stopped node lasts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make_place", "kinds"),
    [
        (on_one_server, ["node", "database", "both", "pause"]),
        (behind_proxy, ["cut-after", "silent"]),
        (with_standby, ["failover"]),
    ],
)
async def test_nothing_answered_is_lost_doubled_or_out_of_order(
    tmp_path: Path, make_place: Callable[[Path, float], AbstractContextManager[Place]], kinds: list[str]
) -> None:
    with make_place(tmp_path, PAUSE_S) as place:
        for kind in kinds:
            history, verdict = await Round(place, kind).run(seed=1)

            assert verdict.counts == {}, kind
            assert verdict.read_back
            assert len(history) > 0
