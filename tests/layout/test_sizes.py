"""Files and functions are short: a file has one subject, a function can be seen at once."""

from tests.layout.source import PACKAGES, functions, name, python_files

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50
ALLOWED: set[str] = set()  # paths that may be longer
PRODUCT = python_files(*PACKAGES)


def test_a_file_has_at_most_300_lines() -> None:
    lengths = {name(path): len(path.read_text().splitlines()) for path in (*PRODUCT, *python_files("tests"))}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_FILE_LINES and path not in ALLOWED} == {}


def test_a_function_of_the_product_has_at_most_50_lines() -> None:
    lengths = {
        f"{name(path)} {function.name}": (function.end_lineno or 0) - function.lineno + 1
        for path in PRODUCT
        if name(path) not in ALLOWED
        for function in functions(path)
    }
    assert {function: lines for function, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}
