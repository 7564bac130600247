"""Syncing files and folders, and that nothing in the product syncs in another way."""

import os
import sys
from pathlib import Path

import pytest

from tests.layout.source import PACKAGES, ROOT, name, python_files
from trackd.storage.files.syncing import FULL_SYNC, sync


def test_files_and_folders_are_synced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    for each in (path, tmp_path):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            sync(descriptor)
        finally:
            os.close(descriptor)


def test_a_fault_of_the_disk_is_raised() -> None:
    reads, writes = os.pipe()
    try:
        with pytest.raises(OSError, match="Invalid argument"):
            sync(writes)
    finally:
        os.close(reads)
        os.close(writes)


def test_only_macos_has_a_full_sync() -> None:
    assert (FULL_SYNC is not None) == (sys.platform == "darwin")


def test_all_files_of_the_product_are_synced_by_this_function() -> None:
    """On macOS `os.fsync` alone leaves them in the cache of the disk."""
    found = {name(path) for path in python_files(*PACKAGES) if "os.fsync(" in path.read_text()}
    assert found == {name(ROOT / "storage/files/syncing.py")}
