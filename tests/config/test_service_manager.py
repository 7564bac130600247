"""The variables of a service manager: read once, by the process that they are for."""

import pytest

from trackd.config.service_manager import VARIABLES, Handover, take_handover

PID = 4711
SOCKETS = {"LISTEN_FDS": "2", "LISTEN_PID": str(PID)}


def taken(**variables: str) -> Handover:
    environment = {"PATH": "/bin", **variables}
    handover = take_handover(environment, PID)
    assert environment == {"PATH": "/bin"}  # children receive none of them
    return handover


def test_without_a_service_manager_there_is_nothing() -> None:
    assert taken() == Handover()
    assert taken(**dict.fromkeys(VARIABLES, "")) == Handover()


def test_sockets_have_their_names_or_numbers() -> None:
    assert taken(**SOCKETS).socket_names == ("number 1", "number 2")
    assert taken(**SOCKETS, LISTEN_FDNAMES="http:local").socket_names == ("http", "local")
    assert taken(**SOCKETS, LISTEN_FDNAMES=":local:more").socket_names == ("number 1", "local")


def test_sockets_for_another_process_are_ignored_with_a_warning() -> None:
    for pid in ({"LISTEN_PID": "4712"}, {"LISTEN_PID": ""}):
        handover = taken(**{**SOCKETS, **pid})
        assert handover.socket_names == ()
        [warning] = handover.warnings
        assert "handed over 2 sockets" in warning
    assert taken(LISTEN_FDS="0", LISTEN_PID="4712") == Handover()


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(PID)}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_the_watchdog_counts_for_the_process_that_it_is_for(variables: dict[str, str], seconds: float | None) -> None:
    assert taken(**variables, NOTIFY_SOCKET="/run/n") == Handover("/run/n", seconds)
