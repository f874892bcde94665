"""Deciding a report: a set operation on the rest of its lease, or, when that has ended, on what remembers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from teamtask.ledger.big_numbers import shown
from teamtask.ledger.block_size import speed_after
from teamtask.ledger.commands import ReportReply
from teamtask.ledger.errors import InvalidField, TeamtaskError, TooMany
from teamtask.ledger.events import Completed, Cut, Ended, Extended, Parked, Recorded, Returned
from teamtask.ledger.folds import check_fold, check_merged_fold
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.late_reports import decide_late_report
from teamtask.ledger.lease_state import Cause, ending
from teamtask.ledger.list_state import EXTENDING
from teamtask.ledger.report_sets import check_outcomes, kept_of, told_by, told_in_order
from teamtask.ledger.returning import give_back, give_back_index
from teamtask.ledger.rules import HOLES_MAX, PIECES_MAX

if TYPE_CHECKING:
    from teamtask.ledger.commands import Failure, Report
    from teamtask.ledger.events import Event, WorkerKey
    from teamtask.ledger.ledger import Lease, Ledger
    from teamtask.ledger.workers import Worker

Decided = tuple[list["Event"], ReportReply]


def decide_report(ledger: Ledger, key: WorkerKey, report: Report, now: float, pace: Pace | None = None) -> Decided:
    """Decide one report; an error in it is its own and changes nothing."""
    lease = ledger.leases.get(report.lease)
    if lease is not None and lease.key != key and lease.key.principal != key.principal:
        lease = None  # another's: nothing recorded and nothing learnt
    if lease is not None and lease.part is None:
        plain = _plain_completion(ledger, lease, report, now, pace)
        if plain is not None:
            return plain
    try:
        told = told_by(report)
        check_outcomes(told, report.outcomes)
        check_fold(ledger.rules.fold, report.fold)
        if lease is None:
            return decide_late_report(ledger, key, report, told, now)
        return _live(ledger, lease, report, told, now, pace)
    except TeamtaskError as error:
        return [], ReportReply(report.lease, "error", error=error.with_traceback(None))


class Pace:
    """What the reports of one exchange come to together: one sample of their worker's speed."""

    __slots__ = ("granted_at", "progressed_at", "recorded", "speed", "worker")

    def __init__(self, worker: Worker | None) -> None:
        """Begin with the worker as it is before the first of them."""
        self.worker = worker
        self.speed, self.progressed_at = (worker.speed, worker.progressed_at) if worker is not None else (0.0, 0.0)
        self.recorded = 0
        self.granted_at = float("inf")

    def after(self, lease: Lease, recorded: int, now: float) -> float:
        """Give the speed of the lease's worker after it recorded so much more."""
        if lease.worker is not self.worker:
            return _speed(lease, recorded, now)
        self.recorded += recorded
        self.granted_at = min(self.granted_at, lease.granted_at)
        return speed_after(self.speed, self.recorded, now - max(self.granted_at, self.progressed_at))


def _speed(lease: Lease, recorded: int, now: float) -> float:
    return speed_after(lease.worker.speed, recorded, now - max(lease.granted_at, lease.worker.progressed_at))


def _plain_completion(ledger: Ledger, lease: Lease, report: Report, now: float, pace: Pace | None) -> Decided | None:
    """Decide the usual report: all of a lease at once, with all its results or none. None if it is another."""
    start, stop, outcomes = lease.start, lease.stop, report.outcomes
    if not (
        report.upto == stop
        and report.index == start
        and report.begin is None
        and not report.ranges
        and not report.failed
        and report.error is None
        and report.end is None
        and report.fold is None
        and ledger.rules.fold is None
        and (outcomes is None or (outcomes.ranges == ((start, stop),) and not outcomes.failed))
    ):
        return None
    size = stop - start
    if pace is None:
        since, worker = lease.granted_at, lease.worker
        if since < worker.progressed_at:  # noqa: PLR1730 - max() takes three times as long
            since = worker.progressed_at
        speed = speed_after(worker.speed, size, now - since)
    else:
        speed = pace.after(lease, size, now)
    if outcomes is None:
        return [Completed(lease.id, now, speed)], ReportReply(lease.id, "done", stop, stop)
    reply = ReportReply(lease.id, "done", stop, stop, recorded=None, seq=ledger.seq)
    return [Completed(lease.id, now, speed, size)], reply


class _Plan(NamedTuple):
    """What becomes of a lease once something of it is recorded."""

    cause: Cause
    events: list[Event]  # what comes back, and the end of the lease
    cursor: int  # the first index that is not done, or the end
    end: int
    left: IntervalSet  # of a lease that goes on


