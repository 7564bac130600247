"""Files and functions are short: a file has one subject, a function can be seen at once."""

from pathlib import Path

import pytest

from tests.layout.source import PACKAGES, functions, name, python_files

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50
ALLOWED: set[str] = set()  # paths that may be longer
PRODUCT = python_files(*PACKAGES)


@pytest.mark.parametrize("path", [*PRODUCT, *python_files("tests")], ids=name)
def test_a_file_has_at_most_300_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_FILE_LINES or name(path) in ALLOWED


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_a_function_of_the_product_has_at_most_50_lines(path: Path) -> None:
    lengths = {function.name: (function.end_lineno or 0) - function.lineno + 1 for function in functions(path)}
    long = {function: lines for function, lines in lengths.items() if lines > MAX_FUNCTION_LINES}
    assert long == {} or name(path) in ALLOWED
