"""The store that commands work on: a file or a database, and what they print of its URL."""

import subprocess
from collections.abc import Callable

import pytest

Trackd = Callable[..., subprocess.CompletedProcess[str]]
Sentence = Callable[[subprocess.CompletedProcess[str], int], str]
URL = "postgresql://me:secret@127.0.0.1:1/trackd"
SHOWN = "postgresql://me:***@127.0.0.1:1/trackd"


def test_the_password_of_the_store_is_not_shown(trackd: Trackd, sentence: Sentence) -> None:
    shown = trackd("config", "--store", URL).stdout

    assert next(line.split() for line in shown.splitlines() if line.startswith("store.url")) == [
        "store.url",
        SHOWN,
        "flag",
    ]
    typo = sentence(trackd("config", TRACKD_STORE_URI=URL), 2)
    assert SHOWN in typo
    assert "secret" not in typo
    assert SHOWN.replace("postgresql", "mysql") in sentence(trackd("config", TRACKD_STORE_URL=f"mysql{URL[10:]}"), 2)


def test_a_file_on_the_command_line_wins_over_a_database_in_the_environment(trackd: Trackd, sentence: Sentence) -> None:
    made = trackd("source", "add", "--name", "shop", "--create", "--db", "t.db", TRACKD_STORE_URL=URL)
    assert (made.returncode, made.stderr) == (0, "")
    assert trackd("verify", "--db", "t.db", TRACKD_STORE_URL=URL).returncode == 0
    both = trackd("source", "list", "--db", "t.db", "--store", URL)
    assert (both.returncode, "the store is a file or a database" in both.stderr) == (2, True)


@pytest.mark.parametrize("command", [["backup", "my copy"], ["restore", "my copy"]], ids=lambda command: command[0])
def test_copies_of_a_database_are_made_by_the_programs_of_postgresql(
    trackd: Trackd, sentence: Sentence, command: list[str]
) -> None:
    refused = sentence(trackd(*command, TRACKD_STORE_URL=URL), 1)

    program = {
        "backup": "pg_dump --format=custom --file='my copy'",
        "restore": "pg_restore --no-owner 'my copy' --dbname",
    }
    assert f"`{program[command[0]]} postgresql://me@127.0.0.1:1/trackd`" in refused
    assert "secret" not in refused


@pytest.mark.parametrize(
    "command",
    [
        ["source", "list"],
        ["token", "list"],
        ["serve"],
        ["tail"],
        ["ui"],
        ["rules", "apply"],
        ["profile", "show", "x"],
        ["profile", "erase", "x"],
        ["retention", "confirm"],
        ["verify"],
        ["export"],
        ["import", "/dev/null"],
    ],
    ids=" ".join,
)
def test_a_database_that_does_not_answer_is_one_sentence(
    trackd: Trackd, sentence: Sentence, command: list[str]
) -> None:
    refused = sentence(trackd(*command, "--store", URL), 1)

    assert f"o connection to {SHOWN}: " in refused
    assert "secret" not in refused
