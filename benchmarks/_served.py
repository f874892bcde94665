"""`Served`: `teamtask serve` in a process of its own, over a SQLite file of its own, or a store that is named."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from threading import local
from typing import TYPE_CHECKING, Any

from _contenders import cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

TOKEN = "a token of the benchmark alone"  # noqa: S105 - as it says
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
CALLERS = 8  # connections of `calls`
MIB = 1 << 20


class Served:
    """Runs from its making to `close`; `start` begins again over the same file."""

    def __init__(self, folder: str, store: str | None = None) -> None:
        self._folder = folder
        self._store = store or f"sqlite:{folder}/lists"
        self.start()

    def start(self) -> float:
        """Start the server; give the seconds until it listens."""
        environment = os.environ | {"TEAMTASK_ADMIN_TOKEN": TOKEN, "XDG_STATE_HOME": self._folder}
        command = [sys.executable, "-m", "teamtask", "serve", "--store", self._store]
        command += ["--bind", "127.0.0.1:0", "--log-level", "warning"]
        began = time.perf_counter()
        self._process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None, "it is a pipe"
        line = self._process.stderr.readline()
        seconds = time.perf_counter() - began
        if "Serving" not in line:
            self._process.kill()
            raise SystemExit(f"The server does not start: {line}")
        self.port = int(line.rpartition(":")[2])
        return seconds

    def close(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(30)
        assert self._process.stderr is not None, "it is a pipe"
        self._process.stderr.close()

    def call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - any JSON
        """Make one call of the API."""
        return self.calls([(method, path, body)])[0]

    def calls(self, wanted: Iterable[tuple[str, str, object]]) -> list[Any]:
        """Make calls on a few keep-alive connections; give the answers, in order."""
        kept = local()

        def one(call: tuple[str, str, object]) -> object:
            method, path, body = call
            if not hasattr(kept, "connection"):
                kept.connection = HTTPConnection("127.0.0.1", self.port)
            kept.connection.request(method, path, None if body is None else json.dumps(body), HEADERS)
            answer = kept.connection.getresponse()
            text = answer.read()
            if answer.status >= 400:
                raise SystemExit(f"{method} {path}: {answer.status} {text.decode()}")
            return json.loads(text or b"null")

        with ThreadPoolExecutor(CALLERS) as callers:
            return list(callers.map(one, wanted))

    def create(self, name: str, stop: int, block: object, **more: object) -> str:
        """Create a list of numbers from 0; give the path of its exchange."""
        source = {"kind": "range", "stop": str(stop)}
        self.call("POST", "/v1/lists", {"name": name, "source": source, "block": block, **more})
        return exchange_path(name)

    def cpu_seconds(self) -> float:
        """Tell how much CPU time the server has taken so far."""
        return cpu_seconds(self._process.pid)

    def memory_mib(self) -> float:
        """Tell how much memory the server has in RAM."""
        found = re.search(r"VmRSS:\s*(\d+) kB", Path(f"/proc/{self._process.pid}/status").read_text())
        assert found is not None, "Linux says so of every process"
        return int(found[1]) * 1024 / MIB

    def state_bytes(self, name: str) -> int:
        """Tell how many bytes the file keeps of a list's ledger: its snapshot, and the journal since."""
        query = """
            SELECT coalesce((SELECT sum(length(state)) FROM snapshots WHERE list_no = no), 0)
                + coalesce((SELECT sum(length(events)) FROM journal WHERE list_no = no), 0)
            FROM lists WHERE name = ?
        """
        file = sqlite3.connect(f"file:{self._folder}/lists?mode=ro", uri=True)
        try:
            return int(file.execute(query, (name,)).fetchone()[0])
        finally:
            file.close()


def exchange_path(name: str) -> str:
    """Give where the exchange of a list is."""
    return f"/v1/lists/{name}/exchange"
