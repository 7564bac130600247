"""tests/ mirrors the folders: a test module stands where its subject stands."""

from pathlib import Path

from tests.layout.source import PACKAGES, ROOT, name, python_files

BEHAVIOURS = {ROOT / "tests/core/test_answers.py", ROOT / "tests/actors/test_tally.py"}  # not named after a module
TEST_MODULES = [
    path for path in python_files(*(f"tests/{package}" for package in PACKAGES)) if path.stem[:5] == "test_"
]


def test_each_test_module_is_in_a_folder_that_the_product_has_too() -> None:
    folders = {path.parent.relative_to(ROOT / "tests") for path in TEST_MODULES}
    assert [str(folder) for folder in folders if not (ROOT / folder).is_dir()] == []


def test_each_test_module_named_after_a_module_is_in_the_same_folder() -> None:
    """`test_fence.py` belongs to `fence.py`. A test module may also be named after a behaviour of several modules."""
    folders: dict[str, set[Path]] = {}
    for path in python_files(*PACKAGES):
        folders.setdefault(f"test_{path.stem}", set()).add(path.parent.relative_to(ROOT))
    elsewhere = {
        name(path): str(*folders[path.stem])
        for path in TEST_MODULES
        if len(folders.get(path.stem, ())) == 1 and path not in BEHAVIOURS
        if path.parent.relative_to(ROOT / "tests") not in folders[path.stem]
    }
    assert elsewhere == {}
