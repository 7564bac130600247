"""The two pinned lists: the packages for running, and those for the tools."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = PROJECT["project"]["dependencies"] + PROJECT["build-system"]["requires"]
DEV = PROJECT["dependency-groups"]["dev"]
# Each with the values of markers that differ.
PLATFORMS = {
    f"{machine}-{platform}": {"platform_machine": markers.get(machine, machine), "sys_platform": system}
    for platform, system, markers in (("manylinux_2_28", "linux", {}), ("apple-darwin", "darwin", {"aarch64": "arm64"}))
    for machine in ("x86_64", "aarch64")
}
PYTHONS = [name.split()[-1] for name in PROJECT["project"]["classifiers"] if re.search(r":: 3\.\d+$", name)]
WITHOUT_WHEEL = "thespian"  # Python alone: any machine builds it without a compiler
UNREACHABLE = re.compile(
    r"error sending request|dns error|failed to fetch|tcp connect|timed out|network", re.IGNORECASE
)
NOT_PINNED = {"pip"}  # each virtual environment brings its own


def pins(name: str) -> dict[str, str]:
    """Package to version, of the lines `package==version` in a list."""
    lines = (ROOT / name).read_text().splitlines()
    pinned = [line.split("==") for line in lines if not line.startswith(("#", "-r "))]
    assert all(len(pin) == 2 for pin in pinned), pinned
    assert len({canonicalize_name(package) for package, _ in pinned}) == len(pinned), "a package is listed twice"
    return {canonicalize_name(package): pinned_version for package, pinned_version in pinned}


def closure(requirements: Iterable[str], **markers: str) -> set[str]:
    """The packages that an installation of these requirements brings, by the metadata of what is installed here.

    `markers` are those of another platform or Python.
    """
    found: dict[str, set[str]] = {}  # package to the extras that are followed
    queue = [each for each in map(Requirement, requirements) if applies(each, {""}, markers)]
    while queue:
        requirement = queue.pop()
        name, extras = canonicalize_name(requirement.name), {"", *requirement.extras}
        if name in found and extras <= found[name]:
            continue
        found[name] = found.get(name, set()) | extras
        queue += [each for each in map(Requirement, requires(name) or ()) if applies(each, extras, markers)]
    return set(found) - NOT_PINNED


def applies(requirement: Requirement, extras: set[str], markers: dict[str, str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**markers, "extra": extra}) for extra in extras)


def test_requirements_txt_has_the_dependencies_of_trackd_and_no_more() -> None:
    assert set(pins("requirements.txt")) == closure(RUNTIME)


def test_requirements_dev_txt_adds_the_dev_group_and_no_more() -> None:
    assert set(pins("requirements-dev.txt")) == closure(DEV) - closure(RUNTIME)


def test_requirements_dev_txt_includes_requirements_txt() -> None:
    lines = (ROOT / "requirements-dev.txt").read_text().splitlines()
    assert next(line for line in lines if not line.startswith("#")) == "-r requirements.txt"


def test_each_pin_is_in_the_range_that_pyproject_names() -> None:
    pinned = {**pins("requirements.txt"), **pins("requirements-dev.txt")}
    for requirement in map(Requirement, RUNTIME + DEV):
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_the_installed_versions_are_the_pinned_ones() -> None:
    pinned = {**pins("requirements.txt"), **pins("requirements-dev.txt")}
    assert {package: version(package) for package in pinned} == pinned


def test_the_supported_versions_of_python_begin_with_the_one_that_is_required() -> None:
    assert PROJECT["project"]["requires-python"] == f">={PYTHONS[0]}"
    assert len(PYTHONS) == 4


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("markers", PLATFORMS.values(), ids=PLATFORMS)
def test_no_platform_and_no_version_of_python_needs_other_packages(markers: dict[str, str], python: str) -> None:
    assert set(pins("requirements.txt")) == closure(RUNTIME, python_version=python, **markers)


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_pinned_packages_install_without_a_compiler(platform: str, python: str) -> None:
    """Asks the registry for wheels; installs nothing."""
    uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--dry-run", "--system-certs", "--no-deps"]
    target = ["--target", "build/elsewhere", "--python-platform", platform, "--python-version", python]
    wheels = ["--only-binary", ":all:", "--no-binary", WITHOUT_WHEEL, "--requirement", "requirements.txt"]
    found = subprocess.run([*uv, *target, *wheels], cwd=ROOT, capture_output=True, text=True)
    if found.returncode and UNREACHABLE.search(found.stderr):
        pytest.skip("the package registry cannot be reached")
    assert found.returncode == 0, found.stderr
    assert f"Would install {len(pins('requirements.txt'))} packages" in found.stderr
