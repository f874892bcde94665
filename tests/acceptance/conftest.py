"""Fixtures of the acceptance tests."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from run_helpers import Shell
    from server_helpers import Server, WorkShell


def _load(name: str) -> Any:
    """Load what the suite shares by path, as the suite itself is imported."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


_RUN = _load("run_helpers")
_SERVER = _load("server_helpers")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    folder = tmp_path / "work"
    folder.mkdir()
    return _RUN.Shell(folder, tmp_path / "state")


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a server that all tests share, each with lists of its own."""
    server = _SERVER.Server(tmp_path_factory.mktemp("server"))
    yield server
    server.close()


@pytest.fixture
def worker(shared_server: Server, tmp_path: Path) -> WorkShell:
    """Give a shell beside the server that all tests share."""
    folder = tmp_path / "work"
    folder.mkdir()
    return shared_server.shell(folder)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[WorkShell]:
    """Give a shell beside a server that the test may kill."""
    folder = tmp_path / "work"
    folder.mkdir()
    server = _SERVER.Server(tmp_path / "state")
    yield server.shell(folder)
    server.close()
