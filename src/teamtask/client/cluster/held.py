"""`Held`: an assignment in a worker's hands: what it tells in reports of the web API, and the Block reports of that.

It neither waits nor speaks; `WorkerBlock` does. What is told is kept until the controller has taken it in.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from teamtask.client.cluster.shown import assigned
from teamtask.kube import objects as o
from teamtask.ledger.errors import InvalidField, TeamtaskError, TooMany
from teamtask.ledger.folds import check_fold, merge_folds
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.rules import RANGES_MAX
from teamtask.wire.interval_text import interval_text
from teamtask.wire.limits import ID_CHARACTERS_MAX
from teamtask.wire.messages import Lease, ReportStatus
from teamtask.wire.views import wire_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from teamtask.ledger.folds import FoldRule
    from teamtask.wire.messages import Report
    from teamtask.wire.result_batch import ResultBatch

RESULTS_BYTES_MAX: Final = 262_144  # of one report, unless a single value or a fold makes it more
FOLD_RESULTS_BYTES_MAX: Final = 786_432  # of an assignment of a list with a fold, which is told at once
_ROW_BYTES: Final = 40  # of a result, beside its value
_INTEGER_END: Final = 2**63  # beyond it Kubernetes keeps no digit
_many_digits: Final = re.compile(rb"[0-9]{19}").search


class Ending(NamedTuple):
    """How an assignment ends, in the words of a Block's report."""

    state: str  # Completed, Failed or Released
    failed_at: int | None = None
    message: str = ""

    @property
    def status(self) -> str:
        """The web API's word."""
        return {"Completed": "done", "Failed": "failed"}.get(self.state, "released")


class Kept(NamedTuple):
    """A result that waits to be told: its value, whether it is ok, and how many bytes it has."""

    value: Any
    ok: bool
    size: int


class Part(NamedTuple):
    """One report for the Block, with what of it need not be told again once it is taken in."""

    document: dict[str, Any]
    told: IntervalSet
    results: list[int]


