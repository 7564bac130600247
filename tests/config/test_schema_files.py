"""Reading schema files, in real folders."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from trackd.config.schema_files import SchemaFiles


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A rules file, with files in its folder and outside."""
    folder = tmp_path / "rules"
    write(folder / "order.json", {"id": "order"})
    write(folder / "more" / "a b#ü.json", {"id": "odd"})
    write(folder / "..data" / "real.json", {"id": "real"})
    (folder / "linked.json").symlink_to(Path("..data", "real.json"))
    write(tmp_path / "secret.json", {"id": "secret"})
    write(tmp_path / "rules2" / "secret.json", {"id": "secret"})
    (folder / "link.json").symlink_to(tmp_path / "secret.json")
    (folder / "folder").symlink_to(tmp_path)
    (folder / "loop.json").symlink_to("loop.json")
    os.mkfifo(folder / "fifo.json")
    return folder / "rules.toml"


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("order.json", "order"),
        ("more/../order.json", "order"),
        ("./order.json?version=1", "order"),
        ("more/a%20b%23%C3%BC.json", "odd"),
        ("linked.json", "real"),
    ],
)
def test_a_file_in_the_folder_is_read(rules: Path, reference: str, found: str) -> None:
    files = SchemaFiles(rules)
    folder = files.uri(None).removesuffix("rules.toml")
    assert files.retrieve(folder + reference) == {"id": found}


@pytest.mark.parametrize(
    "reference",
    [
        "../secret.json",
        "..%2Fsecret.json",
        "%2e%2e/secret.json",
        "../rules2/secret.json",
        "more/../../secret.json",
        "link.json",
        "folder/secret.json",
        "folder/rules/../secret.json",
        "loop.json",
    ],
)
def test_no_reference_leads_out_of_the_folder(rules: Path, reference: str) -> None:
    files = SchemaFiles(rules)
    folder = files.uri(None).removesuffix("rules.toml")
    with pytest.raises(ValueError, match=r"which is not in the folder of the rules file$"):
        files.retrieve(folder + reference)


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "FILE:///etc/passwd", "file:/etc/passwd", "file:///"])
def test_an_absolute_path_leads_out_of_the_folder(rules: Path, uri: str) -> None:
    with pytest.raises(ValueError, match=r"which is not in the folder of the rules file$"):
        SchemaFiles(rules).retrieve(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "http://schemas.example/order.json",
        "https://schemas.example/",
        "//schemas.example/order.json",
        "file://schemas.example/order.json",
        "ftp://schemas.example/order.json",
        "urn:order",
        "order.json",
        "data:application/json,{}",
    ],
)
def test_nothing_is_fetched(rules: Path, uri: str) -> None:
    with pytest.raises(ValueError, match="nothing is fetched from a network"):
        SchemaFiles(rules).retrieve(uri)


@pytest.mark.parametrize(
    ("name", "fault"),
    [("none.json", "cannot be read: No such file"), ("more", "is no file"), ("fifo.json", "is no file")],
)
def test_a_file_that_cannot_be_read_is_a_fault(rules: Path, name: str, fault: str) -> None:
    files = SchemaFiles(rules)
    with pytest.raises(ValueError, match=fault):
        files.retrieve(files.uri(name))
    with pytest.raises(ValueError, match=fault):
        files.read(name)


def test_the_rules_file_may_name_a_file_in_another_folder(rules: Path) -> None:
    assert SchemaFiles(rules).read("../secret.json") == {"id": "secret"}
    assert SchemaFiles(rules).read("link.json") == {"id": "secret"}


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("https://shop.example/schemas/order.json", "order"),
        ("https://shop.example/schemas/..data/real.json", "real"),
        ("https://shop.example/schemas/more/a%20b%23%C3%BC.json", "odd"),
    ],
)
@pytest.mark.parametrize("keyword", ["$id", "id"])
def test_schemas_with_an_id_on_the_web_find_others_in_the_same_place_of_their_folder(
    rules: Path, uri: str, found: str, keyword: str
) -> None:
    files = SchemaFiles(rules)
    files.add({keyword: "https://shop.example/schemas/basket.json"}, "basket.json")
    assert files.retrieve(uri) == {"id": found}


@pytest.mark.parametrize(
    ("uri", "fault"),
    [
        ("https://shop.example/secret.json", "not in the folder of the rules file"),
        ("https://shop.example/schemas/link.json", "not in the folder of the rules file"),
        ("https://shop.example/schemas/none.json", "cannot be read"),
        ("https://shop.example/schemas/%2e%2e/secret.json", "not in the folder of the rules file"),
        ("https://shop.example", "not in the folder of the rules file"),
        ("http://shop.example/schemas/order.json", "nothing is fetched"),
        ("https://other.example/schemas/order.json", "nothing is fetched"),
    ],
)
def test_an_id_on_the_web_leads_neither_out_of_the_folder_nor_to_a_network(rules: Path, uri: str, fault: str) -> None:
    files = SchemaFiles(rules)
    files.add({"$id": "https://shop.example/schemas/basket.json"}, "basket.json")
    with pytest.raises(ValueError, match=fault):
        files.retrieve(uri)


def test_a_file_that_was_retrieved_has_an_id_too(rules: Path) -> None:
    write(rules.parent / "more" / "address.json", {"$id": "https://maps.example/a/address"})
    files = SchemaFiles(rules)
    files.retrieve(files.uri("more/address.json"))
    assert files.retrieve("https://maps.example/a/a%20b%23%C3%BC.json") == {"id": "odd"}


@pytest.mark.parametrize("own", ["https://shop.example/address", "urn:shop:address", "https://shop.example/address#"])
def test_a_schema_is_found_by_its_id(rules: Path, own: str) -> None:
    files = SchemaFiles(rules)
    files.add({"$id": own, "type": "object"}, "order.json")
    assert files.retrieve(own.removesuffix("#")) == {"$id": own, "type": "object"}
