"""Fixtures of the web API's tests: a server that the tests of a module share, each with lists of its own."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# The suite is imported by path, so what it shares is loaded by path too.
if "serving" not in sys.modules:
    _SPEC = importlib.util.spec_from_file_location("serving", Path(__file__).with_name("serving.py"))
    assert _SPEC is not None
    assert _SPEC.loader is not None
    _SERVING = importlib.util.module_from_spec(_SPEC)
    sys.modules["serving"] = _SERVING
    _SPEC.loader.exec_module(_SERVING)

from serving import Served

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
