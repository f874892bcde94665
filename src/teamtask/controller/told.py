"""`report_of`: what a holder wrote into its Block, as a report to the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from teamtask.ledger.commands import Failure, Outcomes, Report
from teamtask.ledger.errors import TeamtaskError
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.rules import RANGES_MAX
from teamtask.wire.exchange_fields import fold_of
from teamtask.wire.interval_text import parse_intervals

if TYPE_CHECKING:
    from teamtask.kube import objects as o
    from teamtask.ledger.lease import Lease

UNREADABLE = "UnreadableReport"
_KEPT: Final = {"All": (True, False), "Failed": (False,), "None": ()}  # what `ok` says of results that are kept


class Told(NamedTuple):
    """The report, if there is one for the present assignment, or why it cannot be taken; results of what is done."""

    report: Report | None
    wrong: str = ""
    results: tuple[o.ReportedResult, ...] = ()


def is_reported(block: o.Block) -> bool:
    """Tell whether there is a report on the present assignment."""
    said, status = block.spec.report, block.status
    return said is not None and said.sequence == status.sequence and bool(status.assignments)


def is_ending(block: o.Block) -> bool:
    """Tell whether a block goes, or its report ends its assignment."""
    if block.metadata.deletion_timestamp is not None:
        return True
    return is_reported(block) and block.spec.report is not None and block.spec.report.state != "Working"


def report_of(
    block: o.Block, lease: Lease | None, *, in_order: bool = False, folds: bool = False, keep: str = "All"
) -> Told:
    """Give the report on a block's present assignment; `lease` is None when it has ended, so that it comes late.

    With `in_order` only what is done without a gap from the beginning is taken, unless all is. A list that `folds`
    takes what is done with the end of the assignment alone: the fold of a part cannot be taken out of that of the
    whole. Results are those that the list is to `keep`.
    """
    said, status = block.spec.report, block.status
    if said is None or not is_reported(block):
        return Told(None)
    start = status.assignments[0].index
    stop = status.assignments[-1].index + status.assignments[-1].size
    done, wrong = _done(said, start, stop)
    if in_order and said.state != "Completed":
        first = lease.rest.starts[0] if lease is not None else start
        done = IntervalSet(one for one in done if one[0] <= first)
    if folds and said.state == "Working":
        done = IntervalSet()
    results = tuple(one for one in said.results if one.index in done and one.ok in _KEPT[keep])
    failure, release = None, said.state == "Released"
    if said.state == "Failed":
        at = said.failed_at if said.failed_at is not None and start <= said.failed_at < stop else None
        failure = Failure(said.message or "The holder gave no reason.", at)
    report = Report(
        lease.id if lease is not None else f"{block.metadata.uid}/{status.sequence}", start, start,
        ranges=tuple(done), outcomes=_outcomes(results), error=failure, release=release,
        fold=fold_of(said.fold) if folds and done.size else None,
    )  # fmt: skip
    return Told(report, wrong, results)


def _done(said: o.Report, start: int, stop: int) -> tuple[IntervalSet, str]:
    """Give what is done of [start, stop), and what is wrong with what is said of it."""
    if said.state == "Completed":
        return IntervalSet.of(start, stop), ""
    try:
        done = parse_intervals(said.done, start, stop) if said.done else IntervalSet()
    except TeamtaskError:
        return IntervalSet(), UNREADABLE  # of an assignment before, it may be: the rest of the report holds
    return (done, "") if len(done) <= RANGES_MAX else (IntervalSet(), UNREADABLE)


def _outcomes(results: tuple[o.ReportedResult, ...]) -> Outcomes | None:
    if not results:
        return None
    indices = IntervalSet((one.index, one.index + 1) for one in results)
    return Outcomes(tuple(indices), tuple(sorted(one.index for one in results if not one.ok)))
