"""Rules files with schemas that refer to others, in real folders and with a web server that nothing is fetched from."""

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.validating import faults
from trackd.config.errors import RulesError
from trackd.config.settings import Limits
from trackd.core.rules.ruleset import RuleSet
from trackd.http.rules_loading import load_rules, load_rules_of_server

ORDER = "[event.order]\nschema_file = 'order.json'\n"
PRICE = {"type": "number", "minimum": 0}


def loaded(folder: Path, rules: str = ORDER, **schemas: Any) -> RuleSet:
    """The rules of a file; `schemas` are other files by name, without `.json`."""
    for name, schema in schemas.items():
        (folder / f"{name}.json").write_text(json.dumps(schema))
    (folder / "rules.toml").write_text(rules)
    return load_rules(str(folder / "rules.toml"), Limits())


def is_valid(rules: RuleSet, properties: Any) -> bool:
    schema = rules.plan("order").schema
    assert schema is not None
    return faults(schema, properties) == ()


@pytest.fixture
def web() -> Iterator[tuple[str, list[str]]]:
    """The address of a web server, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_a_schema_refers_to_files_beside_it(tmp_path: Path) -> None:
    order = {"properties": {"total": {"$ref": "price.json"}, "items": {"items": {"$ref": "more.json#/$defs/item"}}}}
    more = {"$defs": {"item": {"properties": {"price": {"$ref": "price.json"}, "parts": {"$ref": "order.json"}}}}}
    rules = loaded(tmp_path, order=order, more=more, price=PRICE)
    assert is_valid(rules, {"total": 1, "items": [{"price": 2, "parts": {"total": 3}}]})
    assert not is_valid(rules, {"total": "1"})
    assert not is_valid(rules, {"items": [{"price": -2}]})
    assert not is_valid(rules, {"items": [{"parts": {"total": "x"}}]})


def test_a_schema_in_the_rules_file_refers_to_files_beside_that(tmp_path: Path) -> None:
    rules = loaded(tmp_path, "[event.order]\nschema.properties.total.'$ref' = 'price.json'\n", price=PRICE)
    assert is_valid(rules, {"total": 1})
    assert not is_valid(rules, {"total": -1})


def test_schemas_with_ids_on_the_web_refer_to_each_other(tmp_path: Path) -> None:
    base = "https://shop.example/schemas"
    order = {"$id": f"{base}/order.json", "properties": {"total": {"$ref": "price.json"}}}
    price = {"$id": f"{base}/price.json", "$ref": f"{base}/number.json"}
    rules = loaded(tmp_path, order=order, price=price, number={"type": "number"})
    assert is_valid(rules, {"total": 1})
    assert not is_valid(rules, {"total": "1"})


def test_schemas_of_one_rules_file_refer_to_each_other_by_their_ids(tmp_path: Path) -> None:
    rules = loaded(
        tmp_path,
        "[event.address]\nschema_file = 'b.json'\n[event.order]\nschema_file = 'a.json'\n",
        a={"$id": "https://shop.example/order", "properties": {"to": {"$ref": "address#/$defs/street"}}},
        b={"$id": "https://shop.example/address", "$defs": {"street": {"type": "string"}}},
    )
    assert is_valid(rules, {"to": "Main Street"})
    assert not is_valid(rules, {"to": 1})


@pytest.mark.parametrize("place", ["properties", "$defs"])
def test_nothing_is_fetched_from_the_network(tmp_path: Path, web: tuple[str, list[str]], place: str) -> None:
    url, asked = web
    reference = {"$ref": f"{url}/price.json"}
    for schemas in (
        {"order": {place: {"a": reference}}},
        {"order": {"$ref": "a.json"}, "a": {place: {"a": reference}}},
    ):
        with pytest.raises(RulesError) as raised:
            loaded(tmp_path, **schemas)
        assert str(raised.value) == (
            f'{tmp_path}/rules.toml: event "order": its schema is wrong: it refers to {url}/price.json, '
            "and nothing is fetched from a network: save it beside this one and refer to the file."
        )
    loaded(tmp_path, order={"$schema": f"{url}/meta.json", "$id": f"{url}/order.json", "type": "object"})
    with pytest.raises(RulesError, match="nothing is fetched"):
        loaded(tmp_path, order={"$dynamicRef": f"{url}/price.json"})
    assert asked == []


def test_no_reference_leads_out_of_the_folder_of_the_rules(tmp_path: Path) -> None:
    (tmp_path / "price.json").write_text("{}")
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "link.json").symlink_to(tmp_path / "price.json")
    for reference in ("../price.json", "link.json", f"{tmp_path}/price.json", (tmp_path / "price.json").as_uri()):
        with pytest.raises(RulesError, match=r'event "order": .* which is not in the folder of the rules file\.$'):
            loaded(folder, order={"$ref": reference})


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "price.json cannot be read: No such file or directory."),
        ("{", "price.json is not JSON: "),
        ('{"minimum": NaN}', "price.json is not JSON: NaN is not a JSON number."),
        (f"{'[' * 70}{']' * 70}", "it is nested deeper than 64."),
        ('{"minimum": "3"}', '"3" is not of type "number"'),
    ],
)
def test_a_fault_of_a_file_that_is_referred_to_is_one_of_the_schema(
    tmp_path: Path, content: str | None, fault: str
) -> None:
    if content is not None:
        (tmp_path / "price.json").write_text(content)
    with pytest.raises(RulesError) as raised:
        loaded(tmp_path, order={"$ref": "price.json"})
    assert str(raised.value).startswith(f'{tmp_path}/rules.toml: event "order": its schema is wrong: ')
    assert fault in str(raised.value)


def test_the_fingerprint_depends_on_the_files_that_are_referred_to(tmp_path: Path) -> None:
    before = loaded(tmp_path, order={"$ref": "price.json"}, price=PRICE).fingerprint
    assert loaded(tmp_path, price=PRICE).fingerprint == before
    assert loaded(tmp_path, price={"type": "number"}).fingerprint != before


def test_a_server_logs_the_notes_of_its_rules(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rules = loaded(tmp_path, order={"$schema": "http://iglucentral.com/self#", "exclusiveMinimum": True, "minimum": 0})
    note = "event \"order\": its $schema 'http://iglucentral.com/self#' is not known: it is read as draft 4"
    assert rules.notes == (note,)
    with caplog.at_level(logging.WARNING):
        load_rules_of_server(str(tmp_path / "rules.toml"), Limits())
        load_rules_of_server("", Limits())
    assert caplog.messages == [f"{tmp_path}/rules.toml: {note}"]
