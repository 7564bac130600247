import ast

import pytest

from tests.layout.source import imports, name, python_files, tree
from trackd.cli.output import plain_console, plain_usage_errors, print_line, print_table


def test_cells_and_lines_are_neither_markup_nor_names_of_emoji(capsys: pytest.CaptureFixture[str]) -> None:
    console = plain_console()
    print_table(console, ("id", "number"), [("[/b][link=x] :smile: \x1b[1m", 5), ("", None)])
    print_line(console, "[red]a[/red] :smile:\n" + "x" * 300)
    out = capsys.readouterr().out
    assert r"[/b][link=x] :smile: \x1b[1m" in out
    assert "None" in out
    assert out.splitlines()[-1] == r"[red]a[/red] :smile:\n" + "x" * 300


class WrongError(Exception):
    def __init__(self, message: str) -> None:
        self.message = message

    def format_message(self) -> str:
        return self.message


@pytest.mark.parametrize(("message", "shown"), [("no \x1b[1m\n", r"no \x1b[1m\n"), ("Usage: x\n\nOptions\n", None)])
def test_a_usage_error_quotes_arguments_as_plain_text_and_the_help_has_lines(message: str, shown: str | None) -> None:
    with pytest.raises(WrongError) as raised, plain_usage_errors():
        raise WrongError(message)
    assert raised.value.format_message() == (shown or message)


def test_other_errors_are_unchanged() -> None:
    with pytest.raises(ValueError, match="a\n"), plain_usage_errors():
        raise ValueError("a\n")


# Each with the reason why its text needs no escapes.
PRINTED_AS_IT_IS = {
    "cli/doctor.py": "JSON, with JSON's own escapes",
    "cli/first_start.py": "its own texts; the path is escaped",
    "cli/main.py": "its own texts",
    "cli/output.py": "escapes what it prints",
    "cli/profile.py": "JSON, with JSON's own escapes",
    "cli/source.py": "JSON in ASCII",
    "cli/tail.py": "JSON, with JSON's own escapes",
    "cli/token.py": "a secret that it made",
}


def test_commands_print_with_the_functions_of_output() -> None:
    printing = {
        name(path)
        for path in python_files("cli", "load")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("print", "typer.echo", "typer.secho", "sys.stdout.write")
    }
    assert printing == set(PRINTED_AS_IT_IS)
    with_console = {name(path) for path in python_files("cli", "load") if "rich.console.Console" in imports(path)}
    assert with_console == {
        "cli/output.py",
        "cli/progress.py",
        "load/live.py",
    }  # the last two print only their own texts
