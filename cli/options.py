"""Options that several commands share."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trackd.config.environment import CONFIG_FILE_VARIABLE

if TYPE_CHECKING:
    from trackd.config.load import Loaded

DatabaseFile = Annotated[
    Path | None,
    typer.Option("--db", metavar="FILE", help="The database file.  [default: trackd.db]", show_default=False),
]
RulesPath = Annotated[
    str | None,
    typer.Option("--rules", metavar="FILE", help="The rules file.  [default: the built-in rules]", show_default=False),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar=CONFIG_FILE_VARIABLE,
        help="A TOML file with settings.  [default: trackd.toml, if it is there]",
        show_default=False,
    ),
]


def load_settings(config: Path | None, **flags: Mapping[str, Any]) -> "Loaded":
    from trackd.config.load import load  # 0.1 s: `trackd --version` and --help start faster without

    return load(flags, config)


def checked_text(value: str) -> str:
    """The shell may hand over bytes that are no text."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("must be text in UTF-8.") from None
    return value
