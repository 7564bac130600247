"""Flags > environment > file > defaults, and one sentence for each fault."""

import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest

from trackd.config.errors import SettingsError
from trackd.config.load import Loaded, load, names
from trackd.config.settings import Privacy, Settings


@pytest.fixture(autouse=True)
def nothing_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for variable in list(os.environ):
        if variable.upper().startswith("TRACKD_"):
            monkeypatch.delenv(variable)


def written(text: str | bytes, name: str = "some.toml") -> Path:
    path = Path(name)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(file: str | bytes | None = None, **flags: Any) -> str:
    """The sentence that loading ends with."""
    with pytest.raises(SettingsError) as refused:
        load({"server": flags}, None if file is None else written(file))
    sentence = str(refused.value)
    assert len(sentence.splitlines()) == 1
    assert sentence.endswith(".")
    return sentence


def in_force(loaded: Loaded, name: str) -> tuple[Any, str]:
    [setting] = [setting for setting in loaded.each() if setting.name == name]
    return setting.value, setting.origin


def test_without_any_origin_every_setting_is_its_default() -> None:
    loaded = load()
    assert loaded.settings == Settings()
    assert loaded.file is None
    assert {setting.origin for setting in loaded.each()} == {"default"}


def test_every_setting_is_listed_once_and_has_a_help_text() -> None:
    settings = list(load().each())
    assert [setting.name for setting in settings] == [name for name, _, _ in names()]
    assert len({setting.name for setting in settings}) == len(settings)
    for group in vars(Settings()).values():
        for field in type(group).model_fields.values():
            assert field.description.endswith(".")


def test_a_byte_order_mark_at_the_beginning_of_the_file_is_skipped() -> None:
    path = written(b"\xef\xbb\xbf[server]\r\nport = 3\r\n")
    assert in_force(load(file=path), "server.port") == (3, "file")


@pytest.mark.parametrize("given", list(itertools.product([False, True], repeat=3)))
def test_a_flag_wins_over_the_environment_the_environment_over_the_file_and_the_file_over_the_default(
    given: tuple[bool, bool, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    flag, environment, file = given
    if environment:
        monkeypatch.setenv("TRACKD_SERVER_PORT", "2")
    path = written("[server]\nport = 3" if file else "")
    expected = (
        (1, "flag") if flag else (2, "environment") if environment else (3, "file") if file else (8686, "default")
    )
    assert in_force(load({"server": {"port": 1 if flag else None}}, path), "server.port") == expected


def test_a_flag_of_zero_is_a_flag_that_was_given() -> None:
    assert in_force(load({"server": {"port": 0}}, written("[server]\nport = 3")), "server.port") == (0, "flag")


def test_each_setting_of_a_group_may_come_from_another_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKD_SERVER_STOP_TIMEOUT_S", "20")
    loaded = load({"server": {"host": "::1", "port": None}}, written('[server]\ndrain_ms = 0\nhost = "0.0.0.0"'))
    assert in_force(loaded, "server.host") == ("::1", "flag")
    assert in_force(loaded, "server.stop_timeout_s") == (20, "environment")
    assert in_force(loaded, "server.drain_ms") == (0, "file")
    assert in_force(loaded, "server.port") == (8686, "default")


@pytest.mark.parametrize(
    "name", [name for name, group, key in names() if getattr(getattr(Settings(), group), key) != ""]
)
def test_every_setting_can_be_set_in_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value, _ = in_force(load(), name)
    monkeypatch.setenv(f"TRACKD_{name.replace('.', '_').upper()}", str(value))
    assert in_force(load(), name) == (value, "environment")


def test_a_variable_in_lower_case_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("trackd_server_port", "77")
    assert in_force(load(), "server.port") == (77, "environment")


def test_a_variable_that_looks_like_json_is_taken_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("null", "[1]", '{"a": 1}', '"quoted"'):
        monkeypatch.setenv("TRACKD_SERVER_HOST", text)
        assert in_force(load(), "server.host") == (text, "environment")


def test_trackd_toml_of_the_folder_is_read_when_no_file_is_named() -> None:
    written("[server]\nport = 3", "trackd.toml")
    loaded = load()
    assert in_force(loaded, "server.port") == (3, "file")
    assert loaded.file == Path("trackd.toml")


def test_a_named_file_is_read_in_place_of_the_folders() -> None:
    written("[server]\nport = 3\ndrain_ms = 4", "trackd.toml")
    loaded = load(file=written("[server]\nport = 5"))
    assert in_force(loaded, "server.port") == (5, "file")
    assert in_force(loaded, "server.drain_ms") == (500, "default")
    assert loaded.file == Path("some.toml")


def test_settings_cannot_be_changed_once_they_are_loaded() -> None:
    settings = load().settings
    with pytest.raises(ValueError, match="frozen"):
        setattr(settings.server, "port", 1)  # noqa: B010 a plain assignment is an error of types
    with pytest.raises(ValueError, match="frozen"):
        setattr(settings, "server", Settings().server)  # noqa: B010


def test_a_named_file_that_is_missing_is_named() -> None:
    with pytest.raises(SettingsError, match=r"^The configuration file nowhere\.toml does not exist: .+\.$"):
        load(file=Path("nowhere.toml"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("port = = 1", "line 1"),
        ("[server]\nport = 1\nport = 2", "Cannot overwrite a value"),
        ("[server\nport = 1", "line 1"),
        (b"[server]\nhost = '\xff'", "UTF-8"),
    ],
)
def test_a_file_that_is_not_toml_is_named_with_its_fault(text: str | bytes, fault: str) -> None:
    sentence = refusal(text)
    assert sentence.startswith("The configuration file some.toml is not valid TOML")
    assert fault in sentence


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("[server]\nportt = 1717", "server.portt", "1717"),
        ("[server]\nPORT = 1717", "server.PORT", "1717"),
        ("port = 1717", "port", "1717"),
        ("[servr]\nport = 1717", "servr", "1717"),
        ("[log]\nlevels = 'all'", "log.levels", "all"),
    ],
)
def test_an_unknown_key_in_the_file_is_named_with_its_value(text: str, name: str, value: str) -> None:
    sentence = refusal(text)
    assert f"no setting {name} " in sentence
    assert "some.toml" in sentence
    assert "`trackd config`" in sentence
    assert value in sentence


