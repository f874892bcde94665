"""A load generator that keeps a log of its own: every worker notes what it sends before it does, and what is answered.

    python tests/faults/recorder.py URLS TOKEN FOLDER FIRST COUNT ITEM_SECONDS RESULTS_EVERY

Runs COUNT workers, each in a thread, named worker-FIRST and so on, with FOLDER/worker-FIRST.log and so on. They know
several servers (URLS, with commas), and turn to the next one when one does not answer. They speak the protocol with
code of their own, so that a mistake in the product's worker cannot hide one in its server.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import secrets
import sys
import threading
import time
from pathlib import Path
from typing import Any

from teamtask.client.connection import ApiError, Connection, ServerUnreachable, list_path
from teamtask.ledger.interval_set import IntervalSet

NAME = "numbers"
PART_SECONDS = 0.1  # so long a worker works before it reports
PAUSE_SECONDS_MAX = 1.0  # between questions to servers that do not answer
RECORDED = ("held", "done", "released", "failed")
OVER = ("complete", "complete_except", "stopped", "cancelled")


class Recorder:
    """Works the list without doing anything, and logs what it sends and what is answered."""

    def __init__(self, urls: list[str], token: str, log: Path, item_seconds: float, results_every: int) -> None:
        self.connections = [Connection(url, token) for url in urls]
        random.shuffle(self.connections)
        self.at = itertools.cycle(self.connections)
        self.connection = next(self.at)
        self.name = log.stem
        self.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.item_seconds = item_seconds
        self.results_every = results_every
        self.lease: dict[str, Any] | None = None
        self.open: list[tuple[int, int]] = []  # [start, stop) of the lease that are to be worked
        self.sent = 0

    def run(self) -> None:
        """Work until the list is finished."""
        while True:
            reports, parts = self.work()
            wanted = {"request": secrets.token_hex(8), "want": {}} if self.lease is None else {}
            reply = self.say({"worker": self.name, "reports": reports, **wanted})
            for part, status in zip(parts, reply["reports"], strict=True):
                self.take(part, status)
            for lease in reply["leases"]:
                self.lease = lease
                start = int(lease["index"])
                rest = [(start, int(lease["size"]))] if lease.get("rest") is None else lease["rest"]
                self.open = [(int(index), int(index) + int(size)) for index, size in rest]
            if not reply["leases"] and wanted:
                if reply["state"] in OVER:
                    return
                time.sleep(min(reply["retry_in_seconds"] or 0.0, 1.0))

    def work(self) -> tuple[list[dict[str, Any]], list[tuple[int, int, int]]]:
        """Work a part of what is held, and give its report."""
        if self.lease is None:
            return [], []
        start, stop = self.open[0]
        stop = min(stop, start + max(1, int(PART_SECONDS / self.item_seconds)))
        time.sleep((stop - start) * self.item_seconds)
        self.sent += 1
        value = f"{self.name}:{self.sent}"
        first = -(-start // self.results_every) * self.results_every
        report = {
            "lease": self.lease["lease"], "index": self.lease["index"], "from": start, "upto": stop,
            "fold": (start + stop - 1) * (stop - start) // 2,
            "results": [[index, value] for index in range(first, stop, self.results_every)],
        }  # fmt: skip
        self.note("sent", self.sent, start, stop)
        return [report], [(self.sent, start, stop)]

    def take(self, part: tuple[int, int, int], status: dict[str, Any]) -> None:
        """Take the answer to a report: go on with what of the lease is still ours."""
        number, start, stop = part
        kind = status["status"]
        if kind in RECORDED:
            self.note("acknowledged", number, start, min(stop, int(status.get("end", stop))))  # late: all of it
        if kind == "cut":
            self.open = [(int(index), int(index) + int(size)) for index, size in status["rest"]]
        elif status.get("expires_in_seconds") is None:
            self.open = []
        else:
            end = int(status["end"])
            mine = IntervalSet(self.open).difference(IntervalSet([(start, stop)]))
            self.open = [(low, min(high, end)) for low, high in mine if low < end]
        if not self.open:
            self.lease = None

    def say(self, message: dict[str, Any]) -> dict[str, Any]:
        """Say the very same thing, to one server after the other, until it is answered."""
        body = json.dumps(message).encode()
        pause = 0.01
        while True:
            try:
                answer = self.connection.send(
                    "POST", list_path(NAME, "exchange"), body=body, content_type="application/json", repeats=True,
                    retry_seconds=0.0,
                )  # fmt: skip
            except (ApiError, ServerUnreachable) as error:
                if not error.may_pass(repeats=True):
                    raise
                self.connection = next(self.at)
                time.sleep(random.uniform(0, pause))
                pause = min(2 * pause, PAUSE_SECONDS_MAX)
            else:
                reply: dict[str, Any] = json.loads(answer)
                return reply

    def note(self, *words: object) -> None:
        """Write a line to the log, in one piece."""
        os.write(self.log, " ".join(map(str, (*words, time.monotonic()))).encode() + b"\n")


def main() -> None:
    """Run the workers that the command line asks for; exits with 1 when one of them meets what it does not expect."""
    urls, token, folder, first, count, item_seconds, results_every = sys.argv[1:]
    failed = threading.Event()

    def run(number: int) -> None:
        log = Path(folder) / f"worker-{number}.log"
        try:
            Recorder(urls.split(","), token, log, float(item_seconds), int(results_every)).run()
        except BaseException:
            failed.set()
            raise

    threads = [threading.Thread(target=run, args=(int(first) + number,)) for number in range(int(count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.exit(failed.is_set())


if __name__ == "__main__":
    main()
