"""The settings of a Unix socket."""

from typing import Any

import pytest
from pydantic import ValidationError

from trackd.config.settings import Server
from trackd.config.unix_sockets import MAX_PATH_BYTES


def fault(**settings: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        Server(**settings)
    return str(refused.value.errors()[0]["msg"])


def test_a_path_that_the_system_would_refuse_is_a_fault() -> None:
    longest = "ü" * (MAX_PATH_BYTES // 2) + "x"
    assert Server(uds=longest).uds == longest
    assert "longer than 103 bytes" in fault(uds=longest + "x")
    assert "NUL" in fault(uds="\0abstract")


@pytest.mark.parametrize("mode", ["660", "0600"])
def test_a_mode_is_three_octal_digits(mode: str) -> None:
    assert Server(uds_mode=mode).uds_mode == mode


@pytest.mark.parametrize("mode", ["", "0o660", "0680", "66", "1660", "rw-rw----", 660])
def test_another_mode_is_a_fault(mode: object) -> None:
    assert fault(uds_mode=mode)
