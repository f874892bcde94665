"""`HeldLeases`: what a worker holds, item by item: what is still to be begun, what is finished and not yet reported."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from msgspec.structs import replace

from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.rules import RANGES_MAX
from teamtask.wire.limits import RESULTS_MAX
from teamtask.wire.messages import Report
from teamtask.wire.result_batch import pack_encoded
from teamtask.worker.port import MESSAGE_BYTES_MAX, Sent, digits_of
from teamtask.worker.worker_loop import OUTCOME_BYTES, goes_on

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from teamtask.wire.messages import Lease, ReportStatus
    from teamtask.worker.items import Items

Outcomes = tuple["Sequence[int]", list[tuple[bytes, bool]]]  # indices; JSON and whether it is ok


class HeldLease:
    """One lease: its items in order, and the outcomes that wait for the next report."""

    __slots__ = ("_end", "_items", "finished", "in_hand", "is_open", "lease", "outcomes", "reported_at", "to_begin")

    def __init__(self, lease: Lease, source: Items, now: float) -> None:
        self.lease = lease
        self._end = lease.index + lease.size  # moves down when another gets the tail
        self._items = _items(lease, source)
        self.to_begin = lease.size if lease.rest is None else sum(size for _, size in lease.rest)  # at most
        self.in_hand = 0  # begun and not finished
        self.is_open = True  # more of it may be begun
        self.finished = IntervalSet()
        self.outcomes: dict[int, tuple[bytes, bool]] = {}
        self.reported_at = now

    def next(self) -> tuple[int, object] | None:
        """Give the next item to be begun and its index; None when all are."""
        found = next(self._items, None)
        if found is None or found[0] >= self._end:
            self.to_begin = 0
            return None
        self.to_begin -= 1
        self.in_hand += 1
        return found

    def cut(self, end: int) -> None:
        """Begin nothing from this index on."""
        if end < self._end:
            self.to_begin = max(0, self.to_begin - (self._end - end))
            self._end = end

    def close(self) -> None:
        """Begin no more items."""
        self.is_open = False
        self._items = iter(())
        self.to_begin = 0

    def finish(self, index: int, outcome: bytes, *, ok: bool) -> None:
        """Keep the outcome (JSON) of an item for the next report."""
        self.in_hand -= 1
        self._keep(index, (outcome, ok))

    def put_back(self, sent: Sent[HeldLease, Outcomes]) -> None:
        """Keep what was taken for a report for another one."""
        self.reported_at = -math.inf
        for index, outcome in zip(*sent.told, strict=True):
            self._keep(index, outcome)

    def take(self) -> Iterator[Sent[HeldLease, Outcomes]]:
        """Take what is finished, and make reports of it: each of 1,000 unbroken runs and some 8 MiB at most."""
        finished, outcomes = self.finished, self.outcomes
        self.finished, self.outcomes = IntervalSet(), {}
        digits = digits_of(self._end)
        runs: list[tuple[int, int]] = []
        size = count = 0
        for start, stop in finished:
            begin = start
            size += 2 * digits
            for index in range(start, stop):
                size += digits + len(outcomes[index][0])
                count += 1
                if size >= MESSAGE_BYTES_MAX or count == RESULTS_MAX:
                    yield self._sent([*runs, (begin, index + 1)], outcomes)
                    runs, size, count, begin = [], 0, 0, index + 1
            if begin < stop:
                runs.append((begin, stop))
            if len(runs) == RANGES_MAX:
                yield self._sent(runs, outcomes)
                runs, size, count = [], 0, 0
        if runs:
            yield self._sent(runs, outcomes)

    def _keep(self, index: int, outcome: tuple[bytes, bool]) -> None:
        self.outcomes[index] = outcome
        self.finished.add(index, index + 1)

    def _sent(self, runs: list[tuple[int, int]], outcomes: dict[int, tuple[bytes, bool]]) -> Sent[HeldLease, Outcomes]:
        indices = (
            range(*runs[0])
            if len(runs) == 1
            else [index for start, stop in runs for index in range(start, stop)]
        )  # fmt: skip
        told = [outcomes[index] for index in indices]
        results = pack_encoded(
            indices,
            b"[" + b",".join([outcome for outcome, _ in told]) + b"]",
            failed=[position for position, (_, ok) in enumerate(told) if not ok],
        )
        ranges = tuple([(start, stop - start) for start, stop in runs])
        index = self.lease.index
        report = Report(self.lease.lease, index, index, ranges=ranges, results=results)
        return Sent(self, report, (indices, told))


class HeldLeases:
    """The leases of one worker, oldest first."""

    def __init__(self, source: Items) -> None:
        self._source = source
        self._held: dict[str, HeldLease] = {}
        self._to_begin: deque[HeldLease] = deque()
        self.waiting_bytes = 0  # of outcomes that are not reported; 0 when there are none

    @property
    def to_begin(self) -> int:
        """How many items at most are not begun."""
        return sum(held.to_begin for held in self._to_begin)

    @property
    def has_to_report(self) -> bool:
        """Whether there are outcomes, or leases to be given back."""
        return self.waiting_bytes > 0 or any(_is_left(held) for held in self._held.values())

    def add(self, lease: Lease, now: float) -> None:
        """Hold a lease."""
        held = HeldLease(lease, self._source, now)
        self._held[lease.lease] = held
        self._to_begin.append(held)

    def next(self) -> tuple[HeldLease, int, object] | None:
        """Give the next item to be begun, of the oldest lease that has one."""
        while self._to_begin:
            held = self._to_begin[0]
            found = held.next()
            if found is not None:
                return held, *found
            self._to_begin.popleft()
        return None

    def close(self) -> None:
        """Begin nothing more of what is held; it is given back when nothing of it is in hand."""
        for held in self._held.values():
            held.close()

    def finish(self, held: HeldLease, index: int, outcome: bytes, *, ok: bool) -> None:
        """Keep an outcome for the next report; of a lease that is lost it is reported all the same, late."""
        held.finish(index, outcome, ok=ok)
        self._held.setdefault(held.lease.lease, held)
        self.waiting_bytes += OUTCOME_BYTES + len(outcome)

    def oldest_report(self) -> float | None:
        """When the lease that was not heard of for the longest time was last reported."""
        return min((held.reported_at for held in self._held.values()), default=None)

    def reports(self, now: float, silent_seconds: float, *, release: bool) -> list[Sent[HeldLease, Outcomes]]:
        """Take the reports that are due: what is finished, and a sign of life of leases silent for so long.

        With `release` all are given back; they are forgotten.
        """
        found: list[Sent[HeldLease, Outcomes]] = []
        for held in list(self._held.values()):
            sent = list(held.take()) if held.outcomes else []
            ends = release or _is_left(held)
            if not sent and (ends or now - held.reported_at >= silent_seconds):
                lease = held.lease
                sent = [Sent(held, Report(lease.lease, lease.index, lease.index), ((), []))]
            if ends:
                sent[-1] = sent[-1]._replace(report=replace(sent[-1].report, release=True))
                del self._held[held.lease.lease]
            if sent:
                held.reported_at = now
                found += sent
        self.waiting_bytes = 0
        return found

    def put_back(self, sent: Sent[HeldLease, Outcomes]) -> None:
        """Keep what was taken for a report that did not arrive."""
        sent.held.put_back(sent)
        self._held.setdefault(sent.held.lease.lease, sent.held)
        self.waiting_bytes += sum(OUTCOME_BYTES + len(outcome) for outcome, _ in sent.told[1])

    def answered(self, held: HeldLease, status: ReportStatus) -> None:
        """Take the answer to a report: forget a lease that is over, begin nothing that is no longer ours."""
        if not goes_on(status):
            held.close()
            if not held.outcomes:
                self._held.pop(held.lease.lease, None)
        elif status.end is not None:
            held.cut(status.end)


def _is_left(held: HeldLease) -> bool:
    """Tell whether nothing more will come of a lease that is held."""
    return not held.is_open and not held.in_hand


def _items(lease: Lease, source: Items) -> Iterator[tuple[int, object]]:
    rest = ((lease.index, lease.size),) if lease.rest is None else lease.rest
    for index, size in rest:
        yield from zip(range(index, index + size), source.items(index, size), strict=True)
