"""The module `packaging/binary/build.py`, which is in no package."""

import importlib.util
from typing import Any

from tests.layout.source import ROOT

_SPEC = importlib.util.spec_from_file_location("binary_build", ROOT / "packaging" / "binary" / "build.py")
assert _SPEC is not None
assert _SPEC.loader is not None
BUILD: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(BUILD)
