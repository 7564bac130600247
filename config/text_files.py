"""Reads files that people edit, with what their editors put before the text."""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without a byte order mark, or in UTF-16 with one.

    Line ends become those of Python. Raises OSError and UnicodeDecodeError.
    """
    content = path.read_bytes()
    encoding = "utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
    return content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
