"""Deciding a late report: its lease has ended, but returned pieces and other leases may remember it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teamtask.ledger.commands import ReportReply
from teamtask.ledger.errors import TooMany
from teamtask.ledger.events import Ended, RecordedLate
from teamtask.ledger.folds import check_merged_fold
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.lease_state import Cause
from teamtask.ledger.report_sets import begin_of, kept_of
from teamtask.ledger.rules import HOLES_MAX, PIECES_MAX

if TYPE_CHECKING:
    from teamtask.ledger.commands import Report
    from teamtask.ledger.events import Event, WorkerKey
    from teamtask.ledger.ledger import Ledger


def decide_late_report(
    ledger: Ledger, key: WorkerKey, report: Report, told: IntervalSet, now: float
) -> tuple[list[Event], ReportReply]:
    """Record what is told and still remembers the lease: the first to finish wins. Raises InvalidField, TooMany.

    What is not this principal's is answered like a lease that there never was.
    """
    recorded = _remembering(ledger, key, report.lease, told)
    if not recorded.size:
        known = told.size > 0 and ledger.done.covers_all(told)
        return [], ReportReply(report.lease, "already_done" if known else "stale")
    fold = report.fold
    if ledger.rules.fold is not None:
        if fold is None:
            return [], ReportReply(report.lease, "stale")
        if recorded != told:
            return [], ReportReply(report.lease, "cut", rest=tuple(recorded))
    check_merged_fold(ledger.rules.fold, ledger.fold, fold)
    if _too_many_pieces(ledger, recorded):
        recorded = recorded.intersection(IntervalSet([(begin_of(report), report.upto)]))  # its ranges are ignored
        if fold is not None or not recorded.size or _too_many_pieces(ledger, recorded):
            raise TooMany("The list is in too many pieces to record a part here.", hint="It will be worked again.")
    kept = kept_of(report.outcomes, recorded)
    events: list[Event] = [
        RecordedLate(report.lease, key, tuple(recorded), now, kept.results, kept.failed, fold),
        *(
            Ended(lease.id, Cause.COMPLETE)
            for lease in ledger.leases.values()
            if lease.memories and recorded.covers_all(lease.rest)
        ),
    ]
    return events, ReportReply(report.lease, "done", recorded=kept.ranges, seq=ledger.seq if kept.results else 0)


def _remembering(ledger: Ledger, key: WorkerKey, lease_id: str, told: IntervalSet) -> IntervalSet:
    """Give what of `told` returned pieces and other leases remember to have been this principal's lease."""
    found = IntervalSet()
    if lease_id not in ledger.remembered or not told.size:
        return found
    for piece in ledger.returned.touching(told.starts[0], told.stops[-1]):
        for memory in piece.memories:
            if memory.lease == lease_id and memory.key.principal == key.principal:
                found.add(max(piece.start, memory.start), min(piece.stop, memory.stop))
    for lease in ledger.leases.values():
        for memory in lease.memories:
            if memory.lease == lease_id and memory.key.principal == key.principal:
                for start, stop in lease.rest.within(memory.start, memory.stop):
                    found.add(start, stop)
    return found.intersection(told)


def _too_many_pieces(ledger: Ledger, recorded: IntervalSet) -> bool:
    """Tell whether recording this would cut the list, or a lease, into more pieces than there may be."""
    ranges = len(recorded)
    if ledger.pieces + ranges <= PIECES_MAX and ledger.holes + ranges <= HOLES_MAX:
        return False
    pieces = ledger.pieces
    for piece in ledger.returned.touching(recorded.starts[0], recorded.stops[-1]):
        pieces += len(IntervalSet.of(piece.start, piece.stop).difference(recorded)) - 1
    for lease in ledger.leases.values():
        if lease.memories:
            before, after = len(lease.rest), len(lease.rest.difference(recorded))
            pieces += after - before
            if after > before and after - 1 > HOLES_MAX:
                return True
    return pieces > max(PIECES_MAX, ledger.pieces)
