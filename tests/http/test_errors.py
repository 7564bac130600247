"""Error answers: their status, body and headers, and their log lines."""

import json
import logging
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.responses import Response

from trackd.actors.messages import Failed, Reason, Refused
from trackd.core.calls import Rejected, Track
from trackd.http.clients import Peer
from trackd.http.errors import (
    DETAIL,
    STATUS,
    ErrorAnswers,
    HttpError,
    failed,
    invalid,
    not_ready,
    refused,
    rejected,
    too_large,
    unsupported,
)

TOO_MUCH = Rejected(7, too_much="events.3 (my-type), the rule `r`")
CALL = Track(7, "my-source", "x", "2026-01-31T12:00:00.000000Z", origin="https://other.example")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Errors:
    """The error answers, at a time of the test's choice."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._answers = ErrorAnswers(monotonic=self.clock)

    def answer(self, error: HTTPException, peer: Peer | None = None) -> Response:
        return self._answers.answer(error, peer)

    def fault(self) -> Response:
        return self._answers.fault()


@pytest.fixture
def errors() -> Errors:
    return Errors()


def detail(response: Response) -> Any:
    assert response.headers["content-type"] == "application/json"
    body = json.loads(bytes(response.body))
    assert list(body) == ["detail"]
    return body["detail"]


def test_every_reason_has_a_status_and_a_detail_and_nothing_else_has() -> None:
    assert set(STATUS) == set(DETAIL) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_every_refusal_is_answered_with_a_sentence(reason: Reason, errors: Errors) -> None:
    error = refused(Refused(7, reason), CALL)
    response = errors.answer(error)
    assert response.status_code == error.status_code == STATUS[reason]
    sentence = detail(response)
    assert sentence.endswith(".")
    assert not {"{", "}"} & set(sentence)


@pytest.mark.parametrize(
    ("reason", "status", "sentence"),
    [
        (Reason.UNKNOWN_SOURCE, 401, "Invalid event source `my-source`."),
        (Reason.DISABLED_SOURCE, 401, "Event source disabled."),
    ],
)
def test_a_source_that_may_not_send_is_refused_with_the_contracts_sentence(
    reason: Reason, status: int, sentence: str
) -> None:
    error = refused(Refused(7, reason), CALL)
    assert (error.status_code, error.detail) == (status, sentence)


@pytest.mark.parametrize(
    ("reason", "status"), [(Reason.FOREIGN_ORIGIN, 403), (Reason.RATE_LIMITED, 429), (Reason.OVERLOADED, 503)]
)
def test_other_refusals_have_the_contracts_status(reason: Reason, status: int) -> None:
    assert refused(Refused(7, reason), CALL).status_code == status


def test_a_foreign_origin_is_named() -> None:
    assert "`https://other.example`" in refused(Refused(7, Reason.FOREIGN_ORIGIN), CALL).detail


def test_the_source_id_of_a_client_is_repeated_unchanged() -> None:
    call = Track(7, "{origin} {0} {", "x", "2026-01-31T12:00:00.000000Z")
    assert refused(Refused(7, Reason.UNKNOWN_SOURCE), call).detail == "Invalid event source `{origin} {0} {`."


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.01, "2"), (90.5, "91")])
def test_the_time_to_wait_is_sent_in_whole_seconds_and_never_zero(seconds: float, header: str, errors: Errors) -> None:
    response = errors.answer(refused(Refused(7, Reason.RATE_LIMITED, seconds), CALL))
    assert response.headers["retry-after"] == header


def test_no_time_to_wait_is_sent_where_sending_again_cannot_help(errors: Errors) -> None:
    assert "retry-after" not in errors.answer(refused(Refused(7, Reason.UNKNOWN_SOURCE), CALL)).headers


def test_each_other_error_has_its_status(errors: Errors) -> None:
    faults = [{"loc": ["body", "events", 0, "type"], "msg": "Field required", "type": "missing"}]
    for error, status, sentence in (
        (too_large("body", "5 bytes"), 413, "The body is over the limit of 5 bytes."),
        (unsupported("No."), 415, "No."),
        (invalid(faults), 422, faults),
        (not_ready("Not yet."), 503, "Not yet."),
        (failed(Failed(7)), 500, "The server failed on this call; nothing of it was stored."),
        (HTTPException(404), 404, "Not Found"),
        (HTTPException(405, headers={"allow": "POST"}), 405, "Method Not Allowed"),
    ):
        response = errors.answer(error)
        assert (response.status_code, detail(response)) == (status, sentence)


def test_the_headers_of_an_error_are_sent(errors: Errors) -> None:
    assert errors.answer(HTTPException(405, headers={"allow": "POST"})).headers["allow"] == "POST"


def test_a_fault_of_the_server_reveals_nothing(errors: Errors) -> None:
    response = errors.fault()
    assert (response.status_code, detail(response)) == (500, "Internal Server Error")


def test_a_class_of_refusals_is_logged_once_and_again_after_a_minute_with_their_number(
    errors: Errors, caplog: pytest.LogCaptureFixture
) -> None:
    error = too_large("body", "5 bytes")
    for seconds in (0, 1, 58.9, 0.2, 59.9, 0.1):
        errors.clock.now += seconds
        errors.answer(error)
    errors.clock.now += 3600
    errors.answer(error)
    assert caplog.messages == [
        "refused with 413, too large: The body is over the limit of 5 bytes.",
        "refused with 413, too large (2 more since the last such line): The body is over the limit of 5 bytes.",
        "refused with 413, too large (1 more since the last such line): The body is over the limit of 5 bytes.",
        "refused with 413, too large: The body is over the limit of 5 bytes.",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_each_class_of_refusals_has_its_own_line(errors: Errors, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        for reason in Reason:
            errors.answer(refused(Refused(7, reason), CALL))
        errors.answer(HTTPException(404))
        errors.answer(HTTPException(405))
        errors.answer(invalid([]))
    assert len(caplog.messages) == len(Reason) + 3
    assert all(any(f", {reason.value}: " in message for message in caplog.messages) for reason in Reason)


def test_refusals_of_one_class_share_a_line_for_all_clients(errors: Errors, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(50):
        call = Track(number, f"source-{number}", "x", "2026-01-31T12:00:00.000000Z")
        errors.answer(refused(Refused(number, Reason.UNKNOWN_SOURCE), call))
    [line] = caplog.messages
    assert line == "refused with 401, unknown source: Invalid event source `source-0`. (source `source-0`)"


def test_a_server_that_is_not_ready_yet_does_not_fill_the_log(errors: Errors, caplog: pytest.LogCaptureFixture) -> None:
    assert errors.answer(not_ready("Not yet.")).status_code == 503
    assert caplog.messages == []


def test_a_log_line_is_short_even_when_a_client_sent_a_long_text(
    errors: Errors, caplog: pytest.LogCaptureFixture
) -> None:
    errors.answer(HttpError(422, "invalid", "x" * 100_000))
    assert len(caplog.messages[0]) < 400


def test_a_log_line_names_source_and_client_whatever_the_length_of_the_rest(
    errors: Errors, caplog: pytest.LogCaptureFixture
) -> None:
    errors.answer(HttpError(422, "invalid", "x" * 100_000, source="shop"), ("203.0.113.7", 4711))
    assert caplog.messages[0].endswith("x (source `shop`, from 203.0.113.7 in 203.0.113.0/24)")


def test_a_client_cannot_write_a_second_line_to_the_log(errors: Errors, caplog: pytest.LogCaptureFixture) -> None:
    call = Track(7, "a`.\nINFO all is well\x1b[2J", "x", "2026-01-31T12:00:00.000000Z")
    errors.answer(refused(Refused(7, Reason.UNKNOWN_SOURCE), call))
    assert caplog.messages[0].isprintable()


@pytest.mark.parametrize(
    ("source_id", "shown"),
    [
        ("my-source", True),
        ("shop.de:2026_b", True),
        ("3ee63fc6-490a-4fd8-bfb3-bf0c8c8d3387", True),
        ("11111111-2222-3333-4444-555555555555", True),
        ("ann@example.com", False),
        ("4111-1111-1111-1111", False),
        ("x4111111111111111", False),
        ("trackd_secret", False),
        ("Ann Smith", False),
        ("Žofie", False),
        ("x" * 65, False),
    ],
)
def test_the_id_of_an_unknown_source_is_logged_when_it_cannot_be_another_thing(source_id: str, shown: bool) -> None:
    error = refused(Refused(7, Reason.UNKNOWN_SOURCE), Track(7, source_id, "x", "2026-01-31T12:00:00.000000Z"))
    assert (source_id in str(error.detail), source_id in str(error.note)) == (True, shown)


def test_too_much_work_is_413_with_what_was_too_much_and_the_log_has_nothing_of_the_client(
    errors: Errors, caplog: pytest.LogCaptureFixture
) -> None:
    answer = errors.answer(rejected(TOO_MUCH, CALL))
    assert answer.status_code == 413
    assert detail(answer) == (
        "The call takes more work than limits.max_call_work allows, at events.3 (my-type), the rule `r`. "
        "Nothing of it is stored: send its events in several calls, or smaller ones."
    )
    assert caplog.messages == ["refused with 413, too much work: limits.max_call_work (source `my-source`)"]


def test_too_long_ids_are_413_with_what_they_would_write(errors: Errors) -> None:
    answer = errors.answer(rejected(Rejected(7, too_long_ids="its ids take 5 bytes"), CALL))
    assert answer.status_code == 413
    assert detail(answer) == (
        "The call is not stored: its ids take 5 bytes. Send its events in several calls, or shorter ids."
    )
