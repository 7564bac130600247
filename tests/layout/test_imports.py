"""Imports run one way between the folders, and in no circle between modules."""

import functools
from pathlib import Path

from tests.layout.source import PACKAGES, ROOT, imports, name, python_files

ORDER = PACKAGES[:-1]
MODULES = {f"trackd.{name(path)[:-3].replace('/', '.')}": path for path in python_files(*PACKAGES)}


@functools.cache
def graph() -> dict[str, set[str]]:
    """The modules of trackd that each of them imports."""
    return {module: {found for found in imports(path) if found in MODULES} for module, path in MODULES.items()}


def package(module: str) -> str:
    return module.split(".")[1]


def allowed(importing: str) -> set[str]:
    """The folders from which the modules of a folder may import."""
    below = ORDER[: ORDER.index(importing)] if importing in ORDER else ()
    return {importing, *below, *(["load"] if importing == "cli" else [])}


def test_a_module_imports_only_from_its_own_folder_and_those_below() -> None:
    upward = {
        module: found
        for module, imported in graph().items()
        if (found := {other for other in imported if package(other) not in allowed(package(module))})
    }
    assert upward == {}


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Removes, again and again, the modules that import none of the remaining ones."""
    left = {module: set(found) for module, found in graph().items()}
    while free := {module for module, found in left.items() if not found & left.keys()}:
        for module in free:
            del left[module]
    assert left == {}


def test_no_folder_of_the_product_has_an_init_file() -> None:
    assert [name(path) for path in ROOT.rglob("__init__.py") if _is_ours(path)] == []


def test_every_import_is_of_a_module_that_exists() -> None:
    for path in python_files(*PACKAGES, "tests"):
        for found in imports(path):
            if found.startswith("trackd.") and found not in MODULES:
                assert {found, found.rpartition(".")[0]} & {*MODULES, *_folders()}, f"{name(path)}: {found}"


def _folders() -> set[str]:
    return {module.rpartition(".")[0] for module in MODULES}


def _is_ours(path: Path) -> bool:
    return name(path).split("/")[0] in (*PACKAGES, "tests")
