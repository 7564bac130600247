"""Paths into documents, written as TOML writes keys: `traits.public.city`, `properties."shop.id"`. Pure."""

import tomllib
from typing import Any, Final

Path = tuple[str, ...]

END = "the end of the path"


class Missing:
    """The type of `MISSING`, which stands for no value."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


def parse_path(text: str) -> Path:
    """The keys of a path; a last key `*` stands for every key. Raises ValueError for any other text."""
    every = text.endswith(".*")
    try:
        table: Any = tomllib.loads(f"{text[:-2] if every else text} = '{END}'")
    except tomllib.TOMLDecodeError:
        table = None
    keys: list[str] = []
    while isinstance(table, dict) and len(table) == 1:
        [(key, table)] = table.items()
        keys.append(key)
    if table != END or "\n" in text or "*" in keys:
        shown = "".join(character if character.isprintable() else "?" for character in text[:100])
        raise ValueError(
            f"`{shown}` is no path: write keys with dots between them, and quotes around other keys than a-z, 0-9"
        )
    return (*keys, "*") if every else tuple(keys)


def path_text(path: Path) -> str:
    return ".".join(path)


def look_up(value: Any, path: Path) -> Any:
    """The value at a path, MISSING when there is none."""
    try:
        for key in path:
            if not isinstance(value, dict):
                return MISSING
            value = value[key]
    except KeyError:
        return MISSING
    return value
