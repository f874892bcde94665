"""Command runners for tests, in both ways in which they can work."""

from __future__ import annotations

import importlib.util
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from teamtask.worker.run_command import CommandRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from teamtask.worker.running_command import Finished


# The suite is imported by path, so what it shares is loaded by path too.
def _shared(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


_BENCH = _shared("function_bench")
_shared("far_away")

SOON_SECONDS = 20.0  # after which something that should have happened never will


class Runner(CommandRunner[Any]):
    """A command runner that is easy to type."""

    def finish_all(self) -> list[Finished[Any]]:
        """What becomes of everything that runs, in order of tags."""
        finished: list[Finished[Any]] = []
        until = time.monotonic() + SOON_SECONDS
        while self.running:
            assert time.monotonic() < until, f"{self.running} still run"
            finished += self.wait(1)
        return sorted(finished, key=lambda one: one.tag)

    def run(self, *argv: str | bytes, **options: Any) -> Finished[Any]:
        """What becomes of one command."""
        self.start(0, [os.fsencode(word) for word in argv], **options)
        (one,) = self.finish_all()
        return one


@pytest.fixture(params=["native", "portable"])
def make_runner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Runner]]:
    """Makes runners as this system has them, and as one without epoll and pidfd has them."""
    if request.param == "portable":
        monkeypatch.delattr(select, "epoll", raising=False)
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    made: list[Runner] = []

    def make(slots: int = 4, **options: Any) -> Runner:
        made.append(Runner(slots, **options))
        return made[-1]

    yield make
    for runner in made:
        runner.close()


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """Waits until something has become true."""

    def wait(condition: Callable[[], bool]) -> None:
        until = time.monotonic() + SOON_SECONDS
        while not condition():
            assert time.monotonic() < until
            time.sleep(0.01)

    return wait


@pytest.fixture
def is_alive() -> Callable[[int], bool]:
    """Whether a process runs; a zombie that somebody else has to reap does not."""

    def ask(pid: int) -> bool:
        answer = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return bool(answer.stdout.strip()) and not answer.stdout.strip().startswith("Z")

    return ask


@pytest.fixture
def log(tmp_path: Path) -> Any:
    """A log of calls."""
    return _BENCH.Log(tmp_path / "log")
