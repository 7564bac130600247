"""The parameters of the feed, without a server."""

from typing import Any

import pytest
from starlette.requests import Request

from trackd.core.feed_cursor import Cursor
from trackd.http.errors import HttpError
from trackd.http.feed.query import feed_query
from trackd.storage.feed import ERASED, EVENT, REFUSAL, FeedFilter, Form, Start

HISTORY = "0123456789abcdef"
CURSOR = Cursor(HISTORY, 7)


def request(query: str = "", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/feed", "query_string": query.encode(), "headers": raw})


@pytest.mark.parametrize(
    ("query", "start"),
    [
        ("", Start.NOW),
        ("after=0", Start.OLDEST),
        (f"after={CURSOR.text}", CURSOR),
        (f"after={CURSOR.text}.r9", Cursor(HISTORY, 7, 9)),
    ],
)
def test_the_start_is_now_the_oldest_record_or_a_cursor(query: str, start: Cursor | Start) -> None:
    parameters, form = feed_query(request(query))

    assert (parameters.start(), form) == (start, Form.LINES)


def test_the_last_event_id_of_a_browser_wins_over_after_and_is_ignored_for_lines() -> None:
    events, form = feed_query(request("after=0", accept="text/event-stream", last_event_id=CURSOR.text))
    lines, _ = feed_query(request("after=0", last_event_id=CURSOR.text))

    assert (events.start(), form, lines.start()) == (CURSOR, Form.EVENTS, Start.OLDEST)


def test_kinds_are_those_that_are_named() -> None:
    assert feed_query(request("kinds=erased&profile=A"))[0].matching() == FeedFilter((ERASED,), profile="A")
    assert feed_query(request("kinds=refusal,event"))[0].matching() == FeedFilter((EVENT, REFUSAL))
    assert feed_query(request("kinds=event,position"))[0].matching() == FeedFilter((EVENT,))
    assert feed_query(request())[0].matching() == FeedFilter((EVENT, ERASED))


@pytest.mark.parametrize("query", ["limit=1", "wait=0", "limit=1&wait=2"])
def test_server_sent_events_have_no_end(query: str) -> None:
    with pytest.raises(HttpError) as refused:
        feed_query(request(query, accept="text/event-stream"))

    assert refused.value.status_code == 422


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("text/event-stream", Form.EVENTS),
        ("Text/Event-Stream; charset=utf-8", Form.EVENTS),
        ("text/html, text/event-stream;q=0.9, */*;q=0.1", Form.EVENTS),
        ("application/x-ndjson, text/event-stream", Form.EVENTS),
        ("application/x-ndjson;q=0.5, text/event-stream; q=0.7", Form.EVENTS),
        ("application/x-ndjson, text/event-stream;q=0.5", Form.LINES),
        ("text/event-stream;q=0, */*", Form.LINES),
        ("text/event-stream;q=0.000", Form.LINES),
        ("text/event-streams", Form.LINES),
        ("application/json", Form.LINES),
        ("text/*", Form.LINES),
        ("*/*", Form.LINES),
        ("", Form.LINES),
    ],
)
def test_the_form_is_that_which_the_client_prefers(accept: str, form: Form) -> None:
    assert feed_query(request(accept=accept))[1] is form


def test_the_form_may_be_named_in_any_line_of_the_header() -> None:
    lines = [(b"accept", b"application/json"), (b"accept", b"text/event-stream")]
    scope = {"type": "http", "method": "GET", "path": "/feed", "query_string": b"", "headers": lines}

    assert feed_query(Request(scope))[1] is Form.EVENTS


def test_a_parameter_that_is_there_twice_is_refused() -> None:
    with pytest.raises(HttpError) as refused:
        feed_query(request("type=a&after=0&type=b&after=0"))

    assert refused.value.status_code == 422
    faults: Any = refused.value.detail
    assert [fault["loc"] for fault in faults] == [["query", "after"], ["query", "type"]]
