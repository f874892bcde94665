"""`restored_ledger`: the ledger of a list from what Kubernetes keeps of it, the Worklist and its Blocks."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from teamtask.controller.read_source import ReadSource
from teamtask.kube import objects as o
from teamtask.ledger.errors import InvalidField
from teamtask.ledger.events import Created, Piece, WorkerKey
from teamtask.ledger.folds import check_fold_rule
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.lease import Lease, ParkedIndex
from teamtask.ledger.ledger import Ledger
from teamtask.ledger.list_state import FINISHED, ListState
from teamtask.ledger.rules import BlockRule, Limits, Rules
from teamtask.sources.parse import source_from_definition
from teamtask.wire.dates import seconds_of
from teamtask.wire.exchange_fields import fold_of
from teamtask.wire.interval_text import parse_intervals

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamtask.sources.source import Source

SOMEBODY = WorkerKey("", "")  # who failed, as far as that is known to a new controller
EPOCH = "kubernetes"  # the clock is the machine's own date: another leader goes on with its own
_STATES = {
    "Complete": ListState.COMPLETE,
    "CompleteExcept": ListState.COMPLETE_EXCEPT,
    "Stopped": ListState.STOPPED,
    "Cancelled": ListState.CANCELLED,
    "Suspended": ListState.PAUSED,
}
ENDED = FINISHED | {ListState.STOPPED, ListState.CANCELLED}
PHASES = {state: phase for phase, state in _STATES.items()} | {ListState.RUNNING: "Running"}


class OtherSource(InvalidField):
    """The source and the first index of a list stay as they were, but that a range may grow."""

    hint = "What is done is known by its index. Put them back, and make another Worklist for other items."


def rules_of(spec: o.WorklistSpec) -> Rules:
    """Give the ledger's rules for a spec. A Block is a slot, so a worker has one lease. Raises InvalidField."""
    check_fold_rule(spec.fold)
    block = BlockRule(spec.block.size, spec.block.seconds or BlockRule().seconds, spec.block.max)
    limits = Limits(
        blocks_per_worker=1,
        blocks_per_principal=spec.blocks_per_holder,
        workers_per_principal=10 * o.BLOCKS_MAX,  # those that wait count too
        workers=10 * o.BLOCKS_MAX,
        items_per_second=spec.items_per_second,
        parked=spec.max_parked,
    )
    growable = spec.source.get("kind") == "range" and "shuffle" not in spec.source
    return Rules(
        block, spec.lease_seconds, limits, spec.attempts, fold=spec.fold, stop_after_results=spec.stop_after_results,
        growable=growable,
    )  # fmt: skip


def source_of(spec: o.WorklistSpec) -> Source[Any]:
    """Give the items. Raises InvalidSource for a source that is none."""
    return spec.source.source if isinstance(spec.source, ReadSource) else source_from_definition(spec.source)


def size_of(spec: o.WorklistSpec) -> int:
    """Count the items. Raises InvalidSource for a source that is none, InvalidField for indices past 2^53."""
    size = source_of(spec).size
    if spec.start_index + size > o.INDEX_MAX:
        message = "The list goes past index 2^53-1, the last one that a number in Kubernetes' JSON holds."
        raise InvalidField(message, field="source", hint="Serve it with `teamtask serve`, where indices are unbounded.")
    return size


def fingerprint_of(spec: o.WorklistSpec) -> str:
    """Give what stays the same as long as every index means the same item."""
    return f"{spec.start_index}:{source_of(spec).fingerprint}"


def check_same_items(status: o.WorklistStatus, spec: o.WorklistSpec) -> None:
    """See that every index means what it has meant to those who worked it. Raises OtherSource."""
    if status.fingerprint and (status.fingerprint != fingerprint_of(spec) or size_of(spec) < status.size):
        raise OtherSource


def lease_id(block: o.Block, sequence: int) -> str:
    """Name the lease of a block's assignment."""
    return f"{block.metadata.uid}/{sequence}"


def key_of(block: o.Block) -> WorkerKey:
    """Give who works: the holder is proven by the API server's policy, the block is its slot."""
    return WorkerKey(block.spec.holder, block.metadata.name)


def is_scattered(ledger: Ledger) -> bool:
    """Tell whether what is done lies in so many ranges that nothing new is to be handed out until some merge."""
    return len(ledger.done) > ranges_max(ledger)


