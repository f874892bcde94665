"""`ServerProcess`: `teamtask serve` in a process of its own, to be killed, frozen, and asked."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from postgres import reserved_port

from teamtask.client.connection import Connection, list_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "tt_of-the-campaign"  # noqa: S105 - of servers that live for seconds
START_SECONDS = 60.0
ANSWER_SECONDS = 60.0  # a store may be away


class ServerProcess:
    """Runs over a store at the same port, however often it is started."""

    def __init__(self, folder: Path, store: str, environment: dict[str, str], *, bind: str = "127.0.0.1") -> None:
        folder.mkdir()
        self._folder = folder
        self._held = reserved_port(bind)
        self.port: int = self._held.getsockname()[1]
        self._command = [
            *(sys.executable, "-m", "teamtask", "serve", "--log-level", "warning"),
            *("--bind", f"{bind}:{self.port}", "--store", store),
        ]
        self._environment = os.environ | {"TEAMTASK_ADMIN_TOKEN": TOKEN, "XDG_STATE_HOME": str(folder)} | environment
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def said(self) -> Path:
        """Give the file of all that it said."""
        return self._folder / "said"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        before = self.said.stat().st_size if self.said.exists() else 0
        with self.said.open("ab") as stream:
            self.process = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
            )
        until = time.monotonic() + START_SECONDS
        while not re.search(rb"Serving .* at http://\S+\n", self.said.read_bytes()[before:]):
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"The server does not start:\n{self.said.read_text()}")
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill it with -9."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Stop it in good order, and let go of its port."""
        self.send(signal.SIGCONT)
        self._end(signal.SIGTERM)
        self._held.close()

    def send(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self.process is not None:
            self.process.send_signal(number)

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        """Give a way to it."""
        connection = Connection(f"http://127.0.0.1:{self.port}", TOKEN, retry_seconds=ANSWER_SECONDS)
        try:
            yield connection
        finally:
            connection.close()

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Call the API."""
        with self.connection() as connection:
            return connection.call(method, path, body=body)

    def show(self, name: str) -> dict[str, Any]:
        """Give a list as the API shows it."""
        shown: dict[str, Any] = self.call("GET", list_path(name))
        return shown

    def _end(self, number: int) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(number)
            process.wait(START_SECONDS)
