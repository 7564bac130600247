"""Exports and imports of the store that the settings name: a file or a PostgreSQL database."""

from collections.abc import Callable
from typing import BinaryIO, Literal

from trackd.cli.administration import check_driver
from trackd.config.settings import Settings
from trackd.storage.transfer.exporting import AnyExport, Export
from trackd.storage.transfer.importing import import_export


def open_export(settings: Settings, older: Literal["copy", "refuse"] = "copy") -> AnyExport:
    """An export of the store. `older`: see `Export`. Raises StoreError and CommandError."""
    if not settings.store.url:
        return Export(settings.database.path, older)
    check_driver()
    from trackd.storage.postgres.exporting import DatabaseExport

    return DatabaseExport(settings.store.url)


def import_into(settings: Settings, file: BinaryIO, name: str, on_bytes: Callable[[int], None]) -> dict[str, int]:
    """See `import_export`. Raises StoreError and CommandError."""
    if not settings.store.url:
        return import_export(settings.database.path, file, name, on_bytes)
    check_driver()
    from trackd.storage.postgres.importing import import_into_database

    return import_into_database(settings.store.url, file, name, on_bytes)
