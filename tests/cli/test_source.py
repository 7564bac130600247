"""`trackd source`, on a real file."""

import json
import re
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources

Trackd = Callable[..., subprocess.CompletedProcess[str]]
Sentence = Callable[[subprocess.CompletedProcess[str], int], str]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """The default database of the folder that commands run in, with two sources."""
    path = tmp_path / "trackd.db"
    with Sources(path, create=True) as sources:
        sources.add(Source("shop", "The shop"))
        sources.add(Source("blog", "The blog"))
        sources.enable("blog", False)
    return path


def stored(db: Path) -> list[Source]:
    with Sources(db) as sources:
        return sources.all()


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_a_source_is_shown_as_it_was_added(trackd: Trackd) -> None:
    options = ["--name", "My shop", "--description", "Berlin", "--consent", "--returns-profile"]
    options += ["--permanent-profile-id", "--rate-limit", "2.5", "--tag", "a", "--tag", "b"]
    options += ["--origin", "HTTPS://Shop.example/", "--origin", "http://localhost:3000", "--origin", "null"]
    options += ["--origin", "https://bücher.example:443", "--origin", "https://shop.example"]
    assert done(trackd("source", "add", "--create", "--db", "new.db", "--id", " my-shop ", *options)) == "my-shop\n"
    shown = json.loads(done(trackd("source", "show", "my-shop", "--db", "new.db")))
    times = shown.pop("metadata")["time"]
    assert shown == {
        "id": "my-shop",
        "name": "My shop",
        "description": "Berlin",
        "enabled": True,
        "consent": True,
        "returns_profile": True,
        "permanent_profile_id": True,
        "origins": ["https://shop.example", "http://localhost:3000", "null", "https://xn--bcher-kva.example"],
        "rate_limit": 2.5,
        "tags": ["a", "b"],
    }
    assert times["insert"] == times["update"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", times["insert"])


def test_a_source_that_is_given_only_a_name_gets_an_id_and_the_defaults(trackd: Trackd, tmp_path: Path) -> None:
    source_id = done(trackd("source", "add", "--name", "Shop", "--create")).strip()
    assert uuid.UUID(source_id)
    [source] = stored(tmp_path / "trackd.db")
    assert source == Source(source_id, "Shop", metadata=source.metadata)


def test_sources_are_listed_the_oldest_first(trackd: Trackd, db: Path) -> None:
    lines = done(trackd("source", "list")).splitlines()
    assert [line.split(maxsplit=2) for line in lines] == [
        ["shop", "enabled", "The shop"],
        ["blog", "disabled", "The blog"],
    ]
    assert done(trackd("source", "list", "--quiet", TRACKD_DATABASE_PATH=str(db))) == "shop\nblog\n"
    assert done(trackd("source", "list", "--quiet", "--enabled")) == "shop\n"


def test_a_source_can_be_disabled_enabled_and_removed(trackd: Trackd, db: Path) -> None:
    assert done(trackd("source", "disable", "shop")) == ""
    disabled = stored(db)[0]
    assert not disabled.enabled
    assert disabled.metadata.time.update > disabled.metadata.time.insert
    assert done(trackd("source", "enable", "shop")) == ""
    assert stored(db)[0].enabled
    assert done(trackd("source", "remove", "shop")) == ""
    assert [source.id for source in stored(db)] == ["blog"]


def test_an_id_is_taken_only_once(trackd: Trackd, sentence: Sentence, db: Path) -> None:
    before = stored(db)
    message = sentence(trackd("source", "add", "--id", "shop", "--name", "Another shop"), 1)
    assert message == "There is a source shop already: choose another --id."
    assert stored(db) == before


@pytest.mark.parametrize("verb", ["show", "disable", "remove", "edit"])
def test_an_unknown_source_is_named(trackd: Trackd, sentence: Sentence, db: Path, verb: str) -> None:
    before = stored(db)
    options = ["--name", "x"] if verb == "edit" else []
    message = sentence(trackd("source", verb, "nobody", *options), 1)
    assert message == "There is no source nobody in trackd.db: `trackd source list` shows all."
    assert stored(db) == before


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--origin", "https://shop.example/cart", "https://shop.example, without a path"),
        ("--origin", "https://user:pw@shop.example", "has a user name"),
        ("--rate-limit", "nan", "from 0.001 to 1000000 calls per second"),
        ("--rate-limit", "fast", "valid number"),
        ("--id", "  ", "1 to 255 characters"),
    ],
)
def test_a_bad_option_is_refused_and_nothing_is_made(
    trackd: Trackd, tmp_path: Path, option: str, value: str, allowed: str
) -> None:
    result = trackd("source", "add", "--name", "Shop", option, value)
    assert (result.returncode, result.stdout) == (2, "")
    assert f"'{option}'" in result.stderr
    assert allowed in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_no_text_is_refused_without_a_traceback(trackd: Trackd) -> None:
    result = trackd("source", "add", "--name", b"Caf\xe9")
    assert result.returncode in (1, 2)
    assert result.stderr != ""
    assert "Traceback" not in result.stderr


