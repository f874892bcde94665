"""`Redis`: a Redis of its own on a free port of loopback, which keeps nothing on disk."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress

from _contenders import LeftOut, cpu_seconds, free_port

READY_SECONDS = 10


class Redis:
    """Runs from its making to `close`."""

    def __init__(self) -> None:
        """Start it. Raises LeftOut."""
        if shutil.which("redis-server") is None:
            raise LeftOut("Celery (redis-server is not installed)")
        self._folder = tempfile.TemporaryDirectory(prefix="teamtask-bench-redis-")
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen([*command, "--dir", self._folder.name], stdout=subprocess.DEVNULL)
        until = time.monotonic() + READY_SECONDS
        while not _listens(port):
            if self._process.poll() is not None or time.monotonic() > until:
                self.close()
                raise LeftOut("Celery (redis-server does not start)")
            time.sleep(0.05)

    def cpu_seconds(self) -> float:
        """Tell how much CPU time it has taken so far."""
        return cpu_seconds(self._process.pid)

    def close(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(READY_SECONDS)
        self._folder.cleanup()


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
