"""core/ is pure: no clock, no I/O, no randomness, no Thespian, no SQL, no HTTP."""

import ast

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


def test_the_modules_of_core_import_nothing_impure() -> None:
    for path in CORE:
        assert {found for found in imports(path) if found.split(".")[0] in FORBIDDEN_MODULES} == set(), name(path)
        of_trackd = {found for found in imports(path) if found.startswith("trackd.")}
        assert {found for found in of_trackd if not found.startswith(ALLOWED)} == set(), name(path)


def test_the_modules_of_core_call_nothing_impure() -> None:
    for path in CORE:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call):
                assert not is_impure(node.func), f"{name(path)}, line {node.lineno}"


def is_impure(called: ast.expr) -> bool:
    if isinstance(called, ast.Name):
        return called.id in FORBIDDEN_CALLS
    return isinstance(called, ast.Attribute) and (
        called.attr in FORBIDDEN_METHODS or ast.unparse(called) == "datetime.now"
    )
