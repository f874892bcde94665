"""`HeldRanges`: leases that many processes work, and what is finished of them; `Keeping` makes reports of that."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from teamtask.ledger.rules import RANGES_MAX
from teamtask.wire.limits import RESULTS_MAX
from teamtask.wire.messages import Report
from teamtask.wire.result_batch import PICKLE, ResultBatch
from teamtask.worker.port import MESSAGE_BYTES_MAX, NUMBER_BYTES, Sent
from teamtask.worker.portable import dumped
from teamtask.worker.worker_loop import OUTCOME_BYTES, REPORT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from teamtask.wire.messages import Lease
    from teamtask.worker.function_folds import FoldOfResults

_KEPT_BYTES_A_SECOND = 1 << 18  # of folds of one's own, by each of a few processes
_REPORT_SECONDS_MAX = 5.0


class Finished(NamedTuple):
    """What came of [start, stop): pickled values, positions that are not ok and seconds of 4 bytes; or a fold."""

    start: int
    stop: int
    values: bytes = b""
    failed: tuple[int, ...] = ()
    seconds: bytes = b""
    fold: Any = None


class HeldRange:
    """A lease, with what of it waits to be reported."""

    __slots__ = ("end", "finished", "index", "is_left", "lease", "lost", "refused", "reported_at")

    def __init__(self, lease: Lease, now: float) -> None:
        self.lease = lease
        self.index = lease.index
        self.end = lease.index + lease.size  # moves down when another gets the tail
        self.finished: list[Finished] = []
        self.refused: list[tuple[int, str]] = []  # items that could not be worked, and why
        self.reported_at = now
        self.lost = False  # it is over; what is reported now is late
        self.is_left = False  # nothing more is begun; it is given back when nothing is in hand

    @property
    def is_open(self) -> bool:
        """Whether more of it may be begun."""
        return not self.lost and not self.is_left

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """Give [index, size) of what is to be worked."""
        return [(self.index, self.lease.size)] if self.lease.rest is None else [*self.lease.rest]


SentRanges: TypeAlias = Sent[HeldRange, list[Finished]]


class Keeping(ABC):
    """What is kept of results: each of them, or a fold."""

    keeps_outcomes = False
    report_seconds = REPORT_SECONDS  # what is finished waits no longer

    def reports(self, held: HeldRange) -> Iterator[SentRanges]:
        """Take what waits, and make reports of it: one for each unbroken run."""
        for run in _runs(held.finished):
            yield Sent(held, self._report(held, run), run)
        held.finished = []
        while held.refused:
            some, held.refused = held.refused[:RANGES_MAX], held.refused[RANGES_MAX:]
            yield Sent(held, Report(held.lease.lease, held.index, held.index, failed=tuple(some)), [])

    @abstractmethod
    def _report(self, held: HeldRange, run: list[Finished]) -> Report:
        """Make the report of adjacent ranges."""


class KeepOutcomes(Keeping):
    """Every outcome is kept."""

    keeps_outcomes = True

    def _report(self, held: HeldRange, run: list[Finished]) -> Report:
        start, stop = run[0].start, run[-1].stop
        if len(run) == 1:
            values, failed, seconds = run[0].values, run[0].failed, run[0].seconds
        else:
            values = b"".join([finished.values for finished in run])
            seconds = b"".join([finished.seconds for finished in run])
            failed = tuple(finished.start - start + position for finished in run for position in finished.failed)
        return self._report_of(held, ResultBatch(start, stop - start, values, PICKLE, failed, None, seconds))

    def _report_of(self, held: HeldRange, batch: ResultBatch) -> Report:
        return Report(held.lease.lease, held.index, batch.index + batch.count, begin=batch.index, results=batch)


class KeepFold(Keeping):
    """The list's own fold is kept, and nothing else."""

    def __init__(self, fold: FoldOfResults) -> None:
        self._fold = fold

    def _report(self, held: HeldRange, run: list[Finished]) -> Report:
        return Report(held.lease.lease, held.index, run[-1].stop, begin=run[0].start, fold=_merged(self._fold, run))


class KeepPartialFolds(Keeping):
    """The fold of each report is kept as the result of its first item, to be merged in the end.

    The list itself counts: its fold is `count`, of all items. As a fold cannot be divided, a report is recorded whole
    or not at all, so the folds that are kept are of disjoint ranges that cover what is done. Large ones are reported
    less often, up to every 5 seconds, so that what is kept grows by about a megabyte a second at most.
    """

    def __init__(self, fold: FoldOfResults) -> None:
        self._fold = fold

    def _report(self, held: HeldRange, run: list[Finished]) -> Report:
        start, stop = run[0].start, run[-1].stop
        batch = ResultBatch(start, 1, dumped([_merged(self._fold, run)]), PICKLE)
        seconds = len(batch.values) / _KEPT_BYTES_A_SECOND
        self.report_seconds = min(max(REPORT_SECONDS, seconds), _REPORT_SECONDS_MAX)
        return Report(held.lease.lease, held.index, stop, begin=start, results=batch, fold=stop - start)


