"""`Contender`: somebody who exchanges finished work for new work through a server, measured for some seconds at a time.

One is made when it is started (or raises LeftOut), measured in turn with the others, and closed.
"""

from __future__ import annotations

import os
import socket
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class LeftOut(Exception):
    """A contender is not installed, or does not start on this machine; the text says which, and why."""


class Round(NamedTuple):
    """What a contender did in one round."""

    operations: int
    seconds: float
    cpu_seconds: float  # of the server
    latencies: list[float]  # of each operation, in seconds, sorted; empty where that means nothing

    @property
    def rate(self) -> float:
        """Operations a second."""
        return self.operations / self.seconds

    @property
    def cpu_of_10_000(self) -> float:
        """CPU seconds of the server for 10,000 operations."""
        return self.cpu_seconds / self.operations * 10_000

    def latency(self, share: float) -> float:
        """Give the seconds that this share of the operations took at most."""
        return self.latencies[int(len(self.latencies) * share)]


FIGURES = f"{'ops/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'CPU s/10,000':>14}"


def figures(rounds: Sequence[Round]) -> str:
    """Give the medians of rounds as a line below FIGURES."""
    columns = [f"{statistics.median(one.rate for one in rounds):>9,.0f}"]
    for share in (0.5, 0.99):
        has = rounds[0].latencies
        columns.append(f"{milliseconds(rounds, share):>9.1f}" if has else f"{'-':>9}")
    columns.append(f"{statistics.median(one.cpu_of_10_000 for one in rounds):>14.2f}")
    return "".join(columns)


def milliseconds(rounds: Sequence[Round], share: float) -> float:
    """Give the median over rounds of what this share of the operations took at most."""
    return 1000 * statistics.median(one.latency(share) for one in rounds)


def times(ours: Sequence[Round], theirs: Sequence[Round]) -> float:
    """Give how many times theirs our rate is, the median of all rounds."""
    return statistics.median(mine.rate / other.rate for mine, other in zip(ours, theirs, strict=True))


class Contender(Protocol):
    """Whoever is measured."""

    name: str
    told: str  # what is measured, and with which settings

    def measure(self, seconds: float) -> Round:
        """Work for about so long."""

    def close(self) -> None:
        """Stop all that was started."""


def free_port() -> int:
    """Give a port of loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """Tell how much CPU time a process has taken so far, with its children and those that it has waited for."""
    here = Path(f"/proc/{pid}")
    try:
        fields = [int(field) for field in (here / "stat").read_text().rpartition(")")[2].split()[11:15]]
        children = (here / "task" / str(pid) / "children").read_text().split()
        # Ticks miss what many small processes take, and the threads that are here now miss those that have ended.
        running = sum(int(path.read_text().split()[0]) for path in here.glob("task/*/schedstat")) / 1e9
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return 0.0
    ticks = os.sysconf("SC_CLK_TCK")
    own, waited_for = sum(fields[:2]) / ticks, sum(fields[2:]) / ticks
    return max(own, running) + waited_for + sum(cpu_seconds(int(child)) for child in children)


def wait_until(is_done: Callable[[], bool], seconds: float, what: str) -> None:
    """Look every few milliseconds whether something is done. Raises LeftOut when it is not in time."""
    until = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > until:
            raise LeftOut(what)
        time.sleep(0.02)
