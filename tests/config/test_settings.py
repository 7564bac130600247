from typing import Any

import pytest

from trackd.config.load import load


@pytest.mark.parametrize(
    ("host", "hosts"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("::, 0.0.0.0", ["::", "0.0.0.0"]),
        (" [::1] ,127.0.0.1, ", ["::1", "127.0.0.1"]),
        (["::", "0.0.0.0"], ["::", "0.0.0.0"]),
    ],
)
def test_several_hosts_are_separated_by_commas_or_are_a_list(host: Any, hosts: list[str]) -> None:
    assert load({"server": {"host": host}}).settings.server.hosts == hosts
