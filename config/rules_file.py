"""Reading the rules file and the schema files that it names, as plain content.

`trackd.core.rules.file_models` checks the content, `trackd.core.rules.compiling` compiles it. docs/ has the format for
people; config/rules.toml is the default file, with comments.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from trackd.config.errors import RulesError

DEFAULT_RULES = Path(__file__).with_name("rules.toml")


class RulesContent(NamedTuple):
    """`tables` are those of the rules file; `schemas` maps an event type to the JSON of its schema file."""

    tables: dict[str, Any]
    schemas: dict[str, Any]


def read_rules(path: Path) -> RulesContent:
    """Read a rules file and the schema files that it names, relative to its folder. Raises RulesError."""
    tables = read_toml(path)
    try:
        schemas = {
            event_type: _read_schema(file, event_type) for event_type, file in _schema_files(tables, path.parent)
        }
    except ValueError as error:
        raise RulesError(f"{path}: {str(error).rstrip('.')}.") from None
    return RulesContent(tables, schemas)


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises RulesError."""
    try:
        if path.exists() and not path.is_file():
            raise RulesError(f"{path}: it is no file.")
        return tomllib.loads(path.read_text("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"{path}: it is not valid TOML: {error}.") from None
    except UnicodeDecodeError:
        raise RulesError(f"{path}: it is not valid TOML: it is not UTF-8.") from None
    except RecursionError:
        raise RulesError(f"{path}: it is nested too deep.") from None
    except ValueError as error:  # a number of thousands of digits
        raise RulesError(f"{path}: it is not valid TOML: {error}.") from None
    except OSError as error:
        raise RulesError(f"{path}: the rules file cannot be read: {error.strerror}.") from None


def _schema_files(tables: Mapping[str, Any], folder: Path) -> Iterator[tuple[str, Path]]:
    """Each event type with the path of its schema file. Entries of another shape are left to the models to refuse."""
    events = tables.get("event")
    for event_type, entry in events.items() if isinstance(events, dict) else ():
        file = entry.get("schema_file") if isinstance(entry, dict) and "schema" not in entry else None
        if isinstance(file, str) and file:
            yield event_type, folder / file


def _read_schema(path: Path, event_type: str) -> Any:
    try:
        return json.loads(path.read_text("utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise ValueError(f'event "{event_type}": its schema {path} cannot be read: {error.strerror}') from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f'event "{event_type}": its schema {path} is not JSON: {error}') from None


def _refuse_constant(constant: str) -> NoReturn:
    """Python reads NaN and Infinity, which are not JSON."""
    raise ValueError(f"{constant} is not a JSON number")
