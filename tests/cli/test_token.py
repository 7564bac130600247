"""`trackd token`, on a real file."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from trackd.core.documents import Token, secret_hash
from trackd.storage.sqlite.tokens import Tokens

Trackd = Callable[..., subprocess.CompletedProcess[str]]
Sentence = Callable[[subprocess.CompletedProcess[str], int], str]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """The default database of the folder that commands run in, without tokens."""
    path = tmp_path / "trackd.db"
    with Tokens(path, create=True):
        return path


def stored(db: Path) -> list[Token]:
    with Tokens(db) as tokens:
        return tokens.all()


def test_a_new_token_is_printed_alone_on_stdout_and_stderr_warns_that_it_is_shown_once(
    trackd: Trackd, db: Path
) -> None:
    made = trackd("token", "new", " dashboard ")
    assert made.returncode == 0
    assert re.fullmatch(r"trackd_[A-Za-z0-9_-]{43}\n", made.stdout)
    assert "shown only now" in made.stderr
    assert made.stdout.strip() not in made.stderr
    [token] = stored(db)
    assert (token.name, token.hash, token.scopes) == ("dashboard", secret_hash(made.stdout.strip()), ("read",))


@pytest.mark.parametrize(
    ("options", "scopes"),
    [
        ([], ("read",)),
        (["--scope", "read"], ("read",)),
        (["--scope", "admin"], ("admin",)),
        (["--scope", "read", "--scope", "admin", "--scope", "read"], ("read", "admin")),
    ],
)
def test_a_token_has_the_given_scopes(trackd: Trackd, db: Path, options: list[str], scopes: tuple[str, ...]) -> None:
    assert trackd("token", "new", "t", *options).returncode == 0
    assert [token.scopes for token in stored(db)] == [scopes]


def test_tokens_are_listed_the_oldest_first_and_without_anything_secret(trackd: Trackd, db: Path) -> None:
    made = [trackd("token", "new", *arguments) for arguments in (["viewer"], ["the operator", "--scope", "admin"])]
    listed = trackd("token", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert [line.split(maxsplit=2)[1:] for line in listed.stdout.splitlines()] == [
        ["read", "viewer"],
        ["admin", "the operator"],
    ]
    assert not any(made_one.stdout.strip() in listed.stdout for made_one in made)
    assert not any(token.hash in listed.stdout for token in stored(db))
    assert trackd("token", "list", "--quiet").stdout == "viewer\nthe operator\n"


def test_a_revoked_token_is_not_listed_and_its_name_can_be_reused(trackd: Trackd, db: Path) -> None:
    for name in ("viewer", "other"):
        trackd("token", "new", name)
    revoked = trackd("token", "revoke", "viewer")
    assert (revoked.returncode, revoked.stdout, revoked.stderr) == (0, "", "")
    assert [token.name for token in stored(db)] == ["other"]
    assert trackd("token", "new", "viewer").returncode == 0


def test_a_name_is_taken_only_once(trackd: Trackd, sentence: Sentence, db: Path) -> None:
    trackd("token", "new", "viewer")
    before = stored(db)
    message = sentence(trackd("token", "new", "viewer", "--scope", "admin"), 1)
    assert message == "There is a token viewer already: revoke it first, or choose another name."
    assert stored(db) == before


def test_an_unknown_token_is_named(trackd: Trackd, sentence: Sentence, db: Path) -> None:
    trackd("token", "new", "viewer")
    message = sentence(trackd("token", "revoke", "nobody"), 1)
    assert message == "There is no token nobody in trackd.db: `trackd token list` shows all."


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["viewer", "--scope", "root"], "'read', 'admin'"),
        (["  "], "1 to 255 characters"),
        (["x" * 256], "1 to 255 characters"),
        (["a\nb"], "no control characters"),
        ([b"Caf\xe9"], "text in UTF-8"),
    ],
)
def test_a_bad_argument_is_refused_and_nothing_is_made(
    trackd: Trackd, tmp_path: Path, arguments: list[str | bytes], allowed: str
) -> None:
    result = trackd("token", "new", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert allowed in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["list"], ["revoke", "viewer"], ["new", "viewer"]])
def test_a_missing_database_is_named_and_not_made(
    trackd: Trackd, sentence: Sentence, tmp_path: Path, arguments: list[str]
) -> None:
    message = sentence(trackd("token", *arguments, "--db", "missing.db"), 1)
    end = ", or make a new one with --create." if arguments[0] == "new" else "."
    missing = f"There is no database {tmp_path / 'missing.db'}: start `trackd serve` first, or name another with --db"
    assert message == f"{missing}{end}"
    assert list(tmp_path.iterdir()) == []


def test_a_token_is_made_in_a_new_database_with_create(trackd: Trackd, tmp_path: Path) -> None:
    assert trackd("token", "new", "viewer", "--create").returncode == 0
    assert [token.name for token in stored(tmp_path / "trackd.db")] == ["viewer"]
