"""Variables that orchestrators make of the names of services, and empty ones: neither is a setting."""

import os
from pathlib import Path

import pytest

from trackd.config.environment import is_service_link
from trackd.config.errors import SettingsError
from trackd.config.load import load, names
from trackd.config.settings import Settings

PORTS = {
    "SERVICE_HOST": "10.0.0.11",
    "SERVICE_PORT": "8686",
    "SERVICE_PORT_HTTP": "8686",
    "SERVICE_PORT_METRICS_2": "9000",
    "PORT": "tcp://10.0.0.11:8686",
    "PORT_8686_TCP": "tcp://10.0.0.11:8686",
    "PORT_8686_TCP_PROTO": "tcp",
    "PORT_8686_TCP_PORT": "8686",
    "PORT_8686_TCP_ADDR": "10.0.0.11",
    "PORT_53_UDP": "udp://[fd00::1]:53",
    "PORT_53_UDP_ADDR": "fd00::1",
    "PORT_9_SCTP_PROTO": "sctp",
}
SERVICES = ["TRACKD", "TRACKD_SERVER", "TRACKD_CONFIG", "TRACKD_TOKEN", "TRACKD_RULES_PATH", "TRACKD_1", "TRACKD_DB_1"]
DOCKER = {
    "TRACKD_NAME": "/web/trackd",
    "TRACKD_DB_NAME": "/trackd/db",
    "TRACKD_ENV_PATH": "/bin",
    "TRACKD_DB_ENV_X": "x",
}


@pytest.fixture(autouse=True)
def nothing_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in list(os.environ):
        if variable.upper().startswith("TRACKD_"):
            monkeypatch.delenv(variable)


@pytest.mark.parametrize("service", SERVICES)
def test_the_variables_of_a_service_are_ignored_with_one_warning(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PORTS.items():
        monkeypatch.setenv(f"{service}_{name}", value)
    loaded = load()
    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"default"}
    [warning] = loaded.warnings
    assert f" {service}_PORT, " in warning
    assert warning.endswith(" and 2 more. Without `enableServiceLinks` in the pod there are none.")


def test_the_variables_of_a_link_of_docker_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in DOCKER.items():
        monkeypatch.setenv(name, value)
    loaded = load()
    assert loaded.settings == Settings()
    assert all(name in loaded.warnings[0] for name in DOCKER)


def test_a_port_that_is_a_number_is_a_setting_beside_those_of_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKD_SERVER_SERVICE_PORT", "80")
    monkeypatch.setenv("TRACKD_SERVER_PORT", "81")
    loaded = load()
    assert (loaded.settings.server.port, loaded.origins["server.port"]) == (81, "environment")
    monkeypatch.setenv("TRACKD_SERVER_PORT", "tcp://10.0.0.1:80")
    Path("trackd.toml").write_text("[server]\nport = 82")
    assert load().settings.server.port == 82


@pytest.mark.parametrize("name", [name for name, _, _ in names()])
def test_no_setting_has_the_name_of_a_variable_of_a_service(name: str) -> None:
    assert not is_service_link(f"TRACKD_{name.replace('.', '_').upper()}", "80")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TRACKD_PORT", "8686"),
        ("TRACKD_SERVER_PORT", "http://10.0.0.1:80"),
        ("TRACKD_SERVER_NAME", "trackd"),
        ("TRACKD_SERVICE", "10.0.0.1"),
        ("TRACKD_PORT_TCP", "80"),
    ],
)
def test_a_typo_is_still_a_fault(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable):
        load()


@pytest.mark.parametrize("empty", ["", " "])
@pytest.mark.parametrize("name", [name for name, _, _ in names()])
def test_an_empty_variable_counts_as_none(name: str, empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TRACKD_{name.replace('.', '_').upper()}", empty)
    loaded = load()
    assert loaded.settings == Settings()
    assert loaded.origins[name] == "default"


def test_an_empty_variable_that_is_no_setting_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKD_NONSENSE", "")
    monkeypatch.setenv("TRACKD_CONFIG", "")
    loaded = load()
    assert (loaded.settings, loaded.warnings) == (Settings(), [])


@pytest.mark.parametrize("key", ["server_trusted_proxies", "limits_blocked_ids", "limits_unlimited_clients"])
def test_a_comma_is_an_empty_list_and_an_empty_variable_has_a_warning(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = f"TRACKD_{key.upper()}"
    monkeypatch.setenv(variable, "")
    assert load().warnings == [
        f"The variable {variable} is empty, and counts as not set: a comma stands for an empty list."
    ]
    monkeypatch.setenv(variable, ",")
    loaded = load()
    assert loaded.warnings == []
    assert loaded.origins[key.replace("_", ".", 1)] == "environment"
