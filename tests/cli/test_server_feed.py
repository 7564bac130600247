"""`trackd tail --url`, run as a user does, against servers whose answers are given."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.feed_answers import HISTORY, Answers, line
from tests.support.polling import wait_until
from tests.support.process import TRACKD

Result = subprocess.CompletedProcess[str]
Trackd = Callable[..., Result]


class Tail:
    """A running command, whose stdout and stderr are files."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.out, self._log = folder / "out", folder / "log"
        with self.out.open("wb") as out, self._log.open("wb") as log:
            self.process = subprocess.Popen([TRACKD, "tail", "--json", *options], cwd=folder, stdout=out, stderr=log)

    def ids(self, number: int) -> list[str]:
        """The ids of so many records, when they are there."""
        wait_until(
            lambda: self.out.read_bytes().count(b"\n") >= number or self.process.poll() is not None,
            f"{number} lines are printed",
        )
        assert self.process.poll() is None, self.log
        return [json.loads(each)["id"] for each in self.out.read_bytes().splitlines()]

    @property
    def log(self) -> str:
        return self._log.read_text()


@pytest.fixture
def tail(tmp_path: Path) -> Iterator[Callable[..., Tail]]:
    started: list[Tail] = []

    def start(*options: str) -> Tail:
        started.append(Tail(tmp_path, *options))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()


def test_the_newest_are_followed_by_those_that_come(server: Answers, tail: Callable[..., Tail]) -> None:
    server.add(b"".join(map(line, range(31, 131))) + line(130, "position"))
    server.add(line(131) + line(132, "position"))
    server.add(line(133))

    running = tail("--url", f"{server.url}/prefix/", "--token", "trackd_secret", "--lines", "2", "--type", "a b&c")

    assert running.ids(4) == ["e129", "e130", "e131", "e133"]
    wait_until(lambda: len(server.requests) == 4, "it goes on")
    assert {token for _, token in server.requests} == {"Bearer trackd_secret"}
    queries = [parse_qs(urlsplit(path).query) for path, _ in server.requests]
    assert [query.get("after") for query in queries] == [
        None, [f"1.{HISTORY}.e130"], [f"1.{HISTORY}.e132"], [f"1.{HISTORY}.e133"]
    ]  # fmt: skip
    assert {path.partition("?")[0] for path, _ in server.requests} == {"/prefix/feed"}
    assert queries[0] == {"kinds": ["event,erased,position"], "type": ["a b&c"], "wait": ["0"], "newest": ["100"]}


def test_an_answer_that_breaks_off_and_a_server_that_is_away_are_waited_out(
    server: Answers, tail: Callable[..., Tail]
) -> None:
    server.add(line(1) + line(2)[:40], content_length="1000")
    server.add(b"", status=503, retry_after="0")
    server.add(b"", status=502, content_type="text/html")
    server.add(line(2) + line(3))

    running = tail("--url", server.url, "--after", "0")

    assert running.ids(3) == ["e1", "e2", "e3"]
    assert running.log == f"trackd: the answer of {server.url} is cut off; asking again until it answers.\n"


def test_a_lost_position_later_ends_the_command_after_what_came(server: Answers, tail: Callable[..., Tail]) -> None:
    server.add(line(1))
    server.add(b'{"detail":{"reason":"A backup was restored: go on.","oldest":"x"}}', status=410)

    running = tail("--url", server.url, "--after", "0")

    assert running.process.wait(60) == 1
    assert running.log == (
        f"trackd: Cannot go on at {server.url}: a backup was restored; --after 0 begins with the oldest.\n"
    )
    assert b'"e1"' in running.out.read_bytes()


def test_a_file_besides_the_address_is_refused(trackd: Trackd) -> None:
    result = trackd("tail", "--url", "http://127.0.0.1:1", "--db", "x.db")
    assert (result.returncode, "takes neither --db nor --store" in result.stderr) == (2, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_also_while_nothing_comes(
    server: Answers, tail: Callable[..., Tail], number: signal.Signals
) -> None:
    server.add(line(1))
    running = tail("--url", server.url, "--after", "0")
    running.ids(1)
    running.process.send_signal(number)

    assert (running.process.wait(60), running.log) == (0, "")


def test_a_reader_that_goes_away_ends_the_command(server: Answers, tmp_path: Path) -> None:
    server.add(line(1))
    process = subprocess.Popen(
        [TRACKD, "tail", "--url", server.url, "--after", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stderr
    with process.stdout, process.stderr:
        assert "  shop " in process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 128 + signal.SIGPIPE
        assert process.stderr.read() == ""
