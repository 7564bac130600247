"""The units of systemd in packaging/, judged by systemd's own tool where it is installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.process import TRACKD
from trackd.config.settings import Limits, Server

PACKAGING = Path(__file__).parent.parent.parent / "packaging"
PROGRAM = "/opt/trackd/trackd"
MAX_EXPOSURE = "20"  # of 100: it is 13, most of it for the network
ANALYZE = "systemd-analyze"


def values(unit: str) -> dict[str, list[str]]:
    """The values of each key of a unit."""
    found: dict[str, list[str]] = {}
    for line in (PACKAGING / unit).read_text().splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def analyze(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """systemd-analyze in a folder with both units, whose program is that of the tests."""
    if shutil.which(ANALYZE) is None:
        pytest.skip("systemd-analyze is not installed")
    for unit in PACKAGING.glob("trackd.s*"):
        (folder / unit.name).write_text(unit.read_text().replace(PROGRAM, str(TRACKD)))
    return subprocess.run([ANALYZE, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    found = analyze(tmp_path, "verify", "./trackd.service", "./trackd.socket")
    assert (found.stdout, found.stderr, found.returncode) == ("", "", 0)


def test_the_service_is_hardened(tmp_path: Path) -> None:
    found = analyze(
        tmp_path, "security", "--offline=true", f"--threshold={MAX_EXPOSURE}", "--no-pager", "./trackd.service"
    )
    assert found.returncode == 0, found.stdout[-300:] + found.stderr


def test_the_limits_of_time_fit_the_settings() -> None:
    service = values("trackd.service")
    assert int(service["TimeoutStopSec"][0]) > Server().stop_timeout_s + Server().drain_ms / 1000
    assert int(service["WatchdogSec"][0]) > Limits().call_timeout_s
    assert service["ExecStart"] == [f"{PROGRAM} serve --db /var/lib/trackd/trackd.db"]
    assert service["Type"] == ["notify"]


def test_the_socket_has_the_default_address_so_that_commands_and_proxies_find_it() -> None:
    assert values("trackd.socket")["ListenStream"] == [f"{Server().host}:{Server().port}", "/run/trackd.sock"]