@pytest.mark.parametrize("variable", ["TRACKD_SERVER_PORTT", "TRACKD_PORT", "trackd_server_portt", "TRACKD_SERVER"])
def test_an_unknown_key_in_the_environment_is_named_with_its_value(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1717")
    sentence = refusal()
    assert f"The environment has {variable}='1717', which is not a setting" in sentence
    assert "`trackd config`" in sentence


def test_the_nearest_setting_is_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "did you mean server.port?" in refusal("[server]\nportt = 1")
    assert "did you mean server.port?" in refusal("port = 1")
    monkeypatch.setenv("TRACKD_PORT", "1")
    assert "did you mean TRACKD_SERVER_PORT?" in refusal()


def test_a_suggestion_ends_its_sentence_with_one_mark() -> None:
    assert "?." not in refusal("[server]\nportt = 1")


@pytest.mark.parametrize("old", ["max_condition_bytes", "max_loop_bytes"])
def test_the_setting_in_place_of_an_old_one_is_named(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    end = "any more: limits.max_call_work has taken its place. `trackd config` lists all settings."
    assert refusal(f"[limits]\n{old} = 300000").endswith(end)
    monkeypatch.setenv(f"TRACKD_LIMITS_{old.upper()}", "300000")
    assert refusal().endswith(end)


def test_nothing_is_suggested_for_a_name_that_resembles_no_setting() -> None:
    assert "did you mean" not in refusal("xyzzy = 1")


def test_the_variable_that_names_the_file_is_no_unknown_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKD_CONFIG", "some.toml")
    assert load().settings == Settings()


@pytest.mark.parametrize(
    ("group", "key", "value", "allowed"),
    [
        ("server", "port", "abc", "integer"),
        ("server", "port", 65536, "less than or equal to 65535"),
        ("server", "port", -1, "greater than or equal to 0"),
        ("server", "port", 80.5, "integer"),
        ("server", "host", "", "must name an address"),
        ("server", "host", 5, "string"),
        ("server", "stop_timeout_s", 0, "greater than or equal to 1"),
        ("database", "synchronous", "full", "'FULL' or 'NORMAL'"),
        ("database", "path", 5, "path"),
        ("limits", "max_nesting", 129, "less than or equal to 128"),
        ("limits", "max_events", [1], "integer"),
        ("actors", "max_active_profiles", 0, "greater than or equal to 1"),
        ("log", "level", "INFO", "'debug', 'info', 'warning' or 'error'"),
        ("log", "format", "xml", "'auto', 'text' or 'json'"),
    ],
)
def test_a_bad_value_in_the_file_is_named_with_what_is_allowed(group: str, key: str, value: Any, allowed: str) -> None:
    sentence = refusal(f"[{group}]\n{key} = {json.dumps(value)}")
    assert sentence.startswith(f"The setting {group}.{key} = {value!r} (from some.toml) is not allowed: ")
    assert allowed in sentence


def test_a_bad_value_in_the_environment_is_named_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKD_LIMITS_MAX_EVENTS", "1e3")
    sentence = refusal("[limits]\nmax_events = 5")
    assert "limits.max_events = '1e3' (from the environment as TRACKD_LIMITS_MAX_EVENTS)" in sentence
    assert "integer" in sentence


def test_a_bad_value_of_a_flag_is_named_as_from_the_command_line() -> None:
    sentence = refusal("[server]\nport = 5", port=70000)
    assert sentence.startswith("The setting server.port = 70000 (from the command line) is not allowed: ")


def test_a_bad_value_that_another_origin_overrides_is_ignored() -> None:
    assert in_force(load({"server": {"port": 1}}, written("[server]\nport = 70000")), "server.port") == (1, "flag")


@pytest.mark.parametrize(
    "name", [name for name, group, _ in names() if group not in ("privacy", "ui") and name != "refusals.bodies"]
)
def test_true_is_no_number_and_no_text(name: str) -> None:
    group, key = name.split(".")
    sentence = refusal(f"[{group}]\n{key} = true")
    assert sentence == f"The setting {name} = True (from some.toml) is not allowed: must not be true or false."


@pytest.mark.parametrize("text", ["true", "TRUE", "1", "yes", "on"])
def test_a_setting_is_switched_on_and_off(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert load(file=written("[privacy]\nuser_agent = true")).settings.privacy == Privacy(user_agent=True)
    monkeypatch.setenv("TRACKD_PRIVACY_REFERRER", text)
    assert load(file=None).settings.privacy == Privacy(referrer=True)
    assert "privacy.user_agent = 'maybe'" in refusal('[privacy]\nuser_agent = "maybe"')


@pytest.mark.parametrize(("text", "value"), [("server = 5", "5"), ("server = true", "True"), ("[[server]]", "[{}]")])
@pytest.mark.parametrize("flag", [None, 80])
def test_a_value_in_place_of_a_table_is_reported_even_if_a_flag_is_given(
    text: str, value: str, flag: int | None
) -> None:
    sentence = refusal(text, port=flag)
    assert sentence.startswith(f"The setting server = {value} (from some.toml) is not allowed: ")


def test_the_blocked_ids_may_be_a_list_in_the_file() -> None:
    assert load(file=written('[limits]\nblocked_ids = ["a", "b c"]')).settings.limits.blocked_ids == "a, b c"
    assert load(file=written("[limits]\nblocked_ids = []")).settings.limits.blocked_ids == ""
    assert load(file=written('[limits]\nblocked_ids = "a, b c"')).settings.limits.blocked_ids == "a, b c"
    assert refusal("[limits]\nblocked_ids = [1]").startswith("The setting limits.blocked_ids = [1] (from some.toml)")


@pytest.mark.parametrize("proxies", ["10.0.0.5/8", "localhost", "a;b", "127.0.0.1, nginx", "127.0.0.1:80", "*, ::1"])
def test_trusted_proxies_that_are_no_addresses_and_no_networks_are_refused(proxies: str) -> None:
    sentence = refusal(trusted_proxies=proxies)
    assert f"The setting server.trusted_proxies = {proxies!r} (from the command line) is not allowed" in sentence


@pytest.mark.parametrize("proxies", ["", "*", "127.0.0.1, ::1, 10.0.0.0/8, 2001:db8::/32"])
def test_trusted_proxies_are_addresses_networks_any_or_none(proxies: str) -> None:
    assert load({"server": {"trusted_proxies": proxies}}).settings.server.trusted_proxies == proxies


def test_trusted_proxies_can_be_a_list_in_the_file() -> None:
    path = written('[server]\ntrusted_proxies = ["10.0.0.1", "fd00::/8"]')
    assert load(file=path).settings.server.trusted_proxies == "10.0.0.1, fd00::/8"
