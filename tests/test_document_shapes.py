"""One document has one shape: every reader gives the same JSON, with exactly the fields of the contract."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest

from tests.support.database import execute
from tests.support.document_fields import FIELDS, SCHEMAS, described, fields
from tests.support.forked_command import run_command
from tests.support.payloads import SOURCE_ID, bearer, payload
from tests.support.process import TRACKD, Process
from trackd.core.documents import Source
from trackd.core.rules.conditions import VARIABLES
from trackd.storage.sqlite.sources import Sources

RULES = """
[[rule]]
name = "consents"
event = "consents"
valid_for_days = 30
steps = [{ target = "consents.*", from = "properties" }]
[[rule]]
name = "everything"
event = "page-view"
steps = [
    { target = "pii.email", from = "properties.email" },
    { target = "traits.public.city", from = "properties.address.city" },
    { target = "traits.private.spent", op = "increment", from = "properties.price" },
    { target = "interests.shoes", op = "increment", value = 1.5 },
    { target = "stats.counters.spent", op = "increment", from = "properties.price" },
]
[[segment]]
name = "Visitors"
when = "profile.stats.views > 0"
[event.page-view]
tags = ["seen", "é"]
schema = { type = "object", required = ["email"], properties.price.type = "number" }
"""
PAGE_VIEW = {
    "type": "page-view",
    "properties": {"email": "a@b.example", "address": {"city": "Brno"}, "price": 10.25, "n": 12345678901234567890},
    "context": {"page": {"url": "https://shop.example/é?🙂"}},
    "options": {"saveEvent": True},
}
Documents = dict[str, dict[str, Any]]
"""Documents of one kind by their id."""


class Everything:
    """A server on a file with two profiles, one of which has something in every field."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.db = folder, folder / "trackd.db"
        self.rules = folder / "rules.toml"
        self.rules.write_text(RULES)
        with Sources(self.db, create=True) as sources:
            sources.add(
                Source(SOURCE_ID, "Shop", "A shop", origins=("https://shop.example",), rate_limit=9.5, tags=("a",))
            )
        self._server = self._start()
        self._token = self._server.token
        self.profile_id = self._fill()
        self.close()
        execute(self.db, "INSERT INTO merged VALUES ('merged-id', ?)", self.profile_id)
        ids = json.dumps(["merged-id", self.profile_id])
        execute(self.db, "UPDATE profile SET doc = json_set(doc, '$.ids', json(?)) WHERE id = ?", ids, self.profile_id)
        self._server = self._start()

    def _start(self) -> Process:
        command: list[str | Path] = [TRACKD, "serve", "--port", "0", "--db", self.db, "--rules", self.rules]
        pipe = subprocess.PIPE
        return Process(self.db, subprocess.Popen(command, cwd=self.folder, stdout=pipe, stderr=pipe, text=True))

    def _fill(self) -> str:
        calls = [
            [{"type": "consents", "properties": {"general": True, "marketing": True}}],
            [{"type": "consents", "properties": {"marketing": False}, "time": "1970-01-01"}, PAGE_VIEW],
            [{"type": "page-view", "properties": {"price": "much"}}, {"type": "other"}],
        ]
        profile_id = None
        for number, events in enumerate(calls):
            call = payload(f"s{number // 2}", profile=profile_id, events=events, context={"screen": {"width": number}})
            answer = httpx.post(
                f"{self._server.url}/track", json={**call, "properties": {"campaign": "spring"}}, timeout=30
            )
            assert answer.status_code == 200, answer.text
            profile_id = answer.json()["profile"]["id"]
        assert httpx.post(f"{self._server.url}/track", json=payload("another", "other"), timeout=30).status_code == 200
        assert profile_id is not None
        return str(profile_id)

    def get(self, path: str) -> Any:
        answer = httpx.get(f"{self._server.url}{path}", headers=bearer(self._token), timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def run(self, *arguments: str | Path) -> str:
        """The output of a command, while the server runs."""
        done = run_command(arguments, self.folder, os.environ)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def lines(self, *arguments: str) -> list[Any]:
        return [json.loads(line) for line in self.run("export", *arguments).splitlines()]

    def close(self) -> None:
        self._server.process.terminate()
        self._server.process.communicate(timeout=30)
        assert self._server.process.returncode == 0


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    filled = Everything(tmp_path_factory.mktemp("shapes"))
    yield filled
    filled.close()


def by_id(documents: list[dict[str, Any]]) -> Documents:
    return {document["id"]: document for document in documents}


def of_profile(documents: Documents, profile_id: str) -> Documents:
    return {key: document for key, document in documents.items() if document["profile"]["id"] == profile_id}


@pytest.fixture(scope="module")
def read(everything: Everything) -> dict[str, Documents]:
    """The documents of each kind, each read by its id."""
    ids = {kind: [document["id"] for document in everything.lines("--table", kind)] for kind in ("session", "event")}
    profiles = [document["id"] for document in everything.get("/profiles")["result"]]
    return {
        "profile": by_id([everything.get(f"/profile/{profile_id}") for profile_id in profiles]),
        "session": by_id([everything.get(f"/session/{session_id}") for session_id in ids["session"]]),
        "event": by_id([everything.get(f"/event/{event_id}") for event_id in ids["event"]]),
        "source": by_id([everything.get(f"/event-source/{SOURCE_ID}")]),
    }


def test_the_documents_have_something_in_every_field(everything: Everything, read: dict[str, Documents]) -> None:
    profile = read["profile"][everything.profile_id]
    assert (profile["segments"], profile["ids"]) == (["visitors"], ["merged-id", everything.profile_id])
    assert profile["consents"].keys() == {"general"}
    assert [change["change"] for change in profile["metadata"]["consents"]] == ["granted", "granted", "withdrawn"]
    assert {key: profile[key] for key in ("pii", "interests")} == {
        "pii": {"email": "a@b.example"},
        "interests": {"shoes": 1.5},
    }
    assert profile["traits"] == {"public": {"city": "Brno"}, "private": {"spent": 10.25}}
    assert profile["stats"]["counters"] == {"consents": 2, "page-view": 1, "spent": 10.25, "other": 1}
    assert read["session"]["s0"]["context"] == {"screen": {"width": 1}}
    assert read["session"]["s0"]["metadata"]["time"]["duration"] > 0
    [invalid] = [event for event in read["event"].values() if event["metadata"]["status"] == "invalid"]
    assert len(invalid["metadata"]["reasons"]) == 2
    [seen] = [event for event in read["event"].values() if event["metadata"]["status"] == "validated"]
    assert seen["metadata"]["reasons"] == []
    assert seen["metadata"]["rules"] == [
        {
            "id": "everything",
            "changed": [
                "pii.email", "traits.public.city", "traits.private.spent", "interests.shoes", "stats.counters.spent"
            ],
        }
    ]  # fmt: skip
    assert (seen["properties"], seen["context"]) == (PAGE_VIEW["properties"], PAGE_VIEW["context"])
    assert (seen["config"], seen["tags"]) == ({"saveEvent": True}, ["seen", "é"])


@pytest.mark.parametrize("kind", FIELDS)
def test_a_document_has_the_fields_of_the_contract(
    everything: Everything, read: dict[str, Documents], kind: str
) -> None:
    for key, document in read[kind].items():
        has_no_consents = kind == "profile" and key != everything.profile_id
        missing = {name for name in FIELDS[kind] if has_no_consents and name.startswith("metadata.consents")}
        assert fields(document) == FIELDS[kind] - missing


@pytest.mark.parametrize("kind", FIELDS)
def test_the_api_description_has_the_fields_of_the_documents(
    everything: Everything, read: dict[str, Documents], kind: str
) -> None:
    components = everything.get("/openapi.json")["components"]
    described_fields = described(components["schemas"], SCHEMAS[kind])
    assert described_fields == FIELDS[kind]
    schema = {"$ref": f"#/components/schemas/{SCHEMAS[kind]}", "components": components}
    for document in read[kind].values():
        jsonschema_rs.validator_for(schema, validate_formats=True).validate(document)


def test_conditions_of_rules_read_fields_of_the_documents() -> None:
    names = {kind: {f"{kind}.{name}" for name in FIELDS[kind]} for kind in FIELDS}
    assert set(VARIABLES) <= set().union(*names.values())


def test_lists_have_the_documents_that_are_read_one_by_one(everything: Everything, read: dict[str, Documents]) -> None:
    own_sessions = of_profile(read["session"], everything.profile_id)
    own_events = of_profile(read["event"], everything.profile_id)
    of_s0 = {key: event for key, event in own_events.items() if event["session"]["id"] == "s0"}
    for path, expected in {
        "/profiles": read["profile"],
        "/events": read["event"],
        "/events/session/s0": of_s0,
        "/event-sources": read["source"],
        "/event-source": read["source"],
        f"/profile/{everything.profile_id}/events": own_events,
        f"/profile/{everything.profile_id}/sessions": own_sessions,
        "/profile/merged-id/events": own_events,
    }.items():
        assert by_id(everything.get(path)["result"]) == expected, path
    assert everything.get("/profile/merged-id") == read["profile"][everything.profile_id]


def test_the_export_of_a_profile_has_the_same_documents(everything: Everything, read: dict[str, Documents]) -> None:
    exported = everything.get(f"/profile/{everything.profile_id}/export")

    assert exported["profile"] == read["profile"][everything.profile_id]
    assert by_id(exported["sessions"]) == of_profile(read["session"], everything.profile_id)
    assert by_id(exported["events"]) == of_profile(read["event"], everything.profile_id)


@pytest.mark.parametrize("kind", ["profile", "session", "event"])
def test_an_export_has_the_same_documents(everything: Everything, read: dict[str, Documents], kind: str) -> None:
    records = [line for line in everything.lines() if line.get("table") == kind]

    assert by_id(everything.lines("--table", kind)) == read[kind]
    assert by_id([record["document"] for record in records]) == read[kind]


def test_an_import_keeps_every_document(everything: Everything) -> None:
    everything.run("export", "--output", "all.jsonl")
    everything.run("import", "all.jsonl", "--db", "imported.db")

    assert everything.run("export", "--db", "imported.db") == (everything.folder / "all.jsonl").read_text()


def test_rules_try_takes_a_profile_as_it_is_read(everything: Everything, read: dict[str, Documents]) -> None:
    profile, event = everything.folder / "profile.json", everything.folder / "event.json"
    profile.write_text(json.dumps(read["profile"][everything.profile_id]))
    event.write_text(json.dumps({"type": "consents", "properties": {"marketing": True}}))

    report = everything.run("rules", "try", everything.rules, "--event", event, "--profile", profile)

    assert report.startswith("event 1, consents: applied\n")
    added = {line[1:].strip() for line in report.splitlines() if line.startswith("+ ")}
    assert '"marketing": {' in added
    assert not any(f'"{key}"' in line for line in added for key in ("ids", "traits", "pii", "interests", "segments"))


def test_a_command_shows_a_source_as_the_server_does(everything: Everything, read: dict[str, Documents]) -> None:
    assert json.loads(everything.run("source", "show", SOURCE_ID)) == read["source"][SOURCE_ID]