def test_a_missing_database_is_named_and_not_made(trackd: Trackd, sentence: Sentence, tmp_path: Path) -> None:
    missing = f"There is no database {tmp_path / 'missing.db'}: start `trackd serve` first, or name another with --db"
    for command in (["list"], ["show", "s"], ["edit", "s", "--name", "x"], ["enable", "s"], ["remove", "s"]):
        assert sentence(trackd("source", *command, "--db", "missing.db"), 1) == f"{missing}."
    message = sentence(trackd("source", "add", "--name", "Shop", "--db", "missing.db"), 1)
    assert message == f"{missing}, or make a new one with --create."
    assert list(tmp_path.iterdir()) == []


def test_a_source_is_added_to_a_new_database_with_create(trackd: Trackd, tmp_path: Path) -> None:
    for name in ("first", "second"):
        done(trackd("source", "add", "--name", name, "--create"))
    assert [source.name for source in stored(tmp_path / "trackd.db")] == ["first", "second"]


def test_an_edit_changes_what_it_names_and_nothing_else(trackd: Trackd, db: Path) -> None:
    with Sources(db) as sources:
        sources.edit("shop", {"origins": ["https://shop.example"], "rate_limit": 5.0, "tags": ["a", "b"]})
    before = stored(db)[0]

    shown = json.loads(done(trackd("source", "edit", "shop", "--name", "Store", "--rate-limit", "2", "--consent")))

    edited = stored(db)[0]
    assert edited == replace(before, name="Store", rate_limit=2.0, consent=True, metadata=edited.metadata)
    assert edited.metadata.time.update > before.metadata.time.update
    assert shown == json.loads(json.dumps(to_builtins(edited)))

    done(trackd("source", "edit", "shop", "--no-consent", "--no-rate-limit", "--origin", "https://a.b", "--tag", "c"))
    again = stored(db)[0]
    assert (again.consent, again.rate_limit, again.origins, again.tags) == (False, None, ("https://a.b",), ("c",))

    done(trackd("source", "edit", "shop", "--any-origin", "--no-tags"))
    assert (stored(db)[0].origins, stored(db)[0].tags, stored(db)[0].name) == ((), (), "Store")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ([], "name what to change"),
        (["--rate-limit", "0"], "from 0.001 to 1000000"),
        (["--name", ""], "1 to 1000 characters"),
        (["--origin", "https://a.b", "--any-origin"], "'--any-origin': cannot be given together with a new value"),
        (["--rate-limit", "2", "--no-rate-limit"], "'--no-rate-limit': cannot be given together with a new value"),
        (["--id", "x"], "No such option: --id"),
    ],
)
def test_an_edit_that_cannot_be_made_is_refused(trackd: Trackd, db: Path, options: list[str], named: str) -> None:
    before = stored(db)
    result = trackd("source", "edit", "shop", *options)
    assert (result.returncode, result.stdout) == (2, "")
    assert named in " ".join(result.stderr.replace("│", " ").split())
    assert stored(db) == before


def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(
    trackd: Trackd, sentence: Sentence, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("not a database\n" * 100)
    assert "notes.txt is not a sound SQLite database" in sentence(
        trackd("source", "add", "--name", "Shop", "--db", notes.name), 1
    )
    assert notes.read_text() == "not a database\n" * 100
