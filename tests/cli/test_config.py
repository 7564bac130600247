"""`trackd config`: the settings in force, and their origins."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from trackd.config.load import names

Trackd = Callable[..., subprocess.CompletedProcess[str]]
Sentence = Callable[[subprocess.CompletedProcess[str], int], str]


def listed(result: subprocess.CompletedProcess[str]) -> dict[str, list[str]]:
    """Each setting's value and origin."""
    assert (result.returncode, result.stderr) == (0, "")
    return {name: rest for name, *rest in (line.split(maxsplit=2) for line in result.stdout.splitlines())}


def test_every_setting_is_printed_with_its_value_and_origin(trackd: Trackd, tmp_path: Path) -> None:
    (tmp_path / "trackd.toml").write_text('[server]\nport = 1\nhost = "0.0.0.0"\ntrusted_proxies = ""')
    settings = listed(trackd("config", "--port", "9000", "--db", "some.db", TRACKD_LIMITS_MAX_EVENTS="7"))
    assert list(settings) == [name for name, _, _ in names()]
    assert settings["server.port"] == ["9000", "flag"]
    assert settings["database.path"] == ["some.db", "flag"]
    assert settings["limits.max_events"] == ["7", "environment"]
    assert settings["server.host"] == ["0.0.0.0", "file trackd.toml"]
    assert settings["server.trusted_proxies"] == ["''", "file trackd.toml"]
    assert settings["log.level"] == ["info", "default"]


def test_the_file_may_be_named_by_flag_or_variable_and_the_flag_wins(trackd: Trackd, tmp_path: Path) -> None:
    for name, port in {"one.toml": 1, "two.toml": 2}.items():
        (tmp_path / name).write_text(f"[server]\nport = {port}")
    by_variable = listed(trackd("config", TRACKD_CONFIG="one.toml"))
    by_both = listed(trackd("config", "--config", "two.toml", TRACKD_CONFIG="one.toml"))
    assert by_variable["server.port"] == ["1", "file one.toml"]
    assert by_both["server.port"] == ["2", "file two.toml"]


def test_a_bad_setting_ends_with_2_and_a_sentence(trackd: Trackd, sentence: Sentence) -> None:
    message = sentence(trackd("config", TRACKD_SERVER_PORT="http"), 2)
    assert message.startswith("The setting server.port = 'http' (from the environment as TRACKD_SERVER_PORT)")
