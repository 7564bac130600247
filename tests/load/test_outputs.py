"""The outputs of a run: a page, figures and a history."""

import dataclasses
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.load.raw_server import Answer, answering
from tests.load.test_run import Silent
from trackd.load.history_file import write_history
from trackd.load.measures import Interval
from trackd.load.report import report
from trackd.load.run import Plan, Result, run
from trackd.load.summary import lines, summary
from trackd.load.target import Target
from trackd.load.workload import Mix

DOCUMENT = Path(__file__).parents[2] / "docs" / "history.md"
MIX = Mix(clients=8, profiles=10, sessions_per_profile=2, hot=20, retries=30, first_calls=20, seed=1)


def _damage(answer: Answer) -> None:
    if 150 <= answer.call < 160:
        answer.profile = "<b>another</b>"


@pytest.fixture(scope="module")
async def result(anyio_backend: object) -> Result:
    async with answering(_damage) as url:
        return await run(Plan(Target.at(url), "<source>", MIX, 2, calls=200), Silent())


def test_the_page_loads_no_other_resource(result: Result) -> None:
    page = report(result)

    links: list[str | None] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag not in ("script", "link", "img", "iframe")
            links.extend(value for name, value in attrs if name in ("src", "href", "xlink:href"))

    Links().feed(page)
    assert links == []
    assert re.findall(r"@import|url\((?!#)", page) == []
    assert page.count("<svg") == 4
    assert "<b>another</b>" not in page
    assert "Shortest offending history" in page


def test_the_page_of_a_day_is_as_short_as_that_of_a_minute(result: Result) -> None:
    day = [Interval(float(second), 1.0, 5_000, 0, 5.0, 9.0, 20.0) for second in range(86_400)]
    measures = dataclasses.replace(result.measures, intervals=day)
    assert len(report(dataclasses.replace(result, measures=measures))) < 1_000_000


def test_the_figures_are_one_json_document(result: Result) -> None:
    document = json.loads(json.dumps(summary(result)))
    assert document["answers"] == result.measures.answers > 200
    assert document["options"]["seed"] == 1
    assert sum(document["verdict"]["violations"].values()) > 0
    assert document["verdict"]["read_back"] == "no token was given"
    assert document["verdict"]["shortest"]["attempts"][0]["events"]


def test_the_lines_count_retries_and_failures(result: Result) -> None:
    result.measures.statuses[503] = 2
    text = "\n".join(lines(result))
    assert re.search(r"\d+ calls sent again, \d+ of them after a connection that was cut on purpose", text)
    assert "2 answers 503 (Service Unavailable)" in text


def test_each_process_of_the_history_has_one_call_in_flight_at_a_time(result: Result) -> None:
    file = io.BytesIO()
    write_history(file, result)
    head, *entries, end = map(json.loads, file.getvalue().splitlines())

    assert (head["format"], head["version"], head["options"]["clients"]) == ("trackd history", 1, 8)
    assert end == {"end": True, "attempts": len(result.history)}
    assert [entry["index"] for entry in entries] == list(range(len(entries)))
    assert sorted(entry["time"] for entry in entries) == [entry["time"] for entry in entries]
    in_flight: dict[int, dict[str, Any]] = {}
    ended: set[int] = set()
    first: dict[int, list[int]] = {}
    for entry in entries:
        process, value = entry["process"], entry["value"]
        assert process not in ended
        if entry["type"] == "invoke":
            assert process not in in_flight
            in_flight[process] = value
            continue
        sent = in_flight.pop(process)
        assert sent["call"] == value["call"]
        if entry["type"] == "info":
            ended.add(process)
        else:
            assert len(value["seq"]) == len(sent["events"]) == 2
            assert first.setdefault(value["call"], value["seq"]) == value["seq"]
    assert len(ended) == result.measures.cut
    assert in_flight == {}


def test_the_document_of_the_format_shows_entries_as_they_are_written(result: Result) -> None:
    file = io.BytesIO()
    write_history(file, result)
    written = {_shape(json.loads(line)) for line in file.getvalue().splitlines()}
    blocks = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    shown = {_shape(json.loads(line)) for block in blocks for line in block.splitlines()}
    assert shown - written == {("f read", "index", "process", "time", "type", "value", "events", "profile")}


def _shape(line: dict[str, object]) -> tuple[str, ...]:
    value = line.get("value", {})
    assert isinstance(value, dict)
    return (f"f {line.get('f')}", *sorted(line.keys() - {"f"}), *sorted(value))
