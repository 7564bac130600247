"""core/ is pure: no clock, no I/O, no randomness, no Thespian, no SQL, no HTTP."""

import ast
from pathlib import Path

import pytest

from tests.layout.source import imports, name, python_files, tree

FORBIDDEN_MODULES = {
    "asyncio", "atexit", "builtins", "concurrent", "contextvars", "glob", "http", "httptools", "httpx", "importlib",
    "io", "logging", "multiprocessing", "os", "pathlib", "prometheus_client", "apsw", "queue", "random",
    "resource", "secrets", "select", "shutil", "signal", "socket", "sqlite3", "sqlite_utils", "starlette",
    "subprocess", "sys", "tempfile", "thespian", "threading", "time", "typer", "urllib", "uuid", "uuid_utils",
    "uvicorn", "uvloop", "warnings",
}  # fmt: skip
FORBIDDEN_CALLS = {"open", "print", "input", "eval", "exec", "__import__", "breakpoint"}
FORBIDDEN_METHODS = {
    "utcnow", "today", "read_text", "read_bytes", "write_text", "write_bytes", "getenv", "urandom",
    "uuid4", "uuid7",
}  # fmt: skip
ALLOWED = ("trackd.core.", "trackd.config.settings", "trackd.config.errors")
CORE = python_files("core")


@pytest.mark.parametrize("path", CORE, ids=name)
def test_a_module_of_core_imports_nothing_impure(path: Path) -> None:
    assert {found for found in imports(path) if found.split(".")[0] in FORBIDDEN_MODULES} == set()
    of_trackd = {found for found in imports(path) if found.startswith("trackd.")}
    assert {found for found in of_trackd if not found.startswith(ALLOWED)} == set()


@pytest.mark.parametrize("path", CORE, ids=name)
def test_a_module_of_core_calls_nothing_impure(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                assert node.func.id not in FORBIDDEN_CALLS, f"line {node.lineno}"
            elif isinstance(node.func, ast.Attribute):
                assert node.func.attr not in FORBIDDEN_METHODS, f"line {node.lineno}"
                assert ast.unparse(node.func) != "datetime.now", f"line {node.lineno}"