def _live(ledger: Ledger, lease: Lease, report: Report, told: IntervalSet, now: float, pace: Pace | None) -> Decided:
    _check_against_lease(lease, report)
    rest, fold = lease.rest, report.fold
    recorded = told.intersection(rest)
    known = told.size > 0 and not recorded.size and ledger.done.covers_all(told)
    if ledger.rules.fold is not None:
        if fold is None or known:  # without a fold nothing is recorded, and what is known is folded already
            recorded, fold = IntervalSet(), None
        elif recorded != told:
            return [], ReportReply(lease.id, "cut", rest=tuple(rest))
    plan = _plan(ledger, lease, report, recorded)
    if _too_many_pieces(ledger, lease, plan):
        if fold is not None:
            return [], ReportReply(lease.id, "cut", rest=tuple(rest))
        recorded = recorded.intersection(told_in_order(report, rest.starts[0]))  # its ranges are ignored
        plan = _plan(ledger, lease, report, recorded)
        if _too_many_pieces(ledger, lease, plan):
            raise TooMany(
                "The list is in too many pieces to take this one apart.", hint="Release it, or end it as a whole."
            )
    check_merged_fold(ledger.rules.fold, ledger.fold, fold)
    kept = kept_of(report.outcomes, recorded)
    events = plan.events
    expires = _expires(ledger, lease, now, got_on=recorded.size > 0)
    if recorded.size:
        speed = _speed(lease, recorded.size, now) if pace is None else pace.after(lease, recorded.size, now)
        if recorded.size == rest.size:
            events = [Completed(lease.id, now, speed, kept.results, kept.failed, fold)]
        else:
            part = Recorded(lease.id, tuple(recorded), now, expires, speed, kept.results, kept.failed, fold)
            events = [part, *events]
    elif plan.left.size and expires > lease.expires:
        events = [*events, Extended(lease.id, expires)]
    status = "already_done" if known and plan.left.size else str(ending(plan.cause).state)
    return events, ReportReply(
        lease.id, status, plan.cursor, plan.end, expires if plan.left.size else None,
        recorded=kept.ranges, seq=ledger.seq if kept.results else 0,
    )  # fmt: skip


def _plan(ledger: Ledger, lease: Lease, report: Report, recorded: IntervalSet) -> _Plan:
    left = lease.rest.difference(recorded)
    events: list[Event] = []
    for index, message in report.failed:
        if index in left:
            events.append(give_back_index(ledger, lease, index, message))
            left.remove(index, index + 1)
    cursor = left.starts[0] if left.size else lease.stop
    cause, end = Cause.PROGRESS, lease.stop
    if not left.size:
        cause = Cause.COMPLETE
    elif report.error is not None:
        cause, given_back = _give_up(ledger, lease, report.error, left)
        events += given_back
    elif report.release:
        cause = Cause.RELEASE
        events += give_back(ledger, lease, left, cause)
    elif report.end is not None and report.end < end:
        end = report.end
        events += [*give_back(ledger, lease, left.within(end, lease.stop), Cause.RELEASE), Cut(lease.id, end)]
        left.remove(end, lease.stop)
        cause, cursor = (cause, cursor) if left.size else (Cause.COMPLETE, end)
    if cause is not Cause.PROGRESS:
        events.append(Ended(lease.id, cause))
        left = IntervalSet()
    return _Plan(cause, events, cursor, end, left)


def _give_up(ledger: Ledger, lease: Lease, error: Failure, left: IntervalSet) -> tuple[Cause, list[Event]]:
    """Decide an `error`: all that is left comes back with a failure, or only the index that is to blame."""
    if error.index is None:
        return Cause.ERROR, give_back(ledger, lease, left, Cause.ERROR, error.message)
    events: list[Event] = []
    if error.index in left:
        events.append(give_back_index(ledger, lease, error.index, error.message))
        left.remove(error.index, error.index + 1)
    return Cause.ERROR_AT, events + give_back(ledger, lease, left, Cause.ERROR_AT)


def _too_many_pieces(ledger: Ledger, lease: Lease, plan: _Plan) -> bool:
    """Tell whether a plan would cut the lease, or the list, into more pieces than there may be."""
    before, after = len(lease.rest), len(plan.left)
    if after > before and after - 1 > HOLES_MAX:
        return True
    for event in plan.events:
        if type(event) is Returned:
            after += len(event.pieces)
        elif type(event) is Parked:
            after += 1
    return after > before and ledger.pieces - before + after > PIECES_MAX


def _check_against_lease(lease: Lease, report: Report) -> None:
    if report.index != lease.start:
        message = f"The lease begins at index {shown(lease.start)}, not at {shown(report.index)}."
        raise InvalidField(message, field="index")
    if report.end is not None and report.end < lease.start:
        message = f"The end {shown(report.end)} lies before the lease, which begins at {shown(lease.start)}."
        raise InvalidField(message, field="end")
    at = report.error.index if report.error is not None else None
    if at is not None and not lease.start <= at < lease.stop:
        raise InvalidField(f"The index {shown(at)} is not one of the lease.", field="error.index")


def _expires(ledger: Ledger, lease: Lease, now: float, *, got_on: bool) -> float:
    if ledger.state not in EXTENDING:
        return lease.expires
    expires = now + ledger.rules.lease_seconds
    item_seconds = ledger.rules.item_seconds
    if item_seconds is not None and not got_on:
        expires = min(expires, lease.progressed_at + item_seconds)
    return max(expires, lease.expires)
