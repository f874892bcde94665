"""The second half of the demo: one list, a server, four workers and a curl; a worker and the server are killed."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shell import DemoFailed, Shell, say

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from contextlib import ExitStack

ITEMS = 10_000
WORKERS = 4
BLOCK = 200  # items of 4 ms: a block takes 0.8 s
LEASE_SECONDS = 2
LOOK_SECONDS = 0.1
WAIT_SECONDS = 60.0
NAME = "numbers"
CURL_WORKER = Path(__file__).parents[1] / "curl-worker" / "curl-worker.sh"
FUNCTION = """import time

def steps(number):
    time.sleep(0.004)  # as if it were work
    count = 0
    while number != 1:
        number = number // 2 if number % 2 == 0 else 3 * number + 1
        count += 1
    return count
"""


class ServerDemo:
    """One showing. `stack` ends what is still running when it is over."""

    def __init__(self, shell: Shell, stack: ExitStack) -> None:
        self.shell = shell
        self.stack = stack
        reserved = stack.enter_context(socket.socket())  # bound, not listening: nobody else is given its port
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.serve = ["teamtask", "serve", "--bind", f"127.0.0.1:{port}", "--log-level", "warning"]

    def show(self) -> None:
        """Show it. Raises DemoFailed."""
        say(f"Now with a server: a list of {ITEMS:,} numbers, and as many workers as you like, on any machine.")
        (self.shell.folder / "collatz.py").write_text(FUNCTION)
        server = self.started(self.serve)
        self.until(self.answers, "the server answers")
        flags = ["--block-size", str(BLOCK), "--lease-seconds", str(LEASE_SECONDS)]
        self.shell.call("teamtask", "create", NAME, "--range", f"1:{ITEMS + 1}", *flags)

        say(f"{WORKERS} workers, and one that is nothing but curl:")
        work = ["teamtask", "work", NAME, "-j1", "--python", "collatz:steps"]
        workers = [self.started(work) for _ in range(WORKERS)]
        curl = self.begin_curl()
        self.until(lambda: self.done() > ITEMS // 10, "a tenth is done")
        self.shell.call("teamtask", "ls")
        self.shell.call("teamtask", "blocks", NAME, "-o", "wide")

        say("A worker is killed with -9. Its block comes back when its lease is over; paused, the list shows it:")
        self.kill(workers[0])
        self.shell.call("teamtask", "pause", NAME)
        self.until(self.came_back, "the block comes back")
        self.shell.call("teamtask", "blocks", NAME, "--state", "returned")
        self.shell.call("teamtask", "resume", NAME)

        say("The server is killed with -9, and started again. The workers go on meanwhile, and report later:")
        self.kill(server)
        server = self.started(self.serve)
        self.until(self.answers, "the server answers again")
        self.shell.call("teamtask", "ls")
        self.shell.call("teamtask", "wait", NAME)
        ended = [worker.wait(WAIT_SECONDS) for worker in (*workers[1:], *curl)]
        say(f"Everything is done once, and all blocks have become one: (0, {ITEMS}, done).")
        self.shell.call("teamtask", "ls")
        self.shell.call("teamtask", "blocks", NAME, "--state", "done")
        self.check(ended)
        server.terminate()
        server.wait(WAIT_SECONDS)

    def begin_curl(self) -> list[subprocess.Popen[bytes]]:
        """Start the worker that is made of curl, where there is curl."""
        if shutil.which("curl") is None:
            print("(there is no curl here, so that one is left out)")
            return []
        token = (self.shell.folder / "state" / "teamtask" / "server" / "admin-token").read_text().strip()
        print(f"$ export TEAMTASK_URL={self.url} TEAMTASK_TOKEN=$(cat $XDG_STATE_HOME/teamtask/server/admin-token)")
        self.shell.set |= {"TEAMTASK_URL": self.url, "TEAMTASK_TOKEN": token}
        return [self.started([str(CURL_WORKER), NAME])]

    def started(self, words: list[str]) -> subprocess.Popen[bytes]:
        """Print a command and start it behind the others; it is ended with the demo."""
        process = self.shell.start(words, behind=True)
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a process as the kernel does it when memory is out."""
        print(f"$ kill -9 {process.pid}", flush=True)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def answers(self) -> bool:
        """Tell whether the server answers."""
        try:
            with socket.create_connection(("127.0.0.1", int(self.url.rpartition(":")[2])), 1):
                return True
        except OSError:
            return False

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something. Raises DemoFailed when it does not come."""
        give_up = time.monotonic() + WAIT_SECONDS
        while not condition():
            if time.monotonic() > give_up:
                raise DemoFailed(f"waited {WAIT_SECONDS:.0f} s until {what}")
            time.sleep(LOOK_SECONDS)

    def shown(self) -> dict[str, Any]:
        """Give the list as `teamtask show -o json` gives it."""
        return dict(json.loads(self.shell.output("teamtask", "show", NAME, "-o", "json")))

    def done(self) -> int:
        """Give how many items are done."""
        return int(self.shown()["done"])

    def came_back(self) -> bool:
        """Tell whether a block has come back."""
        return int(self.shown()["returned"]) > 0

    def check(self, ended: list[int]) -> None:
        """Compare what was shown with what has to be. Raises DemoFailed."""
        shown = self.shown()
        found = (shown["state"], shown["done"], shown["failed"], set(ended))
        wanted = ("complete", ITEMS, 0, {0})
        if found != wanted:
            raise DemoFailed(f"{found} instead of {wanted}")
        self.shell.call("teamtask", "verify", "--state", str(self.store()))

    def store(self) -> Path:
        """Give the server's file."""
        return self.shell.folder / "state" / "teamtask" / "server" / "lists.sqlite"
