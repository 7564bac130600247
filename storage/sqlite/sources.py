"""Rows of the table `source`."""

import json
from collections.abc import Mapping
from typing import Any

from msgspec.structs import asdict

from trackd.core.documents import Source


def source_row(source: Source) -> Mapping[str, Any]:
    """The columns of the table `source`."""
    return {**asdict(source), "origins": json.dumps(source.origins), "tags": json.dumps(source.tags)}


COLUMNS = Source.__struct_fields__


PUT_SOURCE = (
    f"INSERT INTO source ({', '.join(COLUMNS)}) VALUES ({', '.join(f':{column}' for column in COLUMNS)})"
    f" ON CONFLICT (id) DO UPDATE SET {', '.join(f'{column} = excluded.{column}' for column in COLUMNS[1:])}"
)
