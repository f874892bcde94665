"""`check_invariants`: what is true of every ledger at every moment; tests and `teamtask verify` ask it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from teamtask.ledger.big_numbers import shown
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.list_state import FINISHED, ListState
from teamtask.ledger.rules import ERROR_BYTES_MAX, HOLES_MAX, MEMORIES_MAX, NUMBER_END, WORKERS_KEPT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamtask.ledger.events import Range
    from teamtask.ledger.ledger import Lease, Ledger


def check_invariants(ledger: Ledger) -> None:
    """Raise AssertionError, with a sentence that says what is wrong, unless the ledger is sound.

    Takes time and memory in proportion to the pieces of the list, not to its items.
    """
    for lease in ledger.leases.values():
        _check_lease(ledger, lease)
    _check_interval_set(ledger.done, "done")
    _check_returned(ledger)
    _check_parked(ledger)
    _check_partition(ledger)
    _check_sizes(ledger)
    _check_memories_and_requests(ledger)
    _check_workers(ledger)
    _check_state(ledger)


def _check_interval_set(ranges: IntervalSet, what: str) -> None:
    _check(len(ranges.starts) == len(ranges.stops), f"the ranges of {what} have as many starts as stops")
    _check(all(start < stop for start, stop in ranges), f"no range of {what} is empty")
    apart = all(stop < start for (_, stop), (start, _) in pairwise(ranges))
    _check(apart, f"the ranges of {what} are in order and do not touch: siblings are one")
    size = sum(stop - start for start, stop in ranges)
    _check(ranges.size == size, f"the size of {what} is the sum of its ranges")


def _check_lease(ledger: Ledger, lease: Lease) -> None:
    _check_interval_set(lease.rest, f"the rest of lease {lease.id}")
    _check(lease.rest.size > 0, f"lease {lease.id} has something left to do")
    within = lease.start <= lease.rest.starts[0] and lease.rest.stops[-1] <= lease.stop
    _check(within, f"the rest of lease {lease.id} lies in its range")
    _check(len(lease.rest) - 1 <= HOLES_MAX, f"lease {lease.id} has {HOLES_MAX:,} holes at most")
    _check(lease.block_size >= 1, f"the blocks of lease {lease.id} are not empty")
    _check(ledger.leases.get(lease.id) is lease, f"lease {lease.id} is found under its id")
    _check(lease.expires >= ledger.next_expiry, f"lease {lease.id} does not expire before it is looked for")
    _check(ledger.workers.by_key.get(lease.key) is lease.worker, f"the worker of lease {lease.id} is known")
    _check(len(lease.failed_by) <= 2, f"lease {lease.id} knows the last two workers who failed")  # noqa: PLR2004 - two


def _check_returned(ledger: Ledger) -> None:
    pieces = ledger.returned.pieces
    _check(all(piece.start < piece.stop for piece in pieces), "no returned piece is empty")
    for left, right in pairwise(pieces):
        _check(left.stop <= right.start, "returned pieces are in order and do not overlap")
        plain = not left.failures and not right.failures
        few = len(left.memories) + len(right.memories) <= MEMORIES_MAX
        merged = left.stop < right.start or not plain or not few
        _check(merged, f"returned pieces without failures are one where they touch, at {shown(right.start)}")
    _check(ledger.returned.size == sum(piece.stop - piece.start for piece in pieces), "the size of what is returned")
    _check(all(len(piece.memories) <= MEMORIES_MAX for piece in pieces), "a piece remembers a bounded number of leases")
    _check(all(bool(piece.failed_by) == (piece.failures > 0) for piece in pieces), "a failure is some worker's")


def _check_parked(ledger: Ledger) -> None:
    for index, parked in ledger.parked.items():
        _check(len(parked.error.encode()) <= ERROR_BYTES_MAX, f"the error of index {shown(index)} is short")
        _check(parked.failures > 0, f"index {shown(index)} has failed")


def _check_partition(ledger: Ledger) -> None:
    """Every index below the frontier is in exactly one state, and none above."""
    _check(ledger.start <= ledger.frontier <= ledger.end < NUMBER_END, "the frontier lies in the list")
    whole = IntervalSet()
    total = 0
    for ranges in _all_ranges(ledger):
        for start, stop in ranges:
            whole.add(start, stop)
            total += stop - start
    _check(whole.size == total, "no index is in two states")
    covered = IntervalSet([(ledger.start, ledger.frontier)])
    _check(whole == covered, "what was handed out is done, leased, returned or parked, and nothing else is")


def _all_ranges(ledger: Ledger) -> Iterable[Iterable[Range]]:
    yield ledger.done
    for lease in ledger.leases.values():
        yield lease.rest
    yield ((piece.start, piece.stop) for piece in ledger.returned)
    yield ((index, index + 1) for index in sorted(ledger.parked))


def _check_sizes(ledger: Ledger) -> None:
    holes = sum(len(lease.rest) - 1 for lease in ledger.leases.values())
    _check(ledger.holes == holes, "the holes in rests are counted")
    _check(len(ledger.done) <= ledger.pieces + 1, "the state is as large as the work in flight")
    _check(0 <= ledger.failed <= ledger.results <= ledger.seq, "failed outcomes are results, results are numbered")
    _check(ledger.results <= ledger.done.size, "an index has one result at most")
    _check(ledger.fold is None or ledger.rules.fold is not None, "only a list with a fold has the value of one")
    _check(ledger.fold is None or ledger.done.size > 0, "the fold is of what is done")


def _check_memories_and_requests(ledger: Ledger) -> None:
    remembered: dict[str, int] = {}
    for memories in [
        *(piece.memories for piece in ledger.returned),
        *(lease.memories for lease in ledger.leases.values()),
    ]:
        for memory in memories:
            remembered[memory.lease] = remembered.get(memory.lease, 0) + 1
    _check(ledger.remembered == remembered, "nothing is kept about an ended lease but by its pieces")
    requests = {
        (lease.key.principal, lease.key.worker, lease.request): lease.id
        for lease in ledger.leases.values()
        if lease.request is not None
    }
    _check(ledger.requests == requests, "a claim is known by its request as long as its lease lives")


def _check_workers(ledger: Ledger) -> None:
    workers = ledger.workers
    leases, activity = Counter[str](), Counter[str]()
    for key, worker in workers.by_key.items():
        _check(worker.key == key, f"worker {key.worker!r} is found under its key")
        leases[key.principal] += worker.leases
        activity[key.principal] += worker.active
        _check(
            workers.by_principal.get(key.principal) is worker.totals, f"worker {key.worker!r} counts for its principal"
        )
        held = sum(lease.worker is worker for lease in ledger.leases.values()) if worker.leases else 0
        _check(worker.leases == held, f"the leases of worker {key.worker!r} are counted")
        _check(worker.active or not worker.leases, f"worker {key.worker!r} is active while it holds a lease")
    _check(sum(worker.leases for worker in workers.by_key.values()) == len(ledger.leases), "every lease has its worker")
    for principal, totals in workers.by_principal.items():
        right = (totals.leases, totals.active) == (leases[principal], activity[principal])
        _check(right, "what the workers of a principal hold is counted")
    active = [worker for worker in workers.by_key.values() if worker.active]
    _check(workers.active == len(active), "the active workers are counted")
    _check(workers.speeds == sum(worker.speed > 0 for worker in active), "the known speeds are counted")
    idle = len(workers.by_key) - len(active)
    _check(idle <= WORKERS_KEPT, f"{WORKERS_KEPT:,} workers that are no longer active are remembered")


def _check_state(ledger: Ledger) -> None:
    empty = ledger.frontier == ledger.end and not ledger.leases and not ledger.returned.pieces
    if ledger.state in FINISHED:
        _check(empty, f"a list that is {ledger.state} has nothing left to do")
        with_parked = ListState.COMPLETE_EXCEPT if ledger.parked else ListState.COMPLETE
        _check(
            ledger.state is with_parked, "a list is complete when all is done, and complete_except when some is parked"
        )


def _check(true: object, what: str) -> None:
    if not true:
        raise AssertionError(f"This should hold: {what}.")
