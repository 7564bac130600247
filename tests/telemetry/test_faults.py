import ast
import traceback

import pytest

from tests.layout.source import PACKAGES, name, python_files, tree
from trackd.telemetry.faults import without_values

SECRET = "ann@example.com"


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        try:
            if cause is not None:
                raise cause
        except BaseException as caught:
            raise error from caught
        raise error
    except BaseException as caught:
        return caught


def text_of(error: BaseException) -> str:
    return "".join(traceback.format_exception(without_values(error)))


class OddError(Exception):
    def __str__(self) -> str:
        raise AssertionError("nobody reads the message")


@pytest.mark.parametrize(
    ("error", "last_line"),
    [
        (KeyError(SECRET), "KeyError"),
        (ValueError(SECRET, SECRET), "ValueError"),
        (UnicodeEncodeError("utf-8", SECRET, 0, 1, SECRET), "UnicodeEncodeError"),
        (OddError(SECRET), f"{__name__}.OddError"),
        (FileNotFoundError(2, "No such file or directory", SECRET), "FileNotFoundError: No such file or directory"),
        (OSError(SECRET), "OSError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_traceback_has_the_place_and_the_name_of_the_exception_and_not_its_message(
    error: Exception, last_line: str
) -> None:
    text = text_of(raised(error))
    assert SECRET not in text
    assert "in raised" in text
    assert text.splitlines()[-1] == last_line


def test_causes_and_notes_have_no_messages_either() -> None:
    error = raised(RuntimeError(SECRET), KeyError(SECRET))
    error.add_note(SECRET)
    text = text_of(error)
    assert SECRET not in text
    assert "KeyError\n\nThe above exception was the direct cause" in text
    error.__cause__ = None
    assert "KeyError\n\nDuring handling" in text_of(raised_within(KeyError(SECRET)))


def raised_within(error: Exception) -> BaseException:
    try:
        try:
            raise error
        except KeyError:
            raise ValueError(SECRET)  # noqa: B904  without a cause
    except ValueError as caught:
        return caught


def test_the_parts_of_a_group_have_no_messages_either() -> None:
    inner = ExceptionGroup(SECRET, [ValueError(SECRET)])
    text = text_of(BaseExceptionGroup(SECRET, [raised(KeyError(SECRET)), inner]))
    assert SECRET not in text
    assert "KeyError" in text
    assert "ValueError" in text


def test_causes_in_a_circle_end() -> None:
    first, second = KeyError(SECRET), ValueError(SECRET)
    first.__cause__, second.__cause__ = second, first
    assert text_of(first).count("ValueError") == 1


def test_the_exception_itself_is_unchanged() -> None:
    error = raised(KeyError(SECRET), ValueError("x"))
    without_values(error)
    assert (error.args, type(error.__cause__)) == ((SECRET,), ValueError)


def test_no_module_logs_an_exception_with_its_message() -> None:
    found = [
        f"{name(path)}, line {node.lineno}"
        for path in python_files(*PACKAGES)
        if name(path) != "telemetry/logs.py"  # its handler replaces all exceptions
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and logs_a_message(node)
    ]
    assert found == []


def logs_a_message(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute) or ast.unparse(call.func.value) != "log":
        return False
    raised = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "exc_info"]
    return call.func.attr == "exception" or not all(value.startswith("without_values(") for value in raised)
