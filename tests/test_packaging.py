"""Folder X/ is the package trackd.X: in the repository, in pyproject.toml and in the wheel."""

import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.layout.source import PACKAGES, ROOT, python_files


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


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_wheel_installed_elsewhere_runs_the_server(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
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