def ranges_max(ledger: Ledger) -> int:
    """Give how many ranges the object of a list has room for."""
    return o.RANGES_CHARACTERS_MAX // (2 * len(str(ledger.end)) + 2)


def restored_ledger(worklist: o.Worklist, blocks: Iterable[o.Block], now: float) -> Ledger:
    """Give the ledger, as large as the list was known to be.

    Every lease has one whole length from `now`, for nobody may have looked for a while. What was handed out and is
    neither done, parked nor held by a block has come back. Raises a TeamtaskError for a spec that cannot be worked.
    """
    spec, status = worklist.spec, worklist.status
    check_same_items(status, spec)
    start, size = spec.start_index, status.size or size_of(spec)
    state = _STATES.get(status.phase, ListState.RUNNING)
    ledger = Ledger(Created(rules_of(spec), start, size, state, now, EPOCH))
    ledger.frontier = max(start, status.frontier)
    ledger.done = _intervals(status.completed, ledger)
    for first, stop in _intervals(status.parked, ledger):
        ledger.parked |= {index: ParkedIndex(spec.attempts, "") for index in range(first, stop)}
    ledger.failed = status.failed_items - status.parked_items
    ledger.results = ledger.seq = status.results
    ledger.fold = fold_of(status.fold)
    if spec.only and not status.fingerprint:  # nobody has looked at this list before
        ledger.done = IntervalSet.of(start, start + size).difference(_intervals(spec.only, ledger))
        ledger.frontier = ledger.end
    taken = IntervalSet(ledger.done)
    for index in ledger.parked:
        taken.add(index, index + 1)
    for block in blocks:
        if block.status.worklist_uid == worklist.metadata.uid:  # not of a deleted list that had this name
            _restore_lease(ledger, taken, block, now)
    _give_back_the_rest(ledger, taken, status.failed_ranges)
    return ledger


def _intervals(text: str, ledger: Ledger) -> IntervalSet:
    return parse_intervals(text, ledger.start, ledger.end) if text else IntervalSet()


def _restore_lease(ledger: Ledger, taken: IntervalSet, block: o.Block, now: float) -> None:
    """Hold what a block was assigned, less what is done or another block's: the later of two is cut."""
    if block.status.phase != "Ready" or not block.status.assignments:
        return
    rest, stop = IntervalSet(), ledger.start
    for assignment in block.status.assignments:
        stop = min(max(stop, assignment.index + assignment.size), ledger.end)
        rest.add(assignment.index, min(assignment.index + assignment.size, ledger.end))
    start = rest.starts[0] if rest.size else stop
    rest = rest.difference(taken)
    ledger.frontier = max(ledger.frontier, stop)
    if not rest.size:
        return
    for first, end in rest:
        taken.add(first, end)
    length = ledger.rules.lease_seconds
    expires = now + length
    extended_at = seconds_of(block.status.expires_at) - length if block.status.expires_at else now
    granted_at = min(now, extended_at)  # else whoever reports to a new leader would seem to be very fast
    key, block_id = key_of(block), lease_id(block, block.status.sequence)
    worker = ledger.workers.seen(key, granted_at)
    worker.leases += 1
    worker.totals.leases += 1
    size = block.status.assignments[0].size
    whole = len(rest) == 1 and rest.size == stop - start
    ledger.leases[block_id] = Lease(
        block_id, block.metadata.name, key, worker, None, start, stop, size, granted_at, granted_at, expires,
        restarts=block.status.restarts, failures=max(0, block.status.attempt - 1), part=None if whole else rest,
        failed_by=(key,) if block.status.attempt > 1 else (),
    )  # fmt: skip
    ledger.holes += len(rest) - 1
    ledger.next_expiry = min(ledger.next_expiry, expires)


def _give_back_the_rest(ledger: Ledger, taken: IntervalSet, failed: list[o.FailedRange]) -> None:
    """Give back what nobody holds and nobody has done, with the failures that are known of it."""
    edges = [(ledger.start, ledger.start), *taken, (ledger.frontier, ledger.frontier)]
    for (_, before), (after, _) in pairwise(edges):
        at = before
        for one in failed:
            first, stop = max(at, one.index), min(after, one.index + one.size)
            if first < stop:
                _give_back(ledger, at, first)
                ledger.give_back(Piece(first, stop, one.failures, (SOMEBODY,)))
                at = stop
        _give_back(ledger, at, after)


def _give_back(ledger: Ledger, start: int, stop: int) -> None:
    if start < stop:
        ledger.give_back(Piece(start, stop))
