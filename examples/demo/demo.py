"""The demo: `teamtask run` pings 100 hosts, is killed with -9 in the middle, and goes on where it stopped.

    make demo

Then (`server_demo.py`) a server, four workers and a curl work through one list, and a worker and the server are killed.

Every command is printed before it runs, so that it can be typed again. The hosts are addresses of this machine
(127.0.0.1, 127.0.0.2, ...) and six that do not answer; nothing leaves the machine. Where ping is missing or not
permitted, or the machine has one loopback address only (macOS), the hosts are ports of 127.0.0.1, and `connect.py`
beside this file knocks at them. List and state lie in a new folder, which is printed.
"""

from __future__ import annotations

import json
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from server_demo import ServerDemo
from shell import DemoFailed, Shell, say

HOSTS = 100
SILENT = 6  # of them do not answer
JOBS = 8
NAME = "hosts"
KILL_AT = 30  # hosts that are done
LOOK_SECONDS = 0.3

REPOSITORY = Path(__file__).resolve().parents[2]
CONNECT = Path(__file__).with_name("connect.py")
PING = ("ping", "-c3", "-i0.2", "-W1", "{}")
# No resolver is asked for a name with an empty label, and ping does not send to a broadcast address unasked.
UNPINGABLE = ("db..example", "mail..example", "web..example", "127.255.255.255", "printer..example", "nas..example")


def main() -> int:
    """Show it; return the exit code."""
    folder = Path(tempfile.mkdtemp(prefix="teamtask-demo-"))
    with ExitStack() as stack:
        hosts, silent, command = pingable_hosts() if can_ping() else listening_hosts(stack)
        (folder / "hosts.txt").write_text("".join(f"{host}\n" for host in hosts))
        shell = Shell(folder)
        try:
            Demo(shell, silent, command).show()
            ServerDemo(shell, stack).show()
        except DemoFailed as error:
            print(f"\nThe demo did not go as it should: {error}", file=sys.stderr)
            return 1
        print(f"\nEverything lies in {folder}; rm -r {shlex.quote(str(folder))} removes it.")
    return 0


def can_ping() -> bool:
    """Tell whether this user may ping, and more than one address of this machine answers."""
    try:
        pings = [
            subprocess.run([*PING[:-1], host], capture_output=True, timeout=10, check=False)
            for host in ("127.0.0.1", "127.0.0.2")
        ]
    except (OSError, subprocess.TimeoutExpired):
        return False
    return all(ping.returncode == 0 for ping in pings)


def pingable_hosts() -> tuple[list[str], list[str], tuple[str, ...]]:
    """Give the hosts, those of them that will not answer, and the command for each."""
    answering = [f"127.0.0.{number}" for number in range(1, HOSTS - SILENT + 1)]
    return mixed(answering, list(UNPINGABLE)), list(UNPINGABLE), PING


def listening_hosts(stack: ExitStack) -> tuple[list[str], list[str], tuple[str, ...]]:
    """Give the same where ping does not work: ports, most of which this process listens at until `stack` closes."""
    print("Ping is missing, not permitted, or answers for 127.0.0.1 only; the hosts are ports of this machine instead.")
    sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(HOSTS)]
    hosts = ["{}:{}".format(*listener.getsockname()) for listener in sockets]
    for listener in sockets[-SILENT:]:
        listener.close()
    silent = hosts[-SILENT:]
    return mixed(hosts[:-SILENT], silent), silent, ("python3", str(CONNECT), "{}")


def mixed(answering: list[str], silent: list[str]) -> list[str]:
    """Spread the silent ones among the others."""
    hosts = list(answering)
    for number, host in enumerate(silent, 1):
        hosts.insert(number * HOSTS // (len(silent) + 1), host)
    return hosts


class Demo:
    """One showing, in a folder that holds hosts.txt and, below it, the state of the run."""

    def __init__(self, shell: Shell, silent: list[str], command: tuple[str, ...]) -> None:
        self.shell = shell
        self.silent = silent
        self.run_command = ["teamtask", "run", "-q", f"-j{JOBS}", "--name", NAME, "hosts.txt", "--", *command]

    def show(self) -> None:
        """Show it. Raises DemoFailed."""
        say(f"{HOSTS} hosts, {SILENT} of which will not answer. To type along:")
        self.shell.say_where()
        self.shell.call("tail", "-n", "3", "hosts.txt")

        say(f"Ping each one, {JOBS} at a time.")
        self.run_and_kill()
        say("Killed with -9: nobody could tidy up. Every outcome that was kept is still there:")
        self.shell.call("teamtask", "ls")
        done = self.done()
        self.shell.call("teamtask", "blocks", NAME)
        self.shell.call("teamtask", "blocks", NAME, "--state", "done")

        say(f"The same command again: {done} of {HOSTS} hosts are done, and are not pinged again.")
        status = self.shell.call(*self.run_command, ok=range(HOSTS + 1))
        say(f"Finished blocks that touch become one; a finished list is one block, (0, {HOSTS}, done).")
        self.shell.call("teamtask", "ls")
        self.shell.call("teamtask", "blocks", NAME, "--state", "done")
        say("Which hosts did not answer?")
        self.shell.call("teamtask", "results", NAME, "--failed", "-o", "table")
        self.check(done, status)
        say("The same command once more has nothing left to do.")
        self.shell.call(*self.run_command, ok=(status,))

    def run_and_kill(self) -> None:
        """Run the list and kill it in the middle. Raises DemoFailed when it ends before."""
        process = self.shell.start(self.run_command)
        while self.done() < KILL_AT:
            if process.poll() is not None:
                raise DemoFailed(f"the run ended by itself, with {process.returncode}, before it could be killed")
            time.sleep(LOOK_SECONDS)
        process.send_signal(signal.SIGKILL)
        process.wait()
        print(f"\n$ kill -9 {process.pid}", flush=True)

    def counts(self) -> dict[str, Any]:
        """Give the list as `teamtask show -o json` gives it."""
        return dict(json.loads(self.shell.output("teamtask", "show", NAME, "-o", "json")))

    def done(self) -> int:
        """Give how many hosts are done; none while there is no such list yet."""
        try:
            return int(self.counts()["done"])
        except DemoFailed:
            return 0

    def check(self, done_before: int, status: int) -> None:
        """Compare what was shown with what has to be. Raises DemoFailed."""
        lines = self.shell.output("teamtask", "results", NAME, "--failed", "-o", "ndjson").splitlines()
        failed = {json.loads(line)["item"] for line in lines}
        shown = self.counts()
        found = (0 < done_before < HOSTS, status, failed, shown["done"], shown["state"])
        wanted = (True, SILENT, set(self.silent), HOSTS, "complete")
        if found != wanted:
            raise DemoFailed(f"{found} instead of {wanted}")


if __name__ == "__main__":
    sys.exit(main())
