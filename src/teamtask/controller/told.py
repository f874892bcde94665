"""`report_of`: what a holder wrote into its Block, as a report to the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from teamtask.ledger.commands import Failure, Report
from teamtask.ledger.errors import TeamtaskError
from teamtask.ledger.rules import RANGES_MAX
from teamtask.wire.interval_text import parse_intervals

if TYPE_CHECKING:
    from teamtask.kube import objects as o
    from teamtask.ledger.events import Range
    from teamtask.ledger.lease import Lease

UNREADABLE = "UnreadableReport"


class Told(NamedTuple):
    """The report, if there is one for the present assignment, or why it cannot be taken."""

    report: Report | None
    wrong: str = ""


def report_of(block: o.Block, lease: Lease | None, *, in_order: bool = False) -> Told:
    """Give the report on a block's present assignment; `lease` is None when it has ended, so that it comes late.

    With `in_order` only what is done without a gap from the beginning is taken.
    """
    said, status = block.spec.report, block.status
    if said is None or said.sequence != status.sequence or not status.assignments:
        return Told(None)
    start = status.assignments[0].index
    stop = status.assignments[-1].index + status.assignments[-1].size
    lease_id = lease.id if lease is not None else f"{block.metadata.uid}/{status.sequence}"
    if said.state == "Completed":
        return Told(Report(lease_id, start, stop))
    wrong = ""
    done: tuple[Range, ...] = ()
    try:
        done = tuple(parse_intervals(said.done, start, stop)) if said.done else ()
    except TeamtaskError:
        wrong = UNREADABLE  # of an assignment before, it may be: the rest of the report holds
    if len(done) > RANGES_MAX:
        wrong, done = UNREADABLE, ()
    if in_order:
        first = lease.rest.starts[0] if lease is not None else start
        done = tuple(one for one in done if one[0] <= first)
    match said.state:
        case "Failed":
            at = said.failed_at if said.failed_at is not None and start <= said.failed_at < stop else None
            failure = Failure(said.message or "The holder gave no reason.", at)
            return Told(Report(lease_id, start, start, ranges=done, error=failure), wrong)
        case "Released":
            return Told(Report(lease_id, start, start, ranges=done, release=True), wrong)
        case _:
            return Told(Report(lease_id, start, start, ranges=done), wrong)
