"""CONTRIBUTING: its tree of folders is the real one, and its tour is short."""

import ast
import io
import re
import tokenize
from pathlib import Path

from tests.layout.source import PACKAGES, ROOT, python_files, tree

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
MAX_TOUR_LINES = 900
NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def drawn() -> dict[str, list[str]]:
    """The folders of the tree, each with its modules; no modules for a folder that has only a description."""
    folders: dict[str, list[str]] = {}
    block = CONTRIBUTING.split("## The folders")[1].split("```")[1]
    for line in block.strip().splitlines():
        if line.startswith(" "):
            folders[list(folders)[-1]] += line.split()
        else:
            folders[line.split()[0].rstrip("/")] = []
    return folders


def existing() -> dict[str, list[str]]:
    """The folders of the product with the names of their modules."""
    folders: dict[str, list[str]] = {}
    for path in python_files(*PACKAGES):
        folders.setdefault(path.parent.relative_to(ROOT).as_posix(), []).append(path.stem)
    return folders


def test_the_tree_has_every_folder_and_every_module_of_the_product() -> None:
    modules = {folder: sorted(names) for folder, names in drawn().items() if names}
    assert modules == {folder: sorted(names) for folder, names in existing().items()}


def test_the_tree_has_no_folder_that_does_not_exist_and_all_those_of_the_tests_that_mirror_none() -> None:
    folders = drawn().keys()
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []
    of_tests = {path.parent.relative_to(ROOT).as_posix() for path in python_files("tests")}
    mirrored = {f"tests/{folder}" for folder in existing()}
    assert of_tests - mirrored - folders == set()


def test_the_tour_is_at_most_900_lines_of_code() -> None:
    tour = re.findall(r"^\d+\. `(.+?)`", CONTRIBUTING, re.MULTILINE)
    assert len(tour) >= 8
    assert sum(code_lines(ROOT / path) for path in tour) <= MAX_TOUR_LINES


def code_lines(path: Path) -> int:
    """Lines without blank ones, comments, docstrings and imports."""
    counted: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type not in NO_CODE:
            counted |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree(path)):
        match node:
            case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant(value=str())):
                counted -= set(range(node.lineno, (node.end_lineno or 0) + 1))
    return len(counted)
