"""Reading the rules file and the schema files that it names, as plain content.

`trackd.core.rules.file_models` checks the content, `trackd.core.rules.compiling` compiles it. docs/ has the format for
people; config/rules.toml is the default file, with comments.
"""

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from trackd.config.errors import RulesError
from trackd.config.schema_files import SchemaFiles
from trackd.config.text_files import read_text

DEFAULT_RULES = Path(__file__).with_name("rules.toml")


class RulesContent(NamedTuple):
    """`tables` are those of the rules file.

    `schemas` maps an event type to the JSON of its schema file, `uris` an event type to the URI of the file that has
    its schema. `files` reads the files that schemas refer to.
    """

    tables: dict[str, Any]
    schemas: dict[str, Any]
    uris: dict[str, str]
    files: SchemaFiles


def read_rules(path: Path) -> RulesContent:
    """Read a rules file and the schema files that it names, relative to its folder. Raises RulesError."""
    content = RulesContent(read_toml(path), {}, {}, SchemaFiles(path))
    events = content.tables.get("event")
    try:
        for event_type, entry in events.items() if isinstance(events, dict) else ():
            if isinstance(entry, dict):  # entries of another shape are left to the models to refuse
                _read_schema(content, event_type, entry)
    except ValueError as error:
        raise RulesError(f"{path}: {str(error).rstrip('.')}.") from None
    return content


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises RulesError."""
    try:
        if path.exists() and not path.is_file():
            raise RulesError(f"{path}: it is no file.")
        return tomllib.loads(read_text(path))
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


def _read_schema(content: RulesContent, event_type: str, entry: dict[str, Any]) -> None:
    """Add the schema of an entry, if it has one. Raises ValueError."""
    schema, name = entry.get("schema"), entry.get("schema_file")
    if schema is None and isinstance(name, str) and name:
        try:
            schema = content.schemas[event_type] = content.files.read(name)
        except ValueError as error:
            raise ValueError(f'event "{event_type}": its schema {error}') from None
    else:
        name = None
    content.uris[event_type] = content.files.uri(name)
    content.files.add(schema, name)
