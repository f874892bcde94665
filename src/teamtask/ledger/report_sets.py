"""`told_by`: the set S that a report says is done; and the checks of a report that need no lease.

What is wrong with a report by itself is said before anything is looked up, so that the answer tells nothing of leases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from teamtask.ledger.big_numbers import check_number, check_range, shown
from teamtask.ledger.errors import InvalidField
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.rules import RANGES_MAX

if TYPE_CHECKING:
    from teamtask.ledger.commands import Outcomes, Report
    from teamtask.ledger.events import Range


class Kept(NamedTuple):
    """The ranges of the results that count (None for all of them), how many, and how many of them are not ok."""

    ranges: tuple[Range, ...] | None = ()
    results: int = 0
    failed: int = 0


def begin_of(report: Report) -> int:
    """Give the wire's `from`: the block's index unless it is given."""
    return report.index if report.begin is None else report.begin


def told_by(report: Report) -> IntervalSet:
    """Give S: [from, upto) and the ranges, less what failed. Raises InvalidField."""
    begin = begin_of(report)
    check_number(report.index, "index")
    check_number(begin, "from")
    check_number(report.upto, "upto")
    if report.end is not None:
        check_number(report.end, "end")
    if report.error is not None and report.error.index is not None:
        check_number(report.error.index, "error.index")
    if report.upto < begin:
        message = f"upto {shown(report.upto)} is lower than {shown(begin)}, from where it counts."
        raise InvalidField(message, field="upto")
    if len(report.ranges) > RANGES_MAX:
        raise InvalidField(f"A report carries {RANGES_MAX:,} ranges at most.", field="ranges", hint="Merge siblings.")
    if len(report.failed) > RANGES_MAX:
        message = f"A report carries {RANGES_MAX:,} failed indices at most."
        raise InvalidField(message, field="failed", hint="Send several reports.")
    for start, stop in report.ranges:
        check_range(start, stop, "ranges")
    return _less_failed(IntervalSet([(begin, report.upto), *report.ranges]), report)


def told_in_order(report: Report, cursor: int) -> IntervalSet:
    """Give what of S makes no hole at the cursor, where its rest begins: S without the ranges."""
    begin = begin_of(report)
    return _less_failed(IntervalSet([(begin, report.upto)] if begin <= cursor else ()), report)


def _less_failed(told: IntervalSet, report: Report) -> IntervalSet:
    for index, _ in report.failed:
        told.remove(index, index + 1)
    return told


def check_outcomes(told: IntervalSet, outcomes: Outcomes | None) -> None:
    """Refuse results outside S, and an index twice. Raises InvalidField."""
    if outcomes is None:
        return
    behind = None
    for start, stop in outcomes.ranges:
        if stop <= start or (behind is not None and start < behind):
            message = f"There are two results for an index, or they are out of order at {shown(start)}."
            raise InvalidField(message, field="results")
        if not told.covers(start, stop):
            message = f"There is a result in {shown(start)}..{shown(stop - 1)} that the report does not say is done."
            raise InvalidField(message, field="results")
        behind = stop
    if outcomes.failed:
        _check_failed_outcomes(outcomes)


def _check_failed_outcomes(outcomes: Outcomes) -> None:
    given = IntervalSet(outcomes.ranges)
    before = None
    for index in outcomes.failed:
        if index not in given or (before is not None and index <= before):
            message = f"Index {shown(index)} is said to be not ok twice, or without a result."
            raise InvalidField(message, field="results")
        before = index


def kept_of(outcomes: Outcomes | None, recorded: IntervalSet) -> Kept:
    """Give what of a report's results counts: those of what is recorded."""
    if outcomes is None:
        return Kept()
    if all(recorded.covers(start, stop) for start, stop in outcomes.ranges):
        return Kept(None, _length(outcomes.ranges), len(outcomes.failed))
    ranges = tuple(part for start, stop in outcomes.ranges for part in recorded.within(start, stop))
    return Kept(ranges, _length(ranges), sum(index in recorded for index in outcomes.failed))


def _length(ranges: tuple[Range, ...]) -> int:
    return sum(stop - start for start, stop in ranges)
