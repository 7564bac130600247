from collections.abc import Callable
from typing import Any

import pytest
from thespian.actors import ActorAddress

from tests.support.bare_actors import BareActors, StartActors
from tests.support.making import Make
from trackd.actors.base import BaseActor
from trackd.actors.messages import Answered, Failed, Reason, Refused, Tick
from trackd.core.calls import Track
from trackd.storage.errors import DamagedRowError, StoreError


class Fragile(BaseActor):
    """Raises the error that the session's id names, and keeps the messages in `seen`."""

    seen: list[Any]

    @classmethod
    def handlers(cls) -> dict[Any, Callable[..., Any]]:
        return {Track: cls.track, Tick: cls.tick, Answered: cls.tick}

    def track(self, call: Track) -> None:
        self.seen.append(call.number)
        if call.session_id == "fault":
            raise ZeroDivisionError("ours")
        if call.session_id == "store":
            raise StoreError("the disk's")
        if call.session_id == "damaged":
            raise DamagedRowError("the disk's")
        self.answer(Refused(call.number, Reason.OVERLOADED))

    def tick(self, message: Answered | Tick) -> None:
        self.seen.append(message)
        raise ZeroDivisionError("ours")


def fragile(start_actors: StartActors) -> tuple[BareActors, ActorAddress, list[Any]]:
    """The actors, the address of a fragile one among them, and the list of its messages."""
    seen: list[Any] = []
    actors = start_actors(Make.store())
    address = actors.create(type("Fragile", (Fragile,), {"seen": seen}))
    actors.tell(address, actors.wiring)
    return actors, address, seen


def test_a_handler_that_raises_runs_once_and_its_caller_gets_an_answer(
    start_actors: StartActors, caplog: pytest.LogCaptureFixture
) -> None:
    actors, address, seen = fragile(start_actors)
    call = Make.call("fault")

    actors.tell(address, call)

    assert actors.answers == {call.number: Failed(call.number)}
    assert seen == [call.number]
    assert caplog.text.endswith("\nZeroDivisionError\n"), "its message may quote values of the call"


def test_a_store_that_fails_is_not_reported_as_a_fault(
    start_actors: StartActors, caplog: pytest.LogCaptureFixture
) -> None:
    actors, address, seen = fragile(start_actors)
    call = Make.call("store")

    actors.tell(address, call)

    assert actors.answers == {call.number: Refused(call.number, Reason.STORE_FAILED, 1.0)}
    assert seen == [call.number]
    assert "the disk's" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_damaged_row_is_no_failure_of_the_store_and_no_fault_of_the_code(
    start_actors: StartActors, caplog: pytest.LogCaptureFixture
) -> None:
    actors, address, _ = fragile(start_actors)
    call = Make.call("damaged")

    actors.tell(address, call)

    assert actors.answers == {call.number: Failed(call.number, is_damage=True)}
    assert "Fragile raised on Track, a stored row that it needs is damaged: `trackd verify` names it" in caplog.text
    assert "Traceback" not in caplog.text


def test_an_actor_that_raised_takes_the_next_message(start_actors: StartActors) -> None:
    actors, address, _ = fragile(start_actors)
    calls = [Make.call(session) for session in ("fault", "well", "fault", "well")]

    for call in calls:
        actors.tell(address, call)

    kinds = [type(actors.answers[call.number]) for call in calls]
    assert kinds == [Failed, Refused, Failed, Refused]


def test_a_fault_on_a_message_that_is_no_request_is_only_logged(
    start_actors: StartActors, caplog: pytest.LogCaptureFixture
) -> None:
    actors, address, seen = fragile(start_actors)

    actors.tell(address, Tick())

    assert seen == [Tick()]
    assert actors.answers == {}
    assert "Fragile raised on Tick" in caplog.text


def test_a_failed_is_not_answered_with_a_failed(start_actors: StartActors) -> None:
    actors, address, seen = fragile(start_actors)
    failed = Answered((Failed(7),))

    actors.tell(address, failed)

    assert seen == [failed]
    assert actors.answers == {}


def test_a_message_without_a_handler_is_logged_and_a_call_is_answered(
    start_actors: StartActors, caplog: pytest.LogCaptureFixture
) -> None:
    actors, _, _ = fragile(start_actors)
    call = Make.call()

    actors.tell(actors.wiring.event_writer, "nonsense")
    actors.tell(actors.wiring.directory, call)

    assert actors.answers == {call.number: Failed(call.number)}
    assert "EventWriter raised on str" in caplog.text


def test_the_end_of_an_actor_logs_nothing(start_actors: StartActors, caplog: pytest.LogCaptureFixture) -> None:
    actors, _, seen = fragile(start_actors)

    actors.close()

    assert seen == []
    assert caplog.records == []
