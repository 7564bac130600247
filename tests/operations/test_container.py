"""The image: what its files name exists, and its steps, played without a container engine, make a server that runs."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.docs.pages import block, page
from tests.layout.source import ROOT
from tests.operations.test_first_process import children
from tests.support.dockerfile import Image, command_of, context, steps_of
from tests.support.polling import wait_until
from tests.support.ports import free_port
from tests.support.process import TRACKD
from trackd.config.settings import Settings

FOLDER = ROOT / "packaging" / "container"
STEPS = steps_of(FOLDER / "Dockerfile")
FILES = context(ROOT, FOLDER / "Dockerfile.dockerignore")
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICE = COMPOSE["services"]["trackd"]
BASE = os.environ.get("BASE_IMAGE", "")  # a root file system with Python and Debian's tools; / will do


def arguments(instruction: str) -> list[str]:
    return [step.argument for step in STEPS if step.instruction == instruction]


def test_the_image_has_two_stages_and_runs_as_a_user_of_its_own() -> None:
    assert len(arguments("FROM")) == 2
    assert arguments("USER") == ["8686:8686"]  # a number: a cluster can see that it is not root
    assert command_of(*arguments("ENTRYPOINT")) == ["trackd"]
    assert command_of(*arguments("CMD")) == ["serve"]
    assert arguments("VOLUME") == ["/data"]
    assert arguments("STOPSIGNAL") == ["SIGTERM"]


def test_the_context_has_all_that_is_copied_and_built_and_no_more() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in FILES}
    assert {"requirements.txt", "pyproject.toml", "packaging/backend.py", "core/version.py", "ui/tracker.js"} <= names
    assert not [name for name in names if name.startswith(("tests/", "docs/", ".")) or name.endswith(".db")]


def test_the_variables_of_the_image_and_of_compose_are_settings(tmp_path: Path) -> None:
    variables = [variable for step in arguments("ENV") for variable in step.split() if variable.startswith("TRACKD_")]
    environment = dict(variable.split("=", 1) for variable in variables) | SERVICE["environment"]
    shown = subprocess.run(
        [TRACKD, "config"], env=os.environ | environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stderr
    assert len(re.findall("environment", shown.stdout)) >= len(environment) == 3


def test_compose_gives_the_server_time_to_stop_and_no_right_that_it_does_not_need() -> None:
    seconds = int(SERVICE["stop_grace_period"].removesuffix("s"))
    assert seconds > Settings().server.stop_timeout_s + Settings().server.drain_ms / 1000
    assert (SERVICE["read_only"], SERVICE["cap_drop"]) == (True, ["ALL"])
    assert SERVICE["security_opt"] == ["no-new-privileges:true"]
    assert [volume.rpartition(":")[2] for volume in SERVICE["volumes"]] == arguments("VOLUME")


def test_compose_names_files_volumes_and_networks_that_exist() -> None:
    build = SERVICE["build"]
    assert (FOLDER / build["context"] / build["dockerfile"]).samefile(FOLDER / "Dockerfile")
    for service in COMPOSE["services"].values():
        for source in (volume.split(":")[0] for volume in service["volumes"]):
            assert source in COMPOSE["volumes"] or (FOLDER / source).is_file(), source
        assert set(service["networks"]) <= COMPOSE["networks"].keys()
    [subnet] = [each["subnet"] for each in COMPOSE["networks"]["inside"]["ipam"]["config"]]
    assert subnet in SERVICE["environment"]["TRACKD_SERVER_TRUSTED_PROXIES"]


def test_caddy_is_configured_as_the_page_about_proxies_prints_it() -> None:
    printed = block(page("operating/public"), "caddy", "reverse_proxy")
    for name, here in {"events.example.com": "{$TRACKD_DOMAIN}", "127.0.0.1:8686": "trackd:8686"}.items():
        printed = printed.replace(name, here)
    assert (FOLDER / "Caddyfile").read_text() == printed


@pytest.mark.skipif(shutil.which("caddy") is None, reason="caddy is not installed")
def test_caddy_takes_its_configuration() -> None:
    command = ["caddy", "validate", "--adapter", "caddyfile", "--config", str(FOLDER / "Caddyfile")]
    environment = os.environ | {"TRACKD_DOMAIN": "events.example.com"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """The image of the Dockerfile."""
    stages: dict[str, Image] = {}
    for number, step in enumerate(STEPS):
        if step.instruction == "FROM":
            made = Image(Path(BASE), tmp_path / str(number))
            stages[step.argument.partition(" AS ")[2]] = made
        made.play(step, stages, ROOT, FILES)
    return made


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not BASE, reason="BASE_IMAGE names no root file system: it takes a minute, and root")
def test_the_steps_of_the_dockerfile_make_a_container_that_serves_and_stops(image: Image, tmp_path: Path) -> None:
    volume, port = tmp_path / "volume", free_port()
    shutil.copytree(image.upper / image.volume[1:], volume)  # as an engine fills a new volume
    image.environment |= {"TRACKD_SERVER_PORT": str(port), "TRACKD_SERVER_HOST": "127.0.0.1"}
    owner = (image.upper / image.volume[1:]).stat()
    os.chown(volume, owner.st_uid, owner.st_gid)
    engine = subprocess.Popen(image.container(volume), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        [pid] = wait_until(lambda: children(engine.pid), "the first process exists")
        wait_until(lambda: engine.poll() is not None or image.healthy(pid), "the container is healthy")
        assert engine.poll() is None, engine.communicate()
        assert httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 200
        os.kill(pid, getattr(signal, image.stop_signal))
        out, log = engine.communicate(timeout=30)
        assert (engine.returncode, "is ready at" in out) == (0, True), log
    finally:
        engine.kill()
        engine.communicate()
    assert [path.name for path in volume.glob("trackd.db*")] != []
    assert {path.stat().st_uid for path in volume.iterdir()} == {8686}
    assert not (volume / "trackd.db-wal").exists()  # checkpointed
