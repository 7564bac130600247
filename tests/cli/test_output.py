import pytest

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
