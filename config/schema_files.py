"""The files of JSON Schemas: those that a rules file names, and those that a `$ref` in them names."""

import json
import os
import posixpath
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import SplitResult, unquote, urlsplit

from trackd.config.text_files import read_text


class SchemaFiles:
    """Reads the files. A `$ref` leads to files in the folder of the rules file and below it, and never to a network.

    It may also name the `$id` of a schema that was read. A schema that has an `$id` on the web may refer to others
    there: these are looked up relative to its own file.
    """

    def __init__(self, rules_file: Path) -> None:
        self._rules_file = rules_file
        self._by_id: dict[str, Any] = {}
        self._on_web: list[tuple[SplitResult, Path]] = []  # the `$id` of a schema, and its file

    def uri(self, name: str | None) -> str:
        """The URI of a file that the rules file names; of the rules file itself for None."""
        return _absolute(self._path_of(name)).as_uri()

    def read(self, name: str) -> Any:
        """The content of a file that the rules file names. Raises ValueError."""
        return _content(self._path_of(name))

    def add(self, schema: Any, name: str | None) -> None:
        """Note the `$id` of a schema, which is in this file."""
        self._note_id(schema, self._path_of(name))

    def retrieve(self, uri: str) -> Any:
        """The schema that a `$ref` leads to; `uri` is the reference in full. Raises ValueError."""
        if uri in self._by_id:
            return self._by_id[uri]
        path = self._path_at(uri)
        try:
            is_inside = path.resolve().is_relative_to(self._rules_file.parent.resolve())
        except (OSError, RuntimeError):  # a symbolic link that leads to itself
            is_inside = False
        if not is_inside:
            raise ValueError(f"it refers to {path}, which is not in the folder of the rules file")
        content = _content(path)
        self._note_id(content, path)
        return content

    def _path_of(self, name: str | None) -> Path:
        return self._rules_file if name is None else self._rules_file.parent / name

    def _path_at(self, uri: str) -> Path:
        parts = urlsplit(uri)
        if parts.scheme == "file" and not parts.netloc:
            return Path(unquote(parts.path))
        for own, path in self._on_web:
            if (own.scheme, own.netloc) == (parts.scheme, parts.netloc):
                relative = posixpath.relpath(parts.path or "/", posixpath.dirname(own.path) or "/")
                return _absolute(path.parent / unquote(relative))
        raise ValueError(
            f"it refers to {uri}, and nothing is fetched from a network: save it beside this one and refer to the file"
        )

    def _note_id(self, schema: Any, path: Path) -> None:
        own = (schema.get("$id") or schema.get("id")) if isinstance(schema, dict) else None
        if not isinstance(own, str):
            return
        own = own.removesuffix("#")
        self._by_id[own] = schema
        if own.startswith(("http://", "https://")):
            self._on_web.append((urlsplit(own), path))


def _absolute(path: Path) -> Path:
    """The absolute path, through the symbolic links that are named."""
    return Path(os.path.abspath(path))  # noqa: PTH100  resolve() follows the links


def _content(path: Path) -> Any:
    try:
        if path.exists() and not path.is_file():
            raise ValueError(f"{path} is no file")
        text = read_text(path)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from None


def _refuse_constant(constant: str) -> NoReturn:
    """Python reads NaN and Infinity, which are not JSON."""
    raise ValueError(f"{constant} is not a JSON number")
