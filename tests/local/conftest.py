"""Fixtures of the tests of `teamtask.map`: a state folder of their own, and a log that outlives processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SOON_SECONDS = 20.0  # after which something that should have happened never will


class Log:
    """A file that each call appends a line to, in one write, so that it is there whatever happens next."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()

    def write(self, item: object) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        os.write(descriptor, f"{item} {os.getpid()}\n".encode())
        os.close(descriptor)

    def items(self) -> list[int]:
        return [int(line.split()[0]) for line in self._path.read_text().splitlines()]

    def processes(self) -> set[int]:
        return {int(line.split()[1]) for line in self._path.read_text().splitlines()}


class Script:
    """A program in a folder of its own, beside the state of this test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "script.py"

    def write(self, text: str) -> None:
        self.path.write_text(text)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(self.path), *arguments], cwd=self.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
        )  # fmt: skip

    def run(self, *arguments: str) -> str:
        process = self.start(*arguments)
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, stderr
        return stdout


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the state of this test's runs lies."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "teamtask"


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log")


@pytest.fixture
def script(tmp_path: Path) -> Script:
    folder = tmp_path / "scripts"
    folder.mkdir()
    return Script(folder)


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


@pytest.fixture(autouse=True)
def no_child_is_left(children: Callable[[], set[int]]) -> Iterator[None]:
    """No test leaves a process of its own behind, dead or alive."""
    before = children()
    yield
    assert children() <= before
