"""Three files choose status codes: for the application, its pages, and connections.

openapi/refusals.py describes them.
"""

import ast
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "http"
FILES_WITH_STATUS_CODES = {"errors.py", "server/refused_requests.py", "ui/errors.py", "openapi/refusals.py"}
FILES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.py"))


@pytest.mark.parametrize("file", [file for file in FILES if file not in FILES_WITH_STATUS_CODES])
def test_no_other_file_passes_a_status_code_of_an_error(file: str) -> None:
    tree = ast.parse((FOLDER / file).read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    arguments = [argument for call in calls for argument in [*call.args, *[keyword.value for keyword in call.keywords]]]

    status_codes = [
        node.value for node in arguments if isinstance(node, ast.Constant) and node.value in range(400, 600)
    ]

    assert status_codes == []
