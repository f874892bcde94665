"""What the acceptance tests of `work` share: a real server that can be killed, frozen and asked, and workers of it."""

from __future__ import annotations

import itertools
import json
import re
import signal
import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from run_helpers import TEAMTASK, Shell

from teamtask.client.connection import Connection, list_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENCE_SECONDS = 90.0  # for whatever must come; the machine may be slow
_NUMBERS = itertools.count()


def wait_until(condition: Callable[[], Any], what: str = "") -> Any:
    """Wait until a condition holds; give what it gave."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < until, what
        time.sleep(0.02)
    return found


class Server:
    """`teamtask serve` in a process of its own, with its state in a folder of its own."""

    def __init__(self, state: Path, *, bind: str = "127.0.0.1:0") -> None:
        self.state = state
        self.file = state / "lists.sqlite"
        self.process: subprocess.Popen[bytes] | None = None
        self._bind = bind
        self.url = ""
        self.start()

    def start(self) -> None:
        """Start it; the second time where it was before."""
        self.state.mkdir(exist_ok=True)
        said = self.state / "server.said"
        with said.open("wb") as stream:
            self.process = subprocess.Popen(
                [*TEAMTASK, "serve", "--bind", self._bind, "--store", f"sqlite://{self.file}", "--log-level", "error"],
                env=self.shell(self.state).environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stream,
            )  # fmt: skip

        def served() -> Any:
            assert self.process is not None
            assert self.process.poll() is None, said.read_text()
            return re.search(r" at (http://\S+)\n", said.read_text())

        self.url = wait_until(served)[1]
        self._bind = f"{self._bind.rpartition(':')[0]}:{self.url.rpartition(':')[2]}"

    def kill(self) -> None:
        """Kill it with -9."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Stop it in good order."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Have it stand still, as a machine that sleeps."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def shell(self, folder: Path) -> WorkShell:
        """Give a shell in a folder, whose `teamtask` finds this server."""
        return WorkShell(folder, self.state, self)

    # --- what is on it

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Call the API."""
        connection = self.connection()
        try:
            return connection.call(method, path, body=body)
        finally:
            connection.close()

    @property
    def token(self) -> str:
        """Give the admin token that it made."""
        return (self.state / "teamtask/server/admin-token").read_text()

    def connection(self) -> Connection:
        """Give a way to it."""
        return Connection(self.url, self.token, retry_seconds=30.0)

    def create(self, source: dict[str, Any], **options: Any) -> str:
        """Create a list; give its name, which no other one has."""
        name = f"list-{next(_NUMBERS)}"
        self.call("POST", "/v1/lists", {"name": name, "source": source, **options})
        return name

    def numbers(self, count: int, **options: Any) -> str:
        """Create a list of the numbers from 0 on."""
        return self.create({"kind": "range", "start": 0, "stop": count}, **options)

    def lines(self, text: bytes, **options: Any) -> str:
        """Create a list of lines."""
        name = self.create({"kind": "lines"}, **options)
        self.upload(name, text)
        return name

    def upload(self, name: str, text: bytes) -> None:
        """Upload the lines that a list awaits."""
        connection = self.connection()
        connection.send("PUT", list_path(name, "items"), body=text, content_type="text/plain")
        connection.close()

    def show(self, name: str) -> dict[str, Any]:
        """Give a list as the API shows it."""
        shown: dict[str, Any] = self.call("GET", list_path(name))
        return shown

    def move(self, name: str, move: str) -> None:
        """Pause, resume or cancel a list."""
        self.call("POST", list_path(name, move))

    def results(self, name: str) -> list[dict[str, Any]]:
        """Give what was recorded, in order of index."""
        connection = self.connection()
        try:
            return [json.loads(line) for line in connection.lines("GET", list_path(name, "results"))]
        finally:
            connection.close()

    def outcomes(self, name: str) -> dict[int, Any]:
        """Give what was recorded by index; each index has one result, or none."""
        results = self.results(name)
        twice = [index for index, count in Counter(result["index"] for result in results).items() if count > 1]
        assert twice == [], "each index is recorded once"
        return {int(result["index"]): result["result"] for result in results}

    def outputs(self, name: str) -> list[str]:
        """Give what the commands of all items wrote, in order of index."""
        return [result["output"].rstrip("\n") for result in self.outcomes(name).values()]

    def check(self, name: str, count: int) -> None:
        """See that a list without a fold is complete, that each index has one result, and that nothing is damaged."""
        shown = self.show(name)
        counts = {key: shown[key] for key in ("state", "done", "leased", "returned", "parked", "results", "frontier")}
        start = int(shown["start"])
        assert counts == {
            "state": "complete", "done": count, "leased": 0, "returned": 0, "parked": 0, "results": count,
            "frontier": start + count,
        }  # fmt: skip
        assert list(self.outcomes(name)) == list(range(start, start + count))
        self.verify()

    def verify(self) -> None:
        """See that `teamtask verify` finds nothing wrong with the store."""
        done = self.shell(self.state).run("verify", "--state", str(self.file), timeout=PATIENCE_SECONDS)
        assert done.returncode == 0, done.stdout + done.stderr

    def _end(self, number: int) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(number)
            process.wait(PATIENCE_SECONDS)


class WorkShell(Shell):
    """A folder to run `teamtask work` in, beside a server."""

    def __init__(self, folder: Path, state: Path, server: Server) -> None:
        super().__init__(folder, state)
        self.server = server

    def work(self, name: str, *words: str, timeout: float = PATIENCE_SECONDS) -> subprocess.CompletedProcess[bytes]:
        """Run `teamtask work NAME WORDS` to its end."""
        return self.run("work", name, *words, timeout=timeout)

    def begin_work(self, name: str, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start `teamtask work NAME WORDS` in a process group of its own, with its messages in a pipe."""
        return self.start("work", name, *words, **{"start_new_session": True, "stderr": subprocess.PIPE, **options})

    def count(self, name: str) -> int:
        """Tell how many lines a file has; none if it is not there."""
        path = self.folder / name
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def spooled(self) -> list[Path]:
        """Give the files of what could not be delivered."""
        return list(self.state.glob("teamtask/spool/*.spool"))


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Wait for a process; give its exit code and what it said on stderr."""
    _, said = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, (said or b"").decode("utf-8", "replace")