class Held:
    """An assignment; `rest` is what of it was not done when it was taken."""

    def __init__(self, block: o.Block, fold_rule: FoldRule | None, done: IntervalSet) -> None:
        ranges = assigned(block)
        self.sequence = block.status.sequence
        self.lease = lease_id(block.metadata, self.sequence)
        self.block_size = block.status.assignments[0].size
        self.attempt = block.status.attempt
        self.start, self.stop = ranges.starts[0], ranges.stops[-1]
        self.end = self.stop  # what is behind it is given back in the end
        self.rest = ranges.difference(done)
        self.done = IntervalSet.of(self.start, self.stop).difference(self.rest)
        self.told = IntervalSet()  # and not yet taken in
        self.results: dict[int, Kept] = {}  # likewise
        self.failed: dict[int, str] = {}  # could not be worked; told in the end, for that ends an assignment
        self.fold: Any = None  # of `done` and `told`
        self._fold_rule = fold_rule

    @property
    def news(self) -> list[Kept]:
        """The results that could be told now."""
        tellable = self._tellable(None)
        return [kept for index, kept in self.results.items() if index in tellable]

    @property
    def open(self) -> IntervalSet:
        """What is still to be done."""
        left = IntervalSet.of(self.start, self.end).difference(self.done).difference(self.told)
        for index in self.failed:
            left.remove(index, index + 1)
        return left

    def as_lease(self, name: str, worklist_uid: str, block: str, fingerprint: str, seconds: float) -> Lease:
        """Give the lease of the web API that this is."""
        rest = tuple((start, stop - start) for start, stop in self.rest)
        return Lease(
            self.lease, name, worklist_uid, block, self.start, self.stop - self.start, self.block_size, self.attempt,
            seconds, fingerprint, rest=None if rest == ((self.start, self.stop - self.start),) else rest,
        )  # fmt: skip

    # --- what the worker says

    def hear(self, reports: Sequence[Report]) -> tuple[Ending | None, list[ReportStatus | None]]:
        """Take reports on this assignment; give how it ends, and the answer to each that is refused."""
        ending: Ending | None = None
        refused: list[ReportStatus | None] = []
        for report in reports:
            try:
                refused.append(self._take(report))
            except TeamtaskError as error:
                refused.append(ReportStatus(self.lease, "error", error=wire_error(error)))
            else:
                ending = ending or _said(report)
        if ending is not None and ending.state == "Failed":
            return ending, refused
        open_ = self.open
        if ending is None and open_:
            return None, refused
        if self.failed:  # the others that failed come back without a failure, and are found at the next try
            at, message = next(iter(self.failed.items()))
            return Ending("Failed", at, message), refused
        return Ending("Released" if open_ or self.end < self.stop else "Completed"), refused

    def _take(self, report: Report) -> ReportStatus | None:
        """Keep what is told; give the status of a report that says something else than what is open."""
        told = _told_by(report)
        if told and (told.starts[0] < self.start or told.stops[-1] > self.stop):
            raise InvalidField("That is not within the lease.", field="upto")
        check_fold(self._fold_rule, report.fold)
        new = told.difference(self.done).difference(self.told)
        results = _results_of(report.results)
        if self._fold_rule is not None:
            if report.fold is None:
                new = IntervalSet()  # without a fold nothing is recorded
            elif new and new != told:
                rest = tuple((start, stop - start) for start, stop in self.open)
                return ReportStatus(self.lease, "cut", rest=rest)
            self._check_one_report(results, new)
            if new:
                self.fold = merge_folds(self._fold_rule, self.fold, report.fold)
        for start, stop in new:
            self.told.add(start, stop)
        self.results |= {index: kept for index, kept in results.items() if index in new}
        self.failed |= {index: message for index, message in report.failed if index not in self.told}
        if report.end is not None:
            self.end = max(self.start, min(self.end, report.end))
        return None

    def _check_one_report(self, results: dict[int, Kept], new: IntervalSet) -> None:
        """Refuse results that do not go into the one report which a list with a fold takes at the end."""
        more = {index: kept for index, kept in results.items() if index in new}
        size = sum(kept.size for kept in (*self.results.values(), *more.values()))
        if len(self.results) + len(more) > o.RESULTS_MAX or size > FOLD_RESULTS_BYTES_MAX:
            raise TooMany(
                f"With a fold a block has {o.RESULTS_MAX:,} results and {FOLD_RESULTS_BYTES_MAX:,} bytes of them at "
                "most in Kubernetes.",
                field="results",
                hint="Make blocks smaller: `teamtask set NAME --block-size N`.",
            )

    # --- what the Block says

    def parts(self, ending: Ending | None) -> list[Part]:
        """Give the reports to be made, one after the other; the last one has the ending."""
        if self._fold_rule is not None:
            return [self._whole(ending)]
        known, rest = self.done.copy(), self._tellable(ending)
        *first, last = self._portions(rest)
        parts: list[Part] = []
        for indices in first:
            told = IntervalSet(rest.within(rest.starts[0], indices[-1] + 1))
            rest = rest.difference(told)
            known = _union(known, told)
            parts.append(Part(self._document(None, known, told, indices), told, indices))
        parts.append(Part(self._document(ending, _union(known, rest), rest, last), rest, last))
        return parts

    def _tellable(self, ending: Ending | None) -> IntervalSet:
        """Give what is to be told: while the work goes on what is done without a gap, of which nothing is put off."""
        if ending is not None:
            return self.told.copy()
        return IntervalSet(self.told.within(self.start, _union(self.done, self.told).first_gap(self.start)))

    def taken_in(self, part: Part) -> None:
        """Forget what the controller has taken in."""
        for start, stop in part.told:
            self.told.remove(start, stop)
            self.done.add(start, stop)
        for index in part.results:
            self.results.pop(index, None)

    def _whole(self, ending: Ending | None) -> Part:
        """Give the report on a list with a fold: nothing of it counts before the end."""
        if ending is None:
            return Part({"sequence": self.sequence, "state": "Working"}, IntervalSet(), [])
        known = self.told
        document = self._document(ending, known, known, sorted(self.results))
        if self.fold is not None:
            document["fold"] = self.fold
        return Part(document, known.copy(), sorted(self.results))

    def _portions(self, told: IntervalSet) -> list[list[int]]:
        """Divide the indices of the results of what is told into those of one report each; the last may be empty."""
        portions: list[list[int]] = [[]]
        size = 0
        for index in sorted(index for index in self.results if index in told):
            more = self.results[index].size
            if portions[-1] and (len(portions[-1]) == o.RESULTS_MAX or size + more > RESULTS_BYTES_MAX):
                portions.append([])
                size = 0
            portions[-1].append(index)
            size += more
        return portions

    def _document(
        self, ending: Ending | None, known: IntervalSet, told: IntervalSet, indices: list[int]
    ) -> dict[str, Any]:
        """Give a report. What was taken in before is repeated for people, as long as it is short."""
        text = interval_text(known)
        if len(known) > RANGES_MAX or len(text) > o.RANGES_CHARACTERS_MAX:
            text = interval_text(told)
        document: dict[str, Any] = {
            "sequence": self.sequence,
            "state": "Working" if ending is None else ending.state,
            "done": text,
        }
        if indices:
            rows = [(index, self.results[index]) for index in indices]
            document["results"] = [{"index": index, "value": kept.value, "ok": kept.ok} for index, kept in rows]
        if ending is not None and ending.state == "Failed":
            document["message"] = ending.message[: o.MESSAGE_CHARACTERS_MAX]
            if ending.failed_at is not None:
                document["failedAt"] = ending.failed_at
        return document


