"""The sentences of `trackd tail --url` when there is no feed at the address."""

import socket
import subprocess
from collections.abc import Callable

import pytest

from tests.support.feed_answers import Answers

Result = subprocess.CompletedProcess[str]
Trackd = Callable[..., Result]
Sentence = Callable[[Result, int], str]


@pytest.mark.parametrize(
    ("status", "body", "token", "shown"),
    [
        (401, b'{"detail":"Not authenticated"}', "", "asks for a token: set TRACKD_TOKEN, or name one with --token."),
        (401, b"{}", "trackd_x", "does not accept the token: it is unknown, expired or revoked."),
        (
            401,
            b"<!doctype html>",
            "trackd_x",
            "answers 401, but not as a feed of trackd does: name the address of trackd",
        ),
        (403, b"{}", "trackd_x", "does not allow this token to read: it needs the scope read."),
        (404, b"", "", "name the address of trackd, in a version that has feeds."),
        (410, b'{"detail":{"reason":"This position is of another database: go"}}', "", ": this position is of another"),
        (422, b'{"detail":[{"loc":["query","kinds"],"msg":"no such kind"}]}', "", "answers 422: no such kind."),
        (503, b'{"detail":"64 feeds are read now."}', "", "answers 503 (64 feeds are read now)."),
        (308, b"", "", "leads to https://other.example/feed: name that address."),
        (500, b"[" * 3_000, "", "answers 500: no JSON."),
        (200, b"<html>", "", "sends no lines of a feed: name the address of trackd."),
        (200, b"<html>\n", "", "sends no records of a feed: name the address of trackd."),
    ],
)
def test_an_answer_without_records_is_named(
    server: Answers, trackd: Trackd, sentence: Sentence, status: int, body: bytes, token: str, shown: str
) -> None:
    is_page = body in (b"<html>", b"<!doctype html>")
    headers = {"location": "https://other.example/feed", "www_authenticate": "Bearer"}
    if is_page:
        headers = {"content_type": "text/html"}
    server.add(body, status, **headers)

    assert shown in sentence(trackd("tail", "--url", server.url, TRACKD_TOKEN=token), 1)


def test_nobody_at_the_address_is_named(trackd: Trackd, sentence: Sentence) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert sentence(trackd("tail", "--url", url), 1) == f"{url} cannot be read (Connection refused)."
        url = url.replace("http", "https")
        assert "cannot be read" in sentence(trackd("tail", "--url", url), 1)
    assert "is no address of a server" in sentence(trackd("tail", "--url", "ftp://x"), 2)
