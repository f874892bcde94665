"""`Workers`: who works on one list, how fast, and how many hold something, for limits and block sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teamtask.ledger.rules import WORKERS_KEPT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamtask.ledger.events import WorkerKey


# Not msgspec's Structs: they are changed all the time, and a slot of a plain class is set six times as fast.
class Totals:
    """What the workers of one principal come to."""

    __slots__ = ("active", "leases")

    def __init__(self) -> None:
        """Begin without any."""
        self.leases = 0
        self.active = 0


class Worker:
    """What is known of one worker of one list."""

    __slots__ = (
        "active", "claimed_at", "done", "failed", "first_seen_at", "key", "leases", "progressed_at", "speed", "totals",
        "wanted",
    )  # fmt: skip

    def __init__(self, key: WorkerKey, totals: Totals, at: float) -> None:
        """Begin as an inactive one; `totals` are its principal's."""
        self.key = key
        self.totals = totals
        self.first_seen_at = self.claimed_at = self.progressed_at = at
        self.speed = 0.0  # items a second; 0 while unknown
        self.wanted = 0  # the size that the last claim came to by its speed
        self.leases = 0
        self.done = 0
        self.failed = 0
        self.active = False


class Workers:
    """The workers of a list by key; the sums over the active ones are kept as things change."""

    __slots__ = ("active", "by_key", "by_principal", "refreshed_at", "speed", "speeds")

    def __init__(self, refreshed_at: float) -> None:
        """Begin without any."""
        self.by_key: dict[WorkerKey, Worker] = {}
        self.by_principal: dict[str, Totals] = {}
        self.active = 0
        self.speed = 0.0  # the sum of the known speeds of active workers
        self.speeds = 0  # how many are known
        self.refreshed_at = refreshed_at

    def seen(self, key: WorkerKey, at: float) -> Worker:
        """Note that a worker claimed."""
        worker = self.by_key.get(key)
        if worker is None:
            worker = self.by_key[key] = Worker(key, self.totals_of(key.principal), at)
        worker.claimed_at = at
        if not worker.active:
            worker.active = True
            worker.totals.active += 1
            self.active += 1
            if worker.speed:
                self.speed += worker.speed
                self.speeds += 1
        return worker

    def totals_of(self, principal: str) -> Totals:
        """Give what the workers of a principal come to, to be changed as they do."""
        totals = self.by_principal.get(principal)
        if totals is None:
            totals = self.by_principal[principal] = Totals()
        return totals

    def is_active(self, worker: Worker, now: float, lease_seconds: float) -> bool:
        """Tell whether a worker holds something or claimed within two lease lengths."""
        return worker.leases > 0 or (worker.active and worker.claimed_at > now - 2 * lease_seconds)

    def refresh(self, now: float, lease_seconds: float) -> None:
        """Leave out of the sums who is no longer active, and forget the oldest of them."""
        idle = []
        for worker in self.by_key.values():
            worker.active = self.is_active(worker, now, lease_seconds)
            if not worker.active:
                idle.append(worker)
        if len(idle) > WORKERS_KEPT:
            idle.sort(key=lambda worker: worker.claimed_at)
            for worker in idle[:-WORKERS_KEPT]:
                del self.by_key[worker.key]
        self.refreshed_at = now
        self.count(self.by_key.values())

    def count(self, workers: Iterable[Worker]) -> None:
        """Hold these workers, and count anew what they come to."""
        self.by_key = {worker.key: worker for worker in workers}
        self.by_principal = {}
        self.active, self.speed, self.speeds = 0, 0.0, 0
        for worker in self.by_key.values():
            totals = worker.totals = self.totals_of(worker.key.principal)
            totals.leases += worker.leases
            if worker.active:
                totals.active += 1
                self.active += 1
                self.speed += worker.speed
                self.speeds += worker.speed > 0

    def others_active(self, key: WorkerKey, now: float, lease_seconds: float) -> list[WorkerKey]:
        """Give two active workers other than this one, or fewer when there are no more."""
        found = []
        for other in self.by_key.values():
            if other.key != key and self.is_active(other, now, lease_seconds):
                found.append(other.key)
                if len(found) == 2:  # noqa: PLR2004 - a piece remembers two, this one among them
                    break
        return found
