"""What the tests of the controller share."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

# They are loaded by path, as the suite itself is imported.
for _name in ("objects_in_memory", "pods_in_memory", "simulated_api"):
    _spec = importlib.util.spec_from_file_location(_name, Path(__file__).with_name(f"{_name}.py"))
    assert _spec is not None
    assert _spec.loader is not None
    _module = importlib.util.module_from_spec(_spec)
    sys.modules[_name] = _module
    _spec.loader.exec_module(_module)
