"""`trackd token`, on a real file."""

import os
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.support.database import execute, rows
from tests.support.payloads import bearer
from tests.support.polling import wait_until
from tests.support.process import Process
from trackd.core.documents import Token, secret_hash, timestamp
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
        (["--scope", "metrics"], ("metrics",)),
        (["--scope", "erase", "--scope", "metrics"], ("erase", "metrics")),
    ],
)
def test_a_token_has_the_given_scopes(trackd: Trackd, db: Path, options: list[str], scopes: tuple[str, ...]) -> None:
    assert trackd("token", "new", "t", *options).returncode == 0
    assert [token.scopes for token in stored(db)] == [scopes]


def test_tokens_are_listed_the_oldest_first_and_without_anything_secret(trackd: Trackd, db: Path) -> None:
    made = [trackd("token", "new", *arguments) for arguments in (["viewer"], ["the operator", "--scope", "admin"])]
    listed = trackd("token", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert [re.split(" {2,}", line)[1:] for line in listed.stdout.splitlines()] == [
        ["read", "never expires", "never used", "viewer"],
        ["admin", "never expires", "never used", "the operator"],
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
        (["viewer", "--scope", "root"], "'read', 'metrics', 'erase', 'admin'"),
        (["viewer", "--expires", "soon"], "'soon' is neither a duration, such as 90d (m, h, d or w), nor a time"),
        (["viewer", "--expires", "0d"], "'0d' is over already"),
        (["viewer", "--expires", "-1d"], "neither a duration"),
        (["viewer", "--expires", "999999w"], "neither a duration"),
        (["viewer", "--expires", "2020-01-31"], "'2020-01-31' is over already"),
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


@pytest.mark.parametrize(
    ("expires", "seconds"), [("90d", 90 * 86_400), ("12h", 43_200), ("30m", 1_800), ("2w", 1_209_600), (" 1d ", 86_400)]
)
def test_a_token_expires_after_a_duration(trackd: Trackd, db: Path, expires: str, seconds: int) -> None:
    begin = datetime.now(UTC)
    assert trackd("token", "new", "t", "--expires", expires).returncode == 0
    end = datetime.now(UTC)
    [token] = stored(db)
    assert token.expires is not None
    lasting = timedelta(seconds=seconds)
    assert timestamp(begin + lasting) <= token.expires <= timestamp(end + lasting)


def test_a_token_expires_at_a_time_and_the_list_shows_expiry_and_last_use(trackd: Trackd, db: Path) -> None:
    for name, expires in (("a", "9000-01-31"), ("b", "9000-01-31T12:00:00+01:00"), ("c", "9000-02")):
        assert trackd("token", "new", name, "--expires", expires).returncode == 0
    execute(db, "UPDATE token SET used = '2026-01-31T12:34:56.000000Z' WHERE name = 'b'")
    execute(db, "UPDATE token SET expires = '2020-01-31T00:00:00.000000Z' WHERE name = 'c'")
    assert [re.split(" {2,}", line)[2:] for line in trackd("token", "list").stdout.splitlines()] == [
        ["expires 9000-01-31T00:00Z", "never used", "a"],
        ["expires 9000-01-31T11:00Z", "used 2026-01-31T12:34Z", "b"],
        ["EXPIRED 2020-01-31T00:00Z", "never used", "c"],
    ]


def test_a_token_is_written_to_a_new_file_for_this_user_alone(trackd: Trackd, db: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = trackd("token", "new", "t", "--file", "secret")
    finally:
        os.umask(before)
    assert (made.returncode, made.stdout) == (0, "")
    assert made.stderr == "The token is in secret; trackd stores only its hash.\n"
    file = tmp_path / "secret"
    assert file.stat().st_mode & 0o777 == 0o600
    [token] = stored(db)
    assert token.hash == secret_hash(file.read_text().strip())


def test_no_file_is_replaced_or_followed_and_no_token_is_made_then(
    trackd: Trackd, sentence: Sentence, db: Path, tmp_path: Path
) -> None:
    (tmp_path / "there").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for name in ("there", "link"):
        message = sentence(trackd("token", "new", "t", "--file", name), 1)
        assert message == f"{name} exists already: name another file, or remove it first."
    assert "No such file" in sentence(trackd("token", "new", "t", "--file", "none/secret"), 1)
    assert stored(db) == []
    assert (tmp_path / "there").read_text() == "mine"
    trackd("token", "new", "t")
    assert "There is a token t already" in sentence(trackd("token", "new", "t", "--file", "new"), 1)
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "target").exists()


def test_a_running_server_writes_the_last_use_and_refuses_a_token_that_expired(
    trackd: Trackd, db: Path, serve: Callable[..., Process]
) -> None:
    server = serve(source=False)
    secret = trackd("token", "new", "t", "--scope", "metrics", "--expires", "1d").stdout.strip()

    def ask(path: str) -> httpx.Response:
        return httpx.get(f"{server.url}{path}", headers=bearer(secret), timeout=30)

    assert [ask(path).status_code for path in ("/metrics", "/info/version", "/profiles")] == [200, 403, 403]
    wait_until(lambda: rows(db, "SELECT 1 FROM token WHERE name = 't' AND used IS NOT NULL"), "the use is written")
    assert "  used " in trackd("token", "list").stdout.splitlines()[-1]
    execute(db, "UPDATE token SET expires = '2026-01-31T00:00:00.000000Z' WHERE name = 't'")
    refused = wait_until(lambda: answer if (answer := ask("/metrics")).status_code == 401 else None, "it is refused")
    assert refused.json()["detail"].startswith("The token expired at 2026-01-31T00:00:00.000000Z: ")
    assert server.stop() == 0
