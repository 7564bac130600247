"""tests/ mirrors the folders: a test module stands where its subject stands."""

from pathlib import Path

import pytest

from tests.layout.source import PACKAGES, ROOT, name, python_files

BEHAVIOURS = {ROOT / "tests/core/test_answers.py", ROOT / "tests/actors/test_tally.py"}  # not named after a module
TEST_MODULES = [
    path for path in python_files(*(f"tests/{package}" for package in PACKAGES)) if path.stem[:5] == "test_"
]


@pytest.mark.parametrize("path", TEST_MODULES, ids=name)
def test_a_test_module_is_in_a_folder_that_the_product_has_too(path: Path) -> None:
    folder = path.parent.relative_to(ROOT / "tests")
    assert (ROOT / folder).is_dir()


@pytest.mark.parametrize("path", TEST_MODULES, ids=name)
def test_a_test_module_named_after_a_module_is_in_the_same_folder(path: Path) -> None:
    """`test_fence.py` belongs to `fence.py`. A test module may also be named after a behaviour of several modules."""
    folder = path.parent.relative_to(ROOT / "tests")
    subjects = {found.parent.relative_to(ROOT) for found in python_files(*PACKAGES) if found.stem == path.stem[5:]}
    assert len(subjects) != 1 or folder in subjects or path in BEHAVIOURS
