"""`HeldLease`: a lease in a program's hands: the blocks to be begun, what is finished and not yet told, how it ends.

It neither waits nor speaks; `WorkSession` does, and locks.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from teamtask.ledger.folds import merge_folds
from teamtask.ledger.interval_set import IntervalSet
from teamtask.wire.limits import RESULTS_MAX
from teamtask.wire.messages import Report, ReportError
from teamtask.wire.result_batch import pack_encoded

if TYPE_CHECKING:
    from teamtask.ledger.folds import FoldRule
    from teamtask.wire.messages import Lease, ReportStatus
    from teamtask.wire.result_batch import ResultBatch

REPORT_BYTES_MAX: Final = 4 << 20  # of results in one report, unless a fold holds them together
_ROW_BYTES: Final = 24  # of a result, beside its value and its index

Results = dict[int, tuple[bytes, bool]]  # JSON, and whether it is ok


class Folded(NamedTuple):
    """The fold of [start, stop)."""

    start: int
    stop: int
    value: Any


class Sent(NamedTuple):
    """A report with what is to be told again if it is not taken; after a final one the lease is no longer held."""

    held: HeldLease
    report: Report
    size: int  # bytes of results, about
    results: Results
    folds: list[Folded]
    is_final: bool


class HeldLease:
    """One lease, worked in blocks; `end` moves down when another gets the tail."""

    def __init__(self, lease: Lease, fold_rule: FoldRule | None, now: float) -> None:
        self.lease = lease
        self.end = lease.index + lease.size
        self.is_left = False  # begin nothing more of it
        self.is_over = False  # it is no longer ours; what is finished is told late
        self.in_hand = False  # a block of it
        self.reported_at = now
        self.renew_seconds = lease.expires_in_seconds / 3
        self.waiting_bytes = 0  # of results
        rest = ((lease.index, lease.size),) if lease.rest is None else lease.rest
        self._to_begin = deque((index, index + size) for index, size in rest)
        self._open = IntervalSet(self._to_begin)  # what is not told
        self._told = IntervalSet()  # since the last report
        self._folds: list[Folded] = []  # of `_told`, on a list with a fold
        self._fold_rule = fold_rule
        self._results: Results = {}
        self._error: ReportError | None = None
        self._give_back_from: int | None = None  # before the error is told

    # --- working

    @property
    def to_begin(self) -> int:
        """How many items are in blocks that are not begun."""
        return sum(stop - start for start, stop in self._to_begin)

    def begin_block(self) -> tuple[int, int]:
        """Give the next block [start, stop); there is one. They end at every `block_size` from the lease's index on."""
        start, stop = self._to_begin.popleft()
        size = self.lease.block_size
        end = min(stop, start + size - (start - self.lease.index) % size)
        if end < stop:
            self._to_begin.appendleft((end, stop))
        self.in_hand = True
        return start, end

    def tell(self, start: int, stop: int, fold: Any = None) -> None:  # noqa: ANN401 - any JSON
        """Say that [start, stop) is done; on a list with a fold, with the fold of just that."""
        if start >= stop:
            return
        self._told.add(start, stop)
        self._open.remove(start, stop)
        if self._fold_rule is not None:
            self._folds.append(Folded(start, stop, fold))

    def result(self, index: int, value: bytes, *, ok: bool) -> None:
        """Keep a result until its index is told; the last one for an index counts."""
        before = self._results.get(index)
        if before is not None:
            self.waiting_bytes -= _bytes_of(index, before[0])
        self._results[index] = value, ok
        self.waiting_bytes += _bytes_of(index, value)

    def fail(self, message: str, index: int | None, stop: int) -> None:
        """Give up at a block that ends there: what is not done of it fails, or only that index; the others are free."""
        self._error = ReportError(message, index)
        if index is None and self._to_begin:
            self._give_back_from = stop
        self.leave()

    def put_away(self) -> None:
        """End the block in hand; results of what is not done of it are dropped."""
        self.in_hand = False
        for index in [index for index in self._results if index not in self._told]:
            self.waiting_bytes -= _bytes_of(index, self._results.pop(index)[0])

    def leave(self) -> None:
        """Begin nothing more of it; what is not done is given back."""
        self._to_begin.clear()
        self.is_left = True

    def lose(self) -> None:
        """Begin nothing more: it is no longer ours."""
        self.leave()
        self.is_over = True

    # --- saying

    @property
    def is_worked(self) -> bool:
        """Whether all of it has been begun and nothing is in hand: then its last report is due."""
        return not self._to_begin and not self.in_hand

    @property
    def renew_at(self) -> float:
        """When it is to be heard of again, at the latest."""
        return math.inf if self.is_over else self.reported_at + self.renew_seconds

    @property
    def has_news(self) -> bool:
        """Whether something is finished that was not told."""
        return bool(self._told)

    def report(self, now: float, *, release: bool = False) -> Sent:
        """Make a report of what is finished, or a part of it; the last one gives back what is not, as `release` does.

        With nothing to say it is a sign of life.
        """
        told, results, size = self._taken()
        folds, self._folds = self._folds, []
        fold = None
        for folded in folds:
            assert self._fold_rule is not None, "only a list with a fold has folds"
            fold = merge_folds(self._fold_rule, fold, folded.value)
        end, self._give_back_from = self._give_back_from, None
        is_final = not self._told and (release or self.is_worked) and not self.is_over and end is None
        index = self.lease.index
        (begin, upto), *ranges = told or [(index, index)]
        report = Report(
            self.lease.lease,
            index,
            upto,
            begin=None if begin == index else begin,
            ranges=tuple((start, stop - start) for start, stop in ranges),
            results=_packed(results),
            fold=fold,
            error=self._error if is_final else None,
            release=is_final and self._error is None and self._open.size > 0,
            end=end,
        )
        self.reported_at = now
        return Sent(self, report, size, results, folds, is_final)

    def _taken(self) -> tuple[list[tuple[int, int]], Results, int]:
        """Take ranges that are finished and their results, not many more bytes than one report should carry."""
        results: Results = {}
        size = 0
        told = list(self._told)
        for index in sorted(index for index in self._results if index in self._told):
            if (len(results) >= RESULTS_MAX or size >= REPORT_BYTES_MAX) and self._fold_rule is None:
                told = self._told.within(told[0][0], index)
                break
            results[index] = self._results.pop(index)
            size += _bytes_of(index, results[index][0])
        for start, stop in told:
            self._told.remove(start, stop)
        self.waiting_bytes -= size
        return told, results, size

    # --- hearing

    def hear(self, sent: Sent, status: ReportStatus) -> None:
        """Take the answer to a report."""
        if status.status == "cut":
            self._divide(sent, IntervalSet((index, index + size) for index, size in status.rest or ()))
            return
        if status.expires_in_seconds is None or sent.is_final:  # whatever the status is called, it is no longer held
            self.lose()
            return
        self.renew_seconds = status.expires_in_seconds / 3
        if status.end is not None:
            self._cut(status.end)

    def refuse(self, sent: Sent) -> None:
        """Take the refusal of a report: what it told is not done, and is given back with the rest."""
        told = [*sent.report.ranges]
        begin = sent.report.index if sent.report.begin is None else sent.report.begin
        if begin < sent.report.upto:
            told.append((begin, sent.report.upto - begin))
        for index, size in told:
            self._open.add(index, index + size)
        self.leave()
        if not told:
            self.lose()  # not even giving it back is taken

    def _cut(self, end: int) -> None:
        if end < self.end:
            self.end = end
            self._to_begin = deque((start, min(stop, end)) for start, stop in self._to_begin if start < end)
            self._open.remove(end, self.lease.index + self.lease.size)

    def _divide(self, sent: Sent, rest: IntervalSet) -> None:
        """Tell those folds again that lie in what is still open; what is open of the others is worked again."""
        self._cut(rest.stops[-1] if rest else self.lease.index)
        again = []
        for folded in sent.folds:
            if rest.covers(folded.start, folded.stop):
                self._told.add(folded.start, folded.stop)
                self._folds.append(folded)
                for index, (value, ok) in sent.results.items():
                    if folded.start <= index < folded.stop:
                        self.result(index, value, ok=ok)
            else:
                again += rest.within(folded.start, folded.stop)
        if not self.is_left:
            self._to_begin.extendleft(reversed(again))
            for start, stop in again:
                self._open.add(start, stop)


def _bytes_of(index: int, value: bytes) -> int:
    return _ROW_BYTES + len(value) + index.bit_length() // 3  # digits, about


def _packed(results: Results) -> ResultBatch | None:
    if not results:
        return None
    return pack_encoded(
        list(results),
        b"[" + b",".join([value for value, _ in results.values()]) + b"]",
        failed=[position for position, (_, ok) in enumerate(results.values()) if not ok],
    )
