"""How indices come back: with or without a failure, halved, or parked. `expire` and `take_back` end leases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teamtask.ledger.events import Ended, Parked, Piece, Returned
from teamtask.ledger.lease_state import Cause, ending
from teamtask.ledger.list_state import ListState
from teamtask.ledger.rules import ERROR_BYTES_MAX, PIECES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamtask.ledger.events import Event, Range, WorkerKey
    from teamtask.ledger.ledger import Lease, Ledger


def give_back(ledger: Ledger, lease: Lease, ranges: Iterable[Range], cause: Cause, error: str = "") -> list[Event]:
    """Bring parts of a lease's rest back as its table says."""
    rule = ending(cause)
    memories = lease.remembered() if rule.remembered else ()
    failures, failed_by = (lease.failures, lease.failed_by) if rule.keeps_failures else (0, ())
    if rule.counts_failure:
        failures, failed_by = failures + 1, _failed_by(lease)
    restarts = lease.restarts + 1
    # From the second failure on in halves, so the bad item is found; whole where the list is in too many pieces.
    halved = rule.counts_failure and failures > 1 and ledger.pieces < PIECES_MAX
    pieces: list[Piece] = []
    parked: list[Event] = []
    for start, stop in ranges:
        if stop - start == 1 and rule.counts_failure and failures >= ledger.rules.attempts:
            parked.append(Parked(lease.id, start, failures, shortened(error)))
        elif stop - start > 1 and halved:
            middle = start + (stop - start) // 2
            pieces.append(Piece(start, middle, failures, failed_by, restarts, memories))
            pieces.append(Piece(middle, stop, failures, failed_by, restarts, memories))
        else:
            pieces.append(Piece(start, stop, failures, failed_by, restarts, memories))
    return [*parked, Returned(lease.id, tuple(pieces))] if pieces else parked


def give_back_index(ledger: Ledger, lease: Lease, index: int, error: str) -> Event:
    """Bring one index of a lease's rest back with a failure of its own; no lease is remembered for it."""
    failures = lease.failures + 1
    if failures >= ledger.rules.attempts:
        return Parked(lease.id, index, failures, shortened(error))
    return Returned(lease.id, (Piece(index, index + 1, failures, _failed_by(lease), lease.restarts + 1),))


def expire(ledger: Ledger, now: float) -> list[Event]:
    """End the leases whose time is over; of one worker's that expire together only the oldest may count a failure."""
    due = [lease for lease in ledger.leases.values() if lease.expires <= now]
    oldest: dict[WorkerKey, Lease] = {}
    for lease in due:
        other = oldest.get(lease.key)
        if other is None or lease.granted_at < other.granted_at:
            oldest[lease.key] = lease
    events: list[Event] = []
    for lease in due:
        to_blame = ledger.state is ListState.RUNNING and oldest[lease.key] is lease and not lease.got_on
        cause = Cause.EXPIRE_IDLE if to_blame else Cause.EXPIRE
        events += give_back(ledger, lease, lease.rest, cause, "The worker was not heard of again.")
        events.append(Ended(lease.id, cause))
    return events


def take_back(ledger: Ledger, leases: Iterable[str]) -> list[Event]:
    """End these leases without a failure; those that are over already are passed by."""
    events: list[Event] = []
    for lease_id in dict.fromkeys(leases):
        lease = ledger.leases.get(lease_id)
        if lease is not None:
            events += give_back(ledger, lease, lease.rest, Cause.TAKE_BACK)
            events.append(Ended(lease_id, Cause.TAKE_BACK))
    return events


def shortened(error: str) -> str:
    """Cut an error text to what is kept of it: 1 KiB of UTF-8, without what UTF-8 cannot say."""
    return error.encode("utf-8", "replace")[:ERROR_BYTES_MAX].decode("utf-8", "ignore")


def _failed_by(lease: Lease) -> tuple[WorkerKey, ...]:
    """Give the last two workers who failed, with the one who holds the lease."""
    return (*(other for other in lease.failed_by if other != lease.key), lease.key)[-2:]