def lease_id(metadata: o.Metadata, sequence: int) -> str:
    """Name an assignment, so that its block is found again; a block with a very long name is not."""
    name = f"{metadata.name}/{metadata.uid}/{sequence}"
    return name if len(name) <= ID_CHARACTERS_MAX else f"{metadata.uid}/{sequence}"


def block_of_lease(lease: str) -> tuple[str, str, int] | None:
    """Give the name and the uid of the block, and the number of its assignment; None where the lease does not say."""
    name, _, rest = lease.partition("/")
    uid, _, sequence = rest.partition("/")
    return (name, uid, int(sequence)) if name and uid and sequence.isdecimal() else None


def _union(one: IntervalSet, other: IntervalSet) -> IntervalSet:
    both = one.copy()
    for start, stop in other:
        both.add(start, stop)
    return both


def _said(report: Report) -> Ending | None:
    if report.error is not None:
        return Ending("Failed", report.error.index, report.error.message)
    return Ending("Released") if report.release else None


def _told_by(report: Report) -> IntervalSet:
    told = IntervalSet((index, index + size) for index, size in report.ranges if size > 0)
    begin = report.index if report.begin is None else report.begin
    if begin < report.upto:
        told.add(begin, report.upto)
    for index, _ in report.failed:
        told.remove(index, index + 1)
    return told


def _results_of(batch: ResultBatch | None) -> dict[int, Kept]:
    """Give results by index. Raises InvalidField for what an object of Kubernetes does not keep as it is."""
    if batch is None:
        return {}
    raws = msgspec.json.decode(batch.values, type=list[msgspec.Raw])
    sizes = {index: len(bytes(raw)) for index, raw in zip(batch.indices(), raws, strict=True)}
    may_lose_digits = _many_digits(batch.values) is not None
    found = {}
    for result in batch.results():
        size = sizes[result.index]
        if size > o.RESULT_BYTES_MAX:
            raise InvalidField(
                f"The result of index {result.index} has {size:,} bytes; {o.RESULT_BYTES_MAX:,} are the most in "
                "Kubernetes.",
                field="results",
                hint="Keep it elsewhere, and give its place as the result.",
            )
        if may_lose_digits and _has_long_integer(result.value):
            message = f"The result of index {result.index} has an integer of which Kubernetes would lose digits."
            raise InvalidField(message, field="results", hint="Give it as text.")
        found[result.index] = Kept(result.value, result.ok, size + _ROW_BYTES)
    return found


def _has_long_integer(value: Any) -> bool:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return any(map(_has_long_integer, value.values()))
    if isinstance(value, list):
        return any(map(_has_long_integer, value))
    return type(value) is int and not -_INTEGER_END <= value < _INTEGER_END
