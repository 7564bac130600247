"""What each command makes anew when it begins, made once: processes that are forked from this one have it.

The fork server imports this module. Files that are opened are closed again: SQLite forbids to use them after a fork.
"""

import gc
import tempfile
from pathlib import Path

import uvicorn.lifespan.off
import uvicorn.loops.uvloop
import uvicorn.protocols.http.httptools_impl  # noqa: F401

from tests.support.serving import application_routes
from trackd.cli.commands import COMMANDS
from trackd.config.settings import Limits
from trackd.http.rules_loading import load_rules
from trackd.storage.sqlite.store import SqliteStore
from trackd.telemetry.versions import versions

for command in COMMANDS:
    command.load()
load_rules("", Limits())
versions()
application_routes()
with tempfile.TemporaryDirectory() as folder:
    SqliteStore(Path(folder, "trackd.db")).close()
gc.collect()
gc.freeze()  # a collection in a forked process would copy the memory of all these objects
