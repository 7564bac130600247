"""The two pinned lists: the packages for running, and those for the tools."""

import tomllib
from collections.abc import Iterable
from importlib.metadata import requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = PROJECT["project"]["dependencies"] + PROJECT["build-system"]["requires"]
DEV = PROJECT["dependency-groups"]["dev"]
NOT_PINNED = {"pip"}  # each virtual environment brings its own


def pins(name: str) -> dict[str, str]:
    """Package to version, of the lines `package==version` in a list."""
    lines = (ROOT / name).read_text().splitlines()
    pinned = [line.split("==") for line in lines if not line.startswith(("#", "-r "))]
    assert all(len(pin) == 2 for pin in pinned), pinned
    assert len({canonicalize_name(package) for package, _ in pinned}) == len(pinned), "a package is listed twice"
    return {canonicalize_name(package): pinned_version for package, pinned_version in pinned}


def closure(requirements: Iterable[str]) -> set[str]:
    """The packages that an installation of these requirements brings, by the metadata of what is installed here."""
    found: dict[str, set[str]] = {}  # package to the extras that are followed
    queue = [Requirement(text) for text in requirements]
    while queue:
        requirement = queue.pop()
        name, extras = canonicalize_name(requirement.name), {"", *requirement.extras}
        if name in found and extras <= found[name]:
            continue
        found[name] = found.get(name, set()) | extras
        queue += [each for each in map(Requirement, requires(name) or ()) if applies(each, extras)]
    return set(found) - NOT_PINNED


def applies(requirement: Requirement, extras: set[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)


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
