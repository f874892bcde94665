"""`Model`: what the design's page on the ledger says, over plain sets of integers, one record an index.

It knows nothing of ranges, events or merging. What it cannot know (the size of a block, how many workers there may be)
it takes from the ledger's answer, and checks that the answer was allowed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from teamtask.ledger.list_state import ListState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamtask.ledger.commands import Failure, Report
    from teamtask.ledger.events import Granted, WorkerKey
    from teamtask.ledger.ledger import Ledger
    from teamtask.ledger.rules import Rules

EXTENDING = (ListState.RUNNING, ListState.PAUSED)
OPEN = (ListState.RUNNING, ListState.PAUSED, ListState.CANCELLED, ListState.STOPPED)


def value_of(index: int) -> int:
    """What working on an index gives: a sum of these tells which indices were counted, and how often."""
    return index * index + 1


@dataclass
class Item:
    """One index. `piece` numbers the returned piece it belongs to if that has failures, else it is 0."""

    state: str = "free"
    lease: str | None = None
    failures: int = 0
    failed_by: tuple[WorkerKey, ...] = ()
    remembers: frozenset[str] = frozenset()
    piece: int = 0
    error: str | None = None


@dataclass
class Held:
    """A lease that lives."""

    key: WorkerKey
    start: int
    stop: int
    granted_at: float
    progressed_at: float
    expires: float
    request: str | None
    failures: int
    failed_by: tuple[WorkerKey, ...]
    got_on: bool = False


@dataclass
class Expected:
    """What a report must come to."""

    status: str
    recorded: frozenset[int] = frozenset()
    kept: frozenset[int] = frozenset()
    cursor: int | None = None
    end: int | None = None
    rest: frozenset[int] | None = None


@dataclass
class Model:
    """A list as it should be."""

    rules: Rules
    start: int
    size: int
    now: float
    epoch: str
    state: ListState = ListState.RUNNING
    items: dict[int, Item] = field(default_factory=dict)
    leases: dict[str, Held] = field(default_factory=dict)
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)  # of every lease ever, as it was granted
    principals: dict[str, str] = field(default_factory=dict)  # of every lease ever
    results: dict[int, bool] = field(default_factory=dict)  # index -> whether it is ok
    seq: int = 0
    fold: int | None = None
    looked_at: float = 0.0
    pieces: int = 0

    def __post_init__(self) -> None:
        self.looked_at = self.now
        self.items = {index: Item() for index in range(self.start, self.start + self.size)}

    def those(self, state: str) -> set[int]:
        return {index for index, item in self.items.items() if item.state == state}

    def rest(self, lease_id: str) -> set[int]:
        return {index for index, item in self.items.items() if item.lease == lease_id}

    # --- time

    def look(self, now: float, epoch: str) -> bool:
        """Renew all leases if nobody looked; tell whether the clock began anew."""
        length = self.rules.lease_seconds
        anew = epoch != self.epoch or self.looked_at - now > length
        if anew or now - self.looked_at > length:
            for lease in self.leases.values():
                lease.expires = now + length
                if anew:
                    lease.granted_at = lease.progressed_at = now - length
        self.now, self.looked_at, self.epoch = now, now, epoch
        return anew

    def expire(self) -> None:
        due = [(lease_id, lease) for lease_id, lease in self.leases.items() if lease.expires <= self.now]
        oldest: dict[WorkerKey, tuple[float, str]] = {}
        for lease_id, lease in due:
            oldest[lease.key] = min(
                oldest.get(lease.key, (lease.granted_at, lease_id)),
                (lease.granted_at, lease_id),
                key=lambda found: found[0],
            )
        for lease_id, lease in due:
            blamed = self.state is ListState.RUNNING and oldest[lease.key][1] == lease_id and not lease.got_on
            self.come_back(lease_id, self.rest(lease_id), counts=blamed, error="The worker was not heard of again.")
            del self.leases[lease_id]

    # --- reports

    def report(self, key: WorkerKey, report: Report) -> Expected:
        begin = report.index if report.begin is None else report.begin
        told = set(range(begin, report.upto)).union(*(range(*ends) for ends in report.ranges))
        told -= {index for index, _ in report.failed}
        outcomes = self.outcomes(report)
        if report.upto < begin or any(stop < start for start, stop in report.ranges):
            return Expected("error")
        if outcomes is None or not outcomes.keys() <= told:
            return Expected("error")
        if report.fold is not None and self.rules.fold is None:
            return Expected("error")
        lease = self.leases.get(report.lease)
        if lease is None or lease.key.principal != key.principal:
            return self.late(key, report, told, outcomes)
        at = report.error.index if report.error else None
        if report.index != lease.start or (report.end is not None and report.end < lease.start):
            return Expected("error")
        if at is not None and not lease.start <= at < lease.stop:
            return Expected("error")
        return self.live(report, lease, told, outcomes)

    def outcomes(self, report: Report) -> dict[int, bool] | None:
        if report.outcomes is None:
            return {}
        indices = [index for start, stop in report.outcomes.ranges for index in range(start, stop)]
        if any(stop <= start for start, stop in report.outcomes.ranges) or indices != sorted(set(indices)):
            return None
        failed = list(report.outcomes.failed)
        if not set(failed) <= set(indices) or failed != sorted(set(failed)):
            return None
        return {index: index not in failed for index in indices}

    def live(self, report: Report, lease: Held, told: set[int], outcomes: dict[int, bool]) -> Expected:
        rest = self.rest(report.lease)
        recorded = told & rest
        known = bool(told) and not recorded and told <= self.those("done")
        if self.rules.fold is not None:
            if report.fold is None or known:
                recorded = set()
            elif recorded != told:
                return Expected("cut", rest=frozenset(rest))
        kept = self.record(report, recorded, outcomes)
        if recorded:
            lease.got_on, lease.progressed_at = True, self.now
        for index, message in report.failed:
            if index in self.rest(report.lease):
                self.fail(lease, index, message)
        cursor = min(self.rest(report.lease), default=lease.stop)
        status = self.go_back(report, lease)
        if status == "held":
            self.extend(lease, got_on=bool(recorded))
            cursor = min(self.rest(report.lease))
            status = "already_done" if known else status
        else:
            del self.leases[report.lease]
        cursor = min(cursor, lease.stop) if status == "done" else cursor
        return Expected(status, frozenset(recorded), kept, cursor, lease.stop)

    def go_back(self, report: Report, lease: Held) -> str:
        """Let go what the report lets go of the rest; give the status."""
        left = self.rest(report.lease)
        if left and report.error is not None:
            self.give_up(report.lease, lease, report.error, left)
            return "failed"
        if left and report.release:
            self.come_back(report.lease, left)
            return "released"
        if left and report.end is not None and report.end < lease.stop:
            lease.stop = report.end
            self.come_back(report.lease, {index for index in left if index >= lease.stop})
        return "held" if self.rest(report.lease) else "done"

    def late(self, key: WorkerKey, report: Report, told: set[int], outcomes: dict[int, bool]) -> Expected:
        mine = self.principals.get(report.lease) == key.principal
        recorded = {
            index
            for index in told
            if mine
            and index in self.items
            and self.items[index].state in ("returned", "leased")
            and report.lease in self.items[index].remembers
        }
        if not recorded:
            return Expected("already_done" if told and told <= self.those("done") else "stale")
        if self.rules.fold is not None:
            if report.fold is None:
                return Expected("stale")
            if recorded != told:
                return Expected("cut", rest=frozenset(recorded))
        kept = self.record(report, recorded, outcomes)
        for lease_id in [lease_id for lease_id in self.leases if not self.rest(lease_id)]:
            del self.leases[lease_id]
        return Expected("done", frozenset(recorded), kept)

    def record(self, report: Report, recorded: set[int], outcomes: dict[int, bool]) -> frozenset[int]:
        if recorded and self.rules.fold is not None:
            self.fold = (self.fold or 0) + report.fold
        start, stop = self.ranges.get(report.lease, (0, 0))
        kept = recorded & outcomes.keys()
        for index in recorded:
            assert start <= index < stop, "what is recorded was given to the lease that recorded it"
            assert self.items[index].state != "done", "an index is recorded once"
            self.items[index] = Item("done")
        for index in kept:
            assert index not in self.results, "a result is recorded once"
            self.results[index] = outcomes[index]
        self.seq += len(kept)
        return frozenset(kept)

    def extend(self, lease: Held, *, got_on: bool) -> None:
        if self.state not in EXTENDING:
            return
        expires = self.now + self.rules.lease_seconds
        if not got_on and self.rules.item_seconds is not None:
            expires = min(expires, lease.progressed_at + self.rules.item_seconds)
        lease.expires = max(lease.expires, expires)

    # --- coming back

    def fail(self, lease: Held, index: int, error: str) -> None:
        failures = lease.failures + 1
        if failures >= self.rules.attempts:
            self.items[index] = Item("parked", failures=failures, error=error)
        else:
            self.pieces += 1
            self.items[index] = Item("returned", None, failures, _failed_by(lease), piece=self.pieces)

    def give_up(self, lease_id: str, lease: Held, error: Failure, left: set[int]) -> None:
        if error.index is None:
            self.come_back(lease_id, left, counts=True, error=error.message)
            return
        if error.index in left:
            self.fail(lease, error.index, error.message)
        for index in left - {error.index}:
            self.items[index] = Item("returned")

    def come_back(self, lease_id: str, indices: set[int], *, counts: bool = False, error: str = "") -> None:
        lease = self.leases[lease_id]
        failures, failed_by = lease.failures, lease.failed_by
        if counts:
            failures, failed_by = failures + 1, _failed_by(lease)
        for run in runs_of(indices):
            if counts and len(run) == 1 and failures >= self.rules.attempts:
                self.items[run[0]] = Item("parked", failures=failures, error=error)
                continue
            middle = len(run) // 2 if counts and failures > 1 else 0
            for part in (run[:middle], run[middle:]):
                self.pieces += 1
                for index in part:
                    remembers = self.items[index].remembers | {lease_id}
                    piece = self.pieces if failures else 0
                    self.items[index] = Item("returned", None, failures, failed_by, remembers, piece)

    # --- claims

    def eligible(self, key: WorkerKey, others: Iterable[WorkerKey]) -> int | None:
        """Find where a claim must begin; `others` are the active workers."""
        others = [other for other in others if other != key]
        for index in sorted(self.those("returned")):
            failed_by = self.items[index].failed_by
            if key not in failed_by or all(other in failed_by for other in others):
                return index
        return min(self.those("free"), default=None)

    def grant(self, granted: Granted, expected_start: int | None) -> None:
        assert self.state is ListState.RUNNING, "only a running list hands out"
        assert granted.start == expected_start, "the lowest returned piece that may be, else the frontier"
        assert granted.stop > granted.start
        items = [self.items[index] for index in range(granted.start, granted.stop)]
        first = items[0]
        kind = "returned" if granted.returned else "free"
        for item in items:
            assert item.state == kind, "a lease is of one piece or of the frontier"
            assert (item.piece, item.failures, item.failed_by) == (first.piece, first.failures, first.failed_by)
        for item in items:
            item.state, item.lease = "leased", granted.lease
        self.leases[granted.lease] = Held(
            granted.key, granted.start, granted.stop, self.now, self.now, self.now + self.rules.lease_seconds,
            granted.request, first.failures, first.failed_by,
        )  # fmt: skip
        self.ranges[granted.lease] = (granted.start, granted.stop)
        self.principals[granted.lease] = granted.key.principal

    # --- the list

    def settle(self) -> None:
        parked = len(self.those("parked"))
        stop = self.rules.stop_after_results
        if not self.those("free") and not self.those("leased") and not self.those("returned"):
            if self.state in OPEN:
                self.state = ListState.COMPLETE_EXCEPT if parked else ListState.COMPLETE
        elif self.state is ListState.RUNNING and parked > self.rules.limits.parked:
            self.state = ListState.PAUSED
        elif self.state is ListState.RUNNING and stop is not None and len(self.results) >= stop:
            self.state = ListState.STOPPED

    def bring_back(self, indices: set[int]) -> None:
        for index in indices:
            self.items[index] = Item("returned")
            self.results.pop(index, None)
        if indices and self.state in (ListState.COMPLETE, ListState.COMPLETE_EXCEPT):
            self.state = ListState.RUNNING

    def grow(self, more: int) -> None:
        end = self.start + self.size
        self.items |= {index: Item() for index in range(end, end + more)}
        self.size += more
        if more and self.state in (ListState.COMPLETE, ListState.COMPLETE_EXCEPT):
            self.state = ListState.RUNNING

    def compare(self, ledger: Ledger) -> None:
        """Check that the ledger says the same of every index."""
        assert ledger.state is self.state
        assert expanded(ledger.done) == self.those("done")
        assert set(range(ledger.frontier, ledger.end)) == self.those("free")
        assert ledger.parked.keys() == self.those("parked")
        for index, parked in ledger.parked.items():
            assert (parked.failures, parked.error) == (self.items[index].failures, self.items[index].error)
        assert ledger.leases.keys() == self.leases.keys()
        for lease_id, lease in ledger.leases.items():
            held = self.leases[lease_id]
            assert expanded(lease.rest) == self.rest(lease_id)
            assert (lease.start, lease.stop, lease.expires) == (held.start, held.stop, held.expires)
            assert (lease.got_on, lease.failures, lease.failed_by) == (held.got_on, held.failures, held.failed_by)
            for index in self.rest(lease_id):
                remembers = {memory.lease for memory in lease.memories if memory.start <= index < memory.stop}
                assert remembers == self.items[index].remembers, f"who may still report {index} late"
        self._compare_returned(ledger)
        assert (ledger.results, ledger.failed) == (len(self.results), list(self.results.values()).count(False))
        assert ledger.seq == self.seq
        assert ledger.fold == self.fold

    def _compare_returned(self, ledger: Ledger) -> None:
        seen = set()
        for piece in ledger.returned:
            numbers = {self.items[index].piece for index in range(piece.start, piece.stop)}
            assert len(numbers) == 1, "pieces with failures never merge"
            for index in range(piece.start, piece.stop):
                item = self.items[index]
                seen.add(index)
                assert (piece.failures, piece.failed_by) == (item.failures, item.failed_by)
                remembers = {memory.lease for memory in piece.memories if memory.start <= index < memory.stop}
                assert remembers == item.remembers, f"who may still report {index} late"
        assert seen == self.those("returned")


def _failed_by(lease: Held) -> tuple[WorkerKey, ...]:
    return (*(key for key in lease.failed_by if key != lease.key), lease.key)[-2:]


def runs_of(indices: set[int]) -> list[list[int]]:
    """Give the unbroken runs of a set."""
    runs: list[list[int]] = []
    for index in sorted(indices):
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return runs


def expanded(ranges: Iterable[tuple[int, int]]) -> set[int]:
    """Give the integers of ranges."""
    return {index for start, stop in ranges for index in range(start, stop)}
