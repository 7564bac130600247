"""The path and the mode of a Unix socket in settings."""

import os
import re
from typing import Annotated

from pydantic import AfterValidator

MAX_PATH_BYTES = 103  # of macOS; Linux allows four more
MODE = re.compile(r"0?[0-7]{3}")


def _checked_path(path: str) -> str:
    if "\0" in path:
        raise ValueError("must have no NUL character")
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise ValueError(f"is longer than {MAX_PATH_BYTES} bytes: the system allows no more for a Unix socket")
    return path


def _checked_mode(mode: str) -> str:
    if not MODE.fullmatch(mode):
        raise ValueError("must be three octal digits in quotes, such as 0660")
    return mode


SocketPath = Annotated[str, AfterValidator(_checked_path)]
SocketMode = Annotated[str, AfterValidator(_checked_mode)]
