"""`run_workers`: many workers on keep-alive connections, who report and claim over HTTP as fast as they are answered.

They are plain sockets in one process, and no work is done: what is measured is the server, as far as it can be on a
machine that it shares with them.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from typing import TYPE_CHECKING, NamedTuple, cast

import uvloop
from _contenders import Round
from _served import TOKEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _served import Served

FOREVER = float("inf")
FAR = 10**30  # the end of a list that is not to end
_LEASE = re.compile(
    rb'"lease":"([^"]+)","list":"[^"]*","list_id":"[^"]*","name":"[^"]*","index":"?(\d+)"?,"size":"?(\d+)"?'
)
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Moment(NamedTuple):
    """When something happened, and how many exchanges were answered by then."""

    at: float
    exchanges: int


class Load:
    """What the workers of one run are to do, and what they have seen.

    Each claims until it holds `holding` leases; when all do, each reports a random one of its own and claims the next,
    until so many `seconds` have passed, or until the list is handed out and all of it reported.
    """

    def __init__(self, workers: int, holding: int, seconds: float | None) -> None:
        self.workers, self.holding = workers, holding
        self._seconds = seconds
        self.latencies: list[float] = []
        self._waiting: list[Worker] = []
        self.filling = holding > 1
        self.filled: Moment | None = None
        self.handed_out: Moment | None = None  # the first time that a claim got nothing
        self.complete: Moment | None = None

    def begin(self) -> None:
        """Start the clock."""
        self.began = time.perf_counter()
        self.until = FOREVER if self._seconds is None else self.began + self._seconds

    def wait(self, worker: Worker) -> None:
        """Let a worker that holds as many leases as it is to wait for the others."""
        self._waiting.append(worker)
        if len(self._waiting) == self.workers:
            self.filling, self.filled = False, self.moment()
            for each in self._waiting:
                each.ask()

    def moment(self) -> Moment:
        """Give the moment that it is."""
        return Moment(time.perf_counter(), len(self.latencies))


class Worker(asyncio.Protocol):
    """One worker on one connection."""

    def __init__(self, name: str, path: str, load: Load) -> None:
        self._name, self._load = name, load
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        )
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._received = b""
        self._held: list[str] = []  # reports of what is held, as they will be sent
        self._claims = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for `ask`."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop has classes of its own

    def ask(self) -> None:
        """Send an exchange."""
        load, held, report = self._load, self._held, ""
        if held and (len(held) >= load.holding or not self._claims):
            at = random.randrange(len(held))
            held[at], held[-1] = held[-1], held[at]
            report = held.pop()
        want = '"want":{},' if self._claims else ""
        body = f'{{"worker":"{self._name}",{want}"reports":[{report}]}}'
        self._asked = time.perf_counter()
        self._transport.write(f"{self._head}{len(body)}\r\n\r\n{body}".encode())

    def data_received(self, data: bytes) -> None:
        """Take an answer, when it is whole, and go on."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head) if found else None
        if length is None or len(body) < int(length[1]):
            return
        self._received = b""
        now, load = time.perf_counter(), self._load
        load.latencies.append(now - self._asked)
        if not head.startswith(b"HTTP/1.1 200"):
            self._end(ConnectionError((head + body).decode()))
            return
        self._take(body)
        if now > load.until and load.holding == 1:
            self._claims = False  # what is in hand is reported still, and no lease is left behind
        if not (self._held or self._claims) or (now > load.until and load.holding > 1):
            self._end(None)
        elif load.filling and len(self._held) == load.holding:
            load.wait(self)
        else:
            self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        """End, where that was not meant to happen."""
        self._end(error or ConnectionError("the server has closed a connection"))

    def _take(self, body: bytes) -> None:
        load = self._load
        lease = _LEASE.search(body)
        if lease is not None:
            index, size = int(lease[2]), int(lease[3])
            self._held.append(f'{{"lease":"{lease[1].decode()}","index":{index},"upto":{index + size}}}')
        elif load.filling:
            self._end(LookupError(f"A claim was given nothing: {body.decode()}"))
        elif self._claims:
            self._claims = False
            load.handed_out = load.handed_out or load.moment()
        if b'"state":"complete"' in body:
            load.complete = load.complete or load.moment()

    def _end(self, error: Exception | None) -> None:
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)
        self._transport.close()


async def _run(ports: Sequence[int], paths: Sequence[str], load: Load) -> float:
    """Give the seconds that it took."""
    loop = asyncio.get_running_loop()
    workers = [Worker(f"host-{number}/1", paths[number % len(paths)], load) for number in range(load.workers)]
    for number, worker in enumerate(workers):  # all at once would be more than a listening socket holds
        port = ports[number % len(ports)]
        await loop.create_connection(lambda worker=worker: worker, "127.0.0.1", port)  # type: ignore[misc]
    load.begin()
    for worker in workers:
        worker.ask()
    await asyncio.gather(*(worker.ended for worker in workers))
    return time.perf_counter() - load.began


def run_workers(
    servers: Sequence[Served], paths: Sequence[str], workers: int, *, holding: int = 1, seconds: float | None = None
) -> tuple[Round, Load]:
    """Have workers take turns at these exchanges and servers, for some seconds or until everything is done."""
    load = Load(workers, holding, seconds)
    before = sum(served.cpu_seconds() for served in servers)
    took = uvloop.run(_run([served.port for served in servers], paths, load))
    cpu = sum(served.cpu_seconds() for served in servers) - before
    if seconds is not None and load.handed_out is not None:
        raise SystemExit("The list is too short for this benchmark, or its limits too low.")
    return Round(len(load.latencies), took, cpu, sorted(load.latencies)), load
