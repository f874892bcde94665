"""What the tests of the API's documents share: a server, the scripts in docs/, and a checker of schemas."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "docs"))
# The suite is imported by path, so what it shares is loaded by path too.
for _path in (HERE / "json_schema.py", HERE.with_name("api") / "serving.py"):
    if _path.stem not in sys.modules:
        _spec = importlib.util.spec_from_file_location(_path.stem, _path)
        assert _spec is not None
        assert _spec.loader is not None
        _module = importlib.util.module_from_spec(_spec)
        sys.modules[_path.stem] = _module
        _spec.loader.exec_module(_module)

from serving import Served  # noqa: E402 - it is importable from here on only

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serving import Http


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    running = Served(tmp_path_factory.mktemp("served"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def admin(served: Served) -> Http:
    return served.admin
