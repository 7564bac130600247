"""Commands whose module is imported when they are called: `trackd --version` and `--help` import none of them."""

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperCommand

from trackd.cli.signals import interrupt_statements, interruption


class LazyCommand(TyperCommand):
    """The name and the line of help of a command, in place of the command itself.

    `path` is `module:attribute` within `trackd.cli`; the attribute is a function, or a Typer application with commands
    of its own.
    """

    def __init__(self, name: str, path: str, help: str) -> None:  # noqa: A002  typer's name
        super().__init__(name, help=help, rich_markup_mode=None)
        self._path = path

    def load(self) -> Any:
        """The command of typer."""
        module, _, attribute = self._path.partition(":")
        loaded = getattr(importlib.import_module(f"trackd.cli.{module}"), attribute)
        if not isinstance(loaded, typer.Typer):
            function, loaded = loaded, typer.Typer(add_completion=False, rich_markup_mode=None)
            loaded.command(self.name)(function)
        return typer.main.get_command(loaded)

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the loaded command: typer runs what the context names."""
        command = self.load()
        if "apsw" in sys.modules:
            interrupt_statements()
        interruption.release()
        return command.make_context(info_name, args, parent, **extra)
