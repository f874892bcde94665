"""What the tests of the controller share."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_spec = importlib.util.spec_from_file_location(
    "objects_in_memory", Path(__file__).with_name("objects_in_memory.py")
)  # loaded by path, as the suite itself is imported
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules["objects_in_memory"] = _module
_spec.loader.exec_module(_module)
