"""Folder X/ is the package trackd.X: in the repository, in pyproject.toml, in the sdist and in the wheel."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from tests.layout.source import PACKAGES, ROOT, python_files

EPOCH = os.environ | {"SOURCE_DATE_EPOCH": "1800000000"}


def test_http_has_no_init_so_that_pythons_own_http_can_be_imported_in_the_root() -> None:
    assert not (ROOT / "http" / "__init__.py").exists()
    subprocess.run([sys.executable, "-c", "import http.client, trackd.http.app"], cwd=ROOT, check=True)


@pytest.mark.parametrize("command", [["-m", "pytest"], [str(Path(sys.executable).with_name("pytest"))]])
@pytest.mark.slow
def test_pytest_starts_both_ways_in_the_root(command: list[str]) -> None:
    found = subprocess.run(
        [sys.executable, *command, "--collect-only", "-q", "tests/test_journey.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_every_folder_with_modules_is_a_package_in_pyproject() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = sorted({path.parent.relative_to(ROOT).as_posix() for path in python_files(*PACKAGES)})
    assert sorted(tool["packages"]) == [f"trackd.{folder.replace('/', '.')}" for folder in folders]
    assert tool["package-dir"] == {f"trackd.{package}": package for package in PACKAGES}


def typed_packages(wheel: Path) -> set[str]:
    """The folders of a wheel with a `py.typed`: their annotations, and those of folders within, count for mypy."""
    with zipfile.ZipFile(wheel) as archive:
        return {name.removesuffix("/py.typed") for name in archive.namelist() if name.endswith("/py.typed")}


def test_the_folder_packaging_hides_no_module_of_that_name() -> None:
    found = [sys.executable, "-c", "import packaging.version; print(packaging.__file__)"]
    assert str(ROOT / "packaging") not in subprocess.check_output(found, cwd=ROOT, text=True)


def copied(folder: Path) -> Path:
    """A copy of what is built: builds write beside it."""
    for name in (*PACKAGES, "packaging"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (*ROOT.glob("*.md"), ROOT / "LICENSE", ROOT / "MANIFEST.in", ROOT / "pyproject.toml"):
        shutil.copy(path, folder)
    return folder


def built(source: Path) -> dict[str, bytes]:
    """Name to content of the sdist, and of the wheel that is built from it, in `dist`."""
    build = [sys.executable, "-m", "build", "--no-isolation", str(source)]
    subprocess.run(build, check=True, capture_output=True, env=EPOCH)
    return {path.name: path.read_bytes() for path in (source / "dist").iterdir()}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist and a wheel."""
    source = copied(tmp_path_factory.mktemp("source"))
    built(source)
    return source / "dist"


@pytest.fixture
def wheel(dist: Path) -> Path:
    [wheel] = dist.glob("*.whl")
    return wheel


@pytest.mark.slow
def test_a_second_build_has_the_same_bytes(dist: Path, tmp_path: Path) -> None:
    assert built(copied(tmp_path)) == {path.name: path.read_bytes() for path in dist.iterdir()}


@pytest.mark.slow
def test_a_wheel_that_is_built_without_an_sdist_is_the_same(wheel: Path, tmp_path: Path) -> None:
    leftover = copied(tmp_path) / "build" / "lib" / "trackd" / "leftover.py"  # of a module that is gone
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "."]
    subprocess.run(pip, check=True, cwd=tmp_path, env=EPOCH)
    assert contents(tmp_path / wheel.name) == contents(wheel)


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.slow
def test_the_sdist_has_what_builds_it_and_names_no_owner(dist: Path) -> None:
    [sdist] = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    names = {member.name.partition("/")[2] for member in members}
    assert {"packaging/backend.py", "pyproject.toml", "LICENSE", "CHANGELOG.md", "ui/tracker.js"} <= names
    assert {(member.uid, member.uname, member.mtime) for member in members} == {(0, "", 1_800_000_000)}


@pytest.mark.slow
def test_the_metadata_of_the_wheel_are_complete(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("/METADATA")]
        metadata = Parser().parsestr(archive.read(name).decode())
    for field in ("Summary", "Author", "License-Expression", "License-File", "Keywords", "Requires-Python"):
        assert metadata[field], field
    classifiers = metadata.get_all("Classifier") or []
    assert {"Development Status", "Operating System", "Topic", "Typing"} <= {
        classifier.split(" :: ")[0] for classifier in classifiers
    }
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_wheel_installed_elsewhere_runs_the_server(wheel: Path, tmp_path: Path) -> None:
    assert typed_packages(wheel) == {f"trackd/{package}" for package in PACKAGES}
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    site = subprocess.check_output([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True)
    # The dependencies of this environment; its editable trackd is not among what a .pth file adds.
    (Path(site.strip()) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", str(wheel)]
    subprocess.run(install, check=True, cwd=tmp_path)
    where = [python, "-c", "import trackd.http.app as app; print(app.__file__)"]
    assert str(tmp_path) in subprocess.check_output(where, text=True, cwd=tmp_path)

    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    server = subprocess.Popen(
        [tmp_path / "venv" / "bin" / "trackd", "serve", "--port", "0"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        assert any("is ready at" in line for line in iter(server.stdout.readline, ""))
        server.terminate()
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.communicate()
