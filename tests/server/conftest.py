"""Fixtures of the server's tests: `teamtask serve` in processes of its own, to be stopped, killed and started again."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# The suite is imported by path, so what it shares is loaded by path too.
if "serving" not in sys.modules:
    _SPEC = importlib.util.spec_from_file_location("serving", Path(__file__).parents[1] / "api" / "serving.py")
    assert _SPEC is not None
    assert _SPEC.loader is not None
    _SERVING = importlib.util.module_from_spec(_SPEC)
    sys.modules["serving"] = _SERVING
    _SPEC.loader.exec_module(_SERVING)

from serving import ADMIN, WAIT_SECONDS, Http

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Process:
    """A server in a process."""

    def __init__(self, folder: Path, *words: str, **environment: str) -> None:
        self.folder = folder
        self.said = ""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TEAMTASK_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "teamtask", "serve", "--bind", "127.0.0.1:0", *words],
            env=kept | {"XDG_STATE_HOME": str(folder), "TEAMTASK_ADMIN_TOKEN": ADMIN} | environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self._clients: list[Http] = []
        for line in self.process.stderr:
            self.said += line
            found = re.search(r" at http://\S+:(\d+)", line)
            if found:
                self.port = int(found[1])
                return
        self.process.wait()
        raise AssertionError(f"the server did not start: {self.said}")

    def client(self, token: str | None = ADMIN) -> Http:
        self._clients.append(Http(self.port, token))
        return self._clients[-1]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and give the exit status."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        self.said += self.process.communicate(timeout=WAIT_SECONDS)[1]
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.stop(signal.SIGKILL)
        for client in self._clients:
            client.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start servers; all over the same store, and ended with the test."""
    started: list[Process] = []

    def start(*words: str, **environment: str) -> Process:
        started.append(Process(tmp_path, *words, **environment))
        return started[-1]

    yield start
    for server in started:
        server.close()