class HeldRanges:
    """The leases of one worker. `is_in_hand` tells whether a process has something of one."""

    def __init__(self, keeping: Keeping, is_in_hand: Callable[[HeldRange], bool]) -> None:
        self._keeping = keeping
        self._is_in_hand = is_in_hand
        self._held: dict[str, HeldRange] = {}
        self.waiting_bytes = 0  # of what is not reported; 0 when there is nothing

    @property
    def has_to_report(self) -> bool:
        """Whether something waits, or a lease is to be given back."""
        return self.waiting_bytes > 0 or any(self._is_given_back(held) for held in self._held.values())

    def add(self, lease: Lease, now: float) -> HeldRange:
        """Hold a lease."""
        held = self._held[lease.lease] = HeldRange(lease, now)
        return held

    def finish(self, held: HeldRange, finished: Finished) -> None:
        """Keep what came of a range for the next report."""
        held.finished.append(finished)
        self._wait(held, len(finished.values))

    def refuse(self, held: HeldRange, index: int, message: str) -> None:
        """Keep why an item could not be worked."""
        held.refused.append((index, message))
        self._wait(held, len(message))

    def leave(self) -> None:
        """Begin nothing more of what is held; it is given back when nothing of it is in hand."""
        for held in self._held.values():
            held.is_left = True

    def lose(self, held: HeldRange) -> None:
        """Take note that a lease is over; what is still finished of it is reported late."""
        held.lost = True
        if not held.finished and not held.refused:
            self._held.pop(held.lease.lease, None)

    def oldest_report(self) -> float | None:
        """When the lease that was not heard of for the longest time was last reported."""
        return min((held.reported_at for held in self._held.values()), default=None)

    def reports(self, now: float, silent_seconds: float, *, release: bool) -> list[SentRanges]:
        """Take what waits, and give a sign of life of leases silent for so long; with `release` all are given back."""
        sent: list[SentRanges] = []
        ended: list[str] = []  # forgotten in the end: a fold that raises must not take the leases before it along
        for held in self._held.values():
            reports = list(self._keeping.reports(held))
            ends = release or self._is_given_back(held)
            if ends or (not reports and now - held.reported_at >= silent_seconds):
                reports.append(Sent(held, Report(held.lease.lease, held.index, held.index, release=ends), []))
            if ends:
                ended.append(held.lease.lease)
            if reports:
                held.reported_at = now
                sent += reports
        for lease in ended:
            del self._held[lease]
        self.waiting_bytes = 0
        return sent

    def forget_finished(self) -> None:
        """Forget what is finished and not told: it is worked again."""
        for held in self._held.values():
            held.finished = []
        self.waiting_bytes = 0

    def put_back(self, sent: SentRanges) -> None:
        """Keep what was taken for a report that did not arrive."""
        held = sent.held
        held.reported_at = -math.inf
        self._held[held.lease.lease] = held
        for finished in sent.told:
            self.finish(held, finished)
        for index, message in sent.report.failed:
            self.refuse(held, index, message)

    def _wait(self, held: HeldRange, size: int) -> None:
        self._held[held.lease.lease] = held  # also if it is over: then it is reported late
        self.waiting_bytes += OUTCOME_BYTES + size

    def _is_given_back(self, held: HeldRange) -> bool:
        return held.is_left and not self._is_in_hand(held)


def _merged(fold: FoldOfResults, run: list[Finished]) -> Any:  # noqa: ANN401 - a fold is any value
    value = run[0].fold
    for finished in run[1:]:
        value = fold.merged(value, finished.fold)
    return value


def _runs(finished: list[Finished]) -> Iterator[list[Finished]]:
    """Give adjacent ranges together, in order; several have 100,000 results and 8 MiB at most."""
    run: list[Finished] = []
    size = count = 0
    for one in sorted(finished, key=attrgetter("start")):
        more = one.stop - one.start if one.values else 0
        bytes_more = len(one.values) + more * NUMBER_BYTES
        too_large = size + bytes_more > MESSAGE_BYTES_MAX or count + more > RESULTS_MAX
        if run and (run[-1].stop != one.start or too_large):
            yield run
            run, size, count = [], 0, 0
        run.append(one)
        size += bytes_more
        count += more
    if run:
        yield run
