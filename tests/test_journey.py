"""The way of events through trackd, as its users see it. Read this first."""

import json
import re
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import httpx

from tests.support.database import rows
from tests.support.payloads import SOURCE_ID, bearer, payload
from tests.support.process import TRACKD, Process

Serve = Callable[..., Process]
"""Starts `trackd serve` on the test's one database file, with the source SOURCE_ID unless source=False."""


def test_the_first_start_makes_a_source_and_prints_a_curl_that_works(serve: Serve) -> None:
    server = serve(source=False)
    curl = next(line for line in server.greeting if line.strip().startswith("curl "))
    answer = json.loads(subprocess.check_output(["sh", "-c", curl.replace("curl", "curl --silent --fail")]))
    assert answer["debugging"]["events"]["saved"] == 1
    assert rows(server.db, "SELECT type, profile_id FROM event") == [
        {"type": "page-view", "profile_id": answer["profile"]["id"]}
    ]


def test_the_first_start_makes_a_token_and_prints_a_curl_that_works_with_it(serve: Serve) -> None:
    server = serve(source=False)
    curl = [line for line in server.greeting if line.strip().startswith("curl ")][-1]
    answer = json.loads(subprocess.check_output(["sh", "-c", curl.replace("curl", "curl --silent --fail")]))
    assert answer["version"] == version("trackd")
    assert httpx.get(f"{server.url}/info/version", timeout=30).status_code == 401
    assert httpx.get(f"{server.url}/info/version", headers=bearer(server.token), timeout=30).status_code == 200


def test_events_are_posted_stored_and_answered(serve: Serve) -> None:
    server = serve()
    first = httpx.post(f"{server.url}/track", json=payload("s-1", "page-view", "product-in-basket"), timeout=30).json()
    profile_id = first["profile"]["id"]
    again = httpx.post(
        f"{server.url}/track", json=payload("s-1", "purchase-order", profile=profile_id), timeout=30
    ).json()
    assert again["profile"]["id"] == profile_id
    assert first["debugging"]["events"]["seq"] + again["debugging"]["events"]["seq"] == [1, 2, 3]
    assert rows(server.db, "SELECT seq, type, session_id, source_id FROM event ORDER BY seq") == [
        {"seq": seq, "type": event_type, "session_id": "s-1", "source_id": SOURCE_ID}
        for seq, event_type in [(1, "page-view"), (2, "product-in-basket"), (3, "purchase-order")]
    ]
    [profile] = rows(server.db, "SELECT id, seq, doc FROM profile")
    document = json.loads(profile["doc"])
    assert (profile["id"], profile["seq"], document["stats"]["visits"]) == (profile_id, 3, 1)
    assert document["stats"]["counters"] == {"page-view": 1, "product-in-basket": 1, "purchase-order": 1}


def test_tracardis_example_payloads_are_answered_in_its_shape(serve: Serve) -> None:
    server = serve()
    for name, session, saved in (
        ("full", "bfb3-bf0c8c8d3387-3ee63fc6-490a-4fd8", 2),
        ("minimal", "d6823ba7013e-8dd8-4fc1-bd14-f14dc4b1", 2),
    ):
        sent = json.loads((Path(__file__).parent / "payloads" / f"{name}.json").read_text())
        answer = httpx.post(f"{server.url}/track", json=sent | {"source": {"id": SOURCE_ID}}, timeout=30).json()
        assert set(answer) == {"debugging", "profile", "session", "source", "ux", "response"}
        assert set(answer["debugging"]) == {"session", "events", "profile", "execution", "segmentation", "logs"}
        assert answer["session"] == {"id": session}
        assert answer["source"] == {"consent": False}
        events = answer["debugging"]["events"]
        assert (events["saved"], events["errors"], events["seq"]) == (saved, [], [1, 2])
        assert events["types"] == ["consent-granted", "product-in-basket"]
        assert len(set(events["ids"])) == 2
        profile_id = answer["profile"]["id"]
        assert answer["debugging"]["profile"] == {"saved": 1, "errors": [], "ids": [profile_id], "types": []}
        assert answer["debugging"]["session"] == {"saved": 1, "errors": [], "ids": [session], "types": []}


def test_the_answer_to_a_bad_call_names_its_faults(serve: Serve) -> None:
    server = serve()
    response = httpx.post(f"{server.url}/track", json={"source": {}, "events": [{"type": ""}]}, timeout=30)
    assert response.status_code == 422
    assert [fault["loc"] for fault in response.json()["detail"]] == [
        ["body", "source", "id"],
        ["body", "session"],
        ["body", "events", 0, "type"],
    ]


def test_a_stop_loses_nothing_and_the_next_start_continues(serve: Serve) -> None:
    server = serve()
    profile_id = httpx.post(f"{server.url}/track", json=payload("s-1", "page-view"), timeout=30).json()["profile"]["id"]
    assert server.stop() == 0
    assert not Path(f"{server.db}-wal").exists()
    again = serve()
    answer = httpx.post(f"{again.url}/track", json=payload("s-1", "page-view"), timeout=30).json()
    assert answer["profile"]["id"] == profile_id
    assert answer["debugging"]["events"]["seq"] == [2]


def test_a_source_that_is_added_while_the_server_runs_may_send_soon(serve: Serve) -> None:
    server = serve()
    subprocess.run([TRACKD, "source", "add", "--name", "shop", "--id", "shop", "--db", server.db], check=True)
    answer = _until(lambda: httpx.post(f"{server.url}/track", json=payload("s", source="shop"), timeout=30), 200)
    assert answer.json()["profile"]["id"]
    subprocess.run([TRACKD, "source", "disable", "shop", "--db", server.db], check=True)
    refused = _until(lambda: httpx.post(f"{server.url}/track", json=payload("s", source="shop"), timeout=30), 401)
    assert refused.json() == {"detail": "Event source disabled."}


def test_one_line_is_logged_for_start_and_stop_and_none_for_a_healthy_call(serve: Serve) -> None:
    server = serve()
    for _ in range(3):
        assert httpx.post(f"{server.url}/track", json=payload("s", "page-view"), timeout=30).status_code == 200
    for _ in range(3):
        assert httpx.post(f"{server.url}/track", json=payload("s", source="nobody"), timeout=30).status_code == 401
    server.process.terminate()
    _, log = server.process.communicate(timeout=30)
    lines = [json.loads(line)["message"] for line in log.splitlines()]
    assert len(lines) == 3
    assert re.match(r"trackd \S+ starts: pid \d+", lines[0])
    assert lines[1].startswith("refused with 401, unknown source: Invalid event source `nobody`.")
    assert lines[2].startswith("trackd stopped")


def _until(ask: Callable[[], httpx.Response], status: int) -> httpx.Response:
    """Send the call until it is answered with the status: a server checks twice a second whether sources changed."""
    for _ in range(2_000):
        response = ask()
        if response.status_code == status:
            return response
    raise AssertionError(f"still {response.status_code}, not {status}: {response.text}")
