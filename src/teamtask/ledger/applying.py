"""`apply`: an event made true; it never decides, so that a journal leads to the same state whenever it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from teamtask.ledger import events as e
from teamtask.ledger.folds import merge_folds
from teamtask.ledger.lease import Lease, ParkedIndex

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.ledger.events import Event
    from teamtask.ledger.ledger import Ledger


def apply(ledger: Ledger, event: Event) -> None:
    """Change the ledger as an event says that somebody else has decided; it tells when they looked, too."""
    APPLY[type(event)](ledger, event)
    ledger.looked_at = getattr(event, "at", ledger.looked_at)


def _granted(ledger: Ledger, event: e.Granted) -> None:
    lease_id, request = event.lease, event.request
    start, stop, at, key, expires = event.start, event.stop, event.at, event.key, event.expires
    worker = ledger.workers.by_key.get(key)
    if worker is None or not worker.active:
        worker = ledger.workers.seen(key, at)
    worker.claimed_at = at
    worker.wanted = event.wanted
    worker.leases += 1
    worker.totals.leases += 1
    lease = Lease(lease_id, event.name, key, worker, request, start, stop, event.block_size, at, at, expires)
    if event.returned:
        piece = ledger.take_returned(start, stop)[0]
        lease.failures, lease.failed_by, lease.restarts = piece.failures, piece.failed_by, piece.restarts
        lease.memories = piece.memories
        ledger.remember(lease.memories, 1)
    else:
        ledger.frontier, ledger.reason = stop, None  # it may have stood still for a reason
    ledger.leases[lease_id] = lease
    if request is not None:
        ledger.requests[key.principal, key.worker, request] = lease_id
    if expires < ledger.next_expiry:  # noqa: PLR1730 - min() takes three times as long
        ledger.next_expiry = expires
    if ledger.rules.limits.items_per_second is not None:
        ledger.tokens = ledger.tokens_now(at) - (stop - start)
        ledger.tokens_at = at


def _completed(ledger: Ledger, event: e.Completed) -> None:
    lease = ledger.leases.pop(event.lease)
    part = lease.part
    if part is None:
        start, stop = lease.start, lease.stop
        recorded = stop - start
        ledger.done.add(start, stop)
    else:
        recorded = part.size
        ledger.holes -= len(part) - 1
        for start, stop in part:
            ledger.done.add(start, stop)
    if event.results or event.fold is not None:
        _count(ledger, event)
    worker, workers, speed = lease.worker, ledger.workers, event.speed
    worker.done += recorded
    worker.leases -= 1
    worker.totals.leases -= 1
    if not worker.speed:
        workers.speeds += 1
    workers.speed += speed - worker.speed
    worker.speed = speed
    worker.progressed_at = event.at
    if lease.memories:
        ledger.remember(lease.memories, -1)
    if lease.request is not None:
        del ledger.requests[lease.key.principal, lease.key.worker, lease.request]


def _recorded(ledger: Ledger, event: e.Recorded) -> None:
    lease = ledger.leases[event.lease]
    before = lease.rest.size
    for start, stop in event.ranges:
        ledger.take_from_rest(lease, start, stop)
        ledger.done.add(start, stop)
    lease.got_on, lease.progressed_at, lease.expires = True, event.at, event.expires
    ledger.next_expiry = min(ledger.next_expiry, event.expires)
    _get_on(ledger, lease, before - lease.rest.size, event)
    _count(ledger, event)


def _recorded_late(ledger: Ledger, event: e.RecordedLate) -> None:
    recorded = 0
    for start, stop in event.ranges:
        ledger.take_returned(start, stop)
        ledger.done.add(start, stop)
        recorded += stop - start
        for lease in ledger.leases.values():
            if lease.memories:
                ledger.take_from_rest(lease, start, stop)
    worker = ledger.workers.by_key.get(event.key)
    if worker is not None:
        worker.done += recorded
        worker.failed += event.failed
    _count(ledger, event)


def _count(ledger: Ledger, event: e.Completed | e.Recorded | e.RecordedLate) -> None:
    ledger.results += event.results
    ledger.seq += event.results
    ledger.failed += event.failed
    if event.fold is not None:
        ledger.fold = merge_folds(ledger.rules.fold, ledger.fold, event.fold)


def _get_on(ledger: Ledger, lease: Lease, recorded: int, event: e.Completed | e.Recorded) -> None:
    worker, speed = lease.worker, event.speed
    worker.done += recorded
    worker.failed += event.failed
    worker.progressed_at = event.at
    workers = ledger.workers  # their sums are of the active ones, as everybody is who holds a lease
    if not worker.speed:
        workers.speeds += 1
    workers.speed += speed - worker.speed
    worker.speed = speed


def _forget(ledger: Ledger, lease: Lease) -> None:
    worker = lease.worker
    worker.leases -= 1
    worker.totals.leases -= 1
    if lease.memories:
        ledger.remember(lease.memories, -1)
    if lease.request is not None:
        del ledger.requests[lease.key.principal, lease.key.worker, lease.request]


def _extended(ledger: Ledger, event: e.Extended) -> None:
    ledger.leases[event.lease].expires = event.expires
    ledger.next_expiry = min(ledger.next_expiry, event.expires)


def _returned(ledger: Ledger, event: e.Returned) -> None:
    lease = ledger.leases[event.lease]
    for piece in event.pieces:
        ledger.take_from_rest(lease, piece.start, piece.stop)
        ledger.give_back(piece)


def _parked(ledger: Ledger, event: e.Parked) -> None:
    ledger.take_from_rest(ledger.leases[event.lease], event.index, event.index + 1)
    ledger.parked[event.index] = ParkedIndex(event.failures, event.error)


def _ended(ledger: Ledger, event: e.Ended) -> None:
    lease = ledger.leases.pop(event.lease)
    assert not lease.rest.size, "what was left of a lease comes back before it ends"
    _forget(ledger, lease)


def _cut(ledger: Ledger, event: e.Cut) -> None:
    ledger.leases[event.lease].stop = event.stop


def _leases_renewed(ledger: Ledger, event: e.LeasesRenewed) -> None:
    at, length = event.at, ledger.rules.lease_seconds
    for lease in ledger.leases.values():
        lease.expires = at + length
    ledger.next_expiry = at + length if ledger.leases else float("inf")
    if event.anew:
        _begin_clock(ledger, at)
    ledger.epoch = event.epoch


def _begin_clock(ledger: Ledger, at: float) -> None:
    """Translate every time of an old clock: one lease length ago, so that speeds come out too low, not absurd."""
    before = at - ledger.rules.lease_seconds
    for lease in ledger.leases.values():
        lease.granted_at = lease.progressed_at = before
    workers = ledger.workers
    for worker in workers.by_key.values():
        worker.first_seen_at = worker.claimed_at = worker.progressed_at = before
    workers.refreshed_at = ledger.tokens_at = at


def _worker_seen(ledger: Ledger, event: e.WorkerSeen) -> None:
    ledger.workers.seen(event.key, event.at)


def _workers_refreshed(ledger: Ledger, event: e.WorkersRefreshed) -> None:
    ledger.workers.refresh(event.at, ledger.rules.lease_seconds)


def _moved(ledger: Ledger, event: e.Moved) -> None:
    ledger.state = event.state
    ledger.reason = event.reason
    ledger.moved_at = event.date


def _rules_changed(ledger: Ledger, event: e.RulesChanged) -> None:
    if event.rules.block != ledger.rules.block:
        for worker in ledger.workers.by_key.values():
            worker.wanted = 0  # the next size grows from its speed, not from another rule's sizes
    ledger.rules = event.rules


def _grown(ledger: Ledger, event: e.Grown) -> None:
    ledger.end = ledger.start + event.size


def _unparked(ledger: Ledger, event: e.Unparked) -> None:
    for start, stop in event.ranges:
        for index in range(start, stop):
            del ledger.parked[index]
        ledger.give_back(e.Piece(start, stop))


def _rerun(ledger: Ledger, event: e.Rerun) -> None:
    for start, stop in event.ranges:
        ledger.done.remove(start, stop)
        ledger.give_back(e.Piece(start, stop))
    ledger.results -= event.results
    ledger.failed -= event.failed
    ledger.fold = None  # a list with a fold is rerun whole


APPLY: dict[type, Callable[[Ledger, Any], None]] = {
    e.Granted: _granted,
    e.Completed: _completed,
    e.Recorded: _recorded,
    e.RecordedLate: _recorded_late,
    e.Extended: _extended,
    e.Returned: _returned,
    e.Parked: _parked,
    e.Ended: _ended,
    e.Cut: _cut,
    e.LeasesRenewed: _leases_renewed,
    e.WorkerSeen: _worker_seen,
    e.WorkersRefreshed: _workers_refreshed,
    e.Moved: _moved,
    e.RulesChanged: _rules_changed,
    e.Grown: _grown,
    e.Unparked: _unparked,
    e.Rerun: _rerun,
}
