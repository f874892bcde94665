"""`Holders`: workers of one list that hold a Block each and report it done as soon as they have work, or a while later.

No item is worked. They share one watch and a few writers, so what is measured is the controller and the API server, as
far as it can be on a machine that they all share.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from teamtask.kube import objects as o
from teamtask.kube.api_server import KubernetesError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamtask.kube.api_server import ApiServer

WRITERS = 8
SILENCE_SECONDS = 300


class Assigned(NamedTuple):
    """How many items and blocks an assignment had, and how long after the report before it came (None: the first)."""

    items: int
    blocks: int
    seconds: float | None


class Holders:
    """Runs from its making to `stop`."""

    def __init__(
        self, server: ApiServer, namespace: str, worklist: str, *, reports: bool = True, work_seconds: float = 0.0
    ) -> None:
        """Begin without blocks; without `reports` they only hold what they are given.

        With `work_seconds` there are to be no more of them than WRITERS.
        """
        self._server, self._namespace, self._worklist, self._reports = server, namespace, worklist, reports
        self._path = o.path("blocks", namespace)
        self._work_seconds = work_seconds
        self._told_at: dict[str, float] = {}
        self._sequence: dict[str, int] = {}
        self._due: queue.SimpleQueue[tuple[str, int] | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self.assigned: list[Assigned] = []
        self.closed = 0
        self.writes = 0
        self._threads = [threading.Thread(target=self._watch, daemon=True)]
        self._threads += [threading.Thread(target=self._write, daemon=True) for _ in range(WRITERS)]
        for thread in self._threads:
            thread.start()

    def create(self, names: Iterable[str]) -> None:
        """Make blocks, several at once."""
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(self._create, names))

    def _create(self, name: str) -> None:
        metadata = {"name": name, "finalizers": [o.FINALIZER]}
        spec = {"listRef": {"name": self._worklist}, "holder": "admin"}
        self._server.call(
            "POST", self._path,
            {"apiVersion": o.API_VERSION, "kind": "Block", "metadata": metadata, "spec": spec}, seconds=60,
        )  # fmt: skip
        self.writes += 1

    def stop(self) -> None:
        """Report nothing more."""
        self._stopping.set()
        for _ in range(WRITERS):
            self._due.put(None)

    def _watch(self) -> None:
        version = "0"
        while not self._stopping.is_set():
            try:
                for event in self._server.watch(self._path, {"resourceVersion": version}):
                    if self._stopping.is_set():
                        return
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] in ("ADDED", "MODIFIED"):
                        self._see(event["object"])
            except KubernetesError:
                version = "0"
                time.sleep(0.2)

    def _see(self, document: dict[str, Any]) -> None:
        block = o.read_block(document)
        name, status = block.metadata.name, block.status
        if block.spec.list_ref.name != self._worklist or status.sequence <= self._sequence.get(name, 0):
            self.closed += status.phase == "Closed" and self._sequence.pop(name, None) is not None
            return
        self._sequence[name] = status.sequence
        told_at = self._told_at.pop(name, None)
        items = sum(one.size for one in status.assignments)
        seconds = None if told_at is None else time.perf_counter() - told_at
        self.assigned.append(Assigned(items, len(status.assignments), seconds))
        if self._reports:
            self._due.put((name, status.sequence))

    def _write(self) -> None:
        while (due := self._due.get()) is not None and not self._stopping.is_set():
            name, sequence = due
            time.sleep(self._work_seconds)
            self._told_at[name] = time.perf_counter()
            body = {"spec": {"report": {"sequence": sequence, "state": "Completed"}}}
            try:
                self._server.call("PATCH", f"{self._path}/{name}", body, seconds=60)
                self.writes += 1
            except KubernetesError as error:
                print(f"a report was not taken: {error}", file=sys.stderr)
