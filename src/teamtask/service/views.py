"""`shown_list`, `shown_blocks`, `ranges_in`, `shown_workers`: a list as the API shows it."""

from __future__ import annotations

import hashlib
import math
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict

from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.list_state import FINISHED, ListState
from teamtask.service.list_source import grown_definition
from teamtask.wire import views as wire
from teamtask.wire.dates import rfc_3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.ledger.lease import Lease, ParkedIndex
    from teamtask.ledger.ledger import Ledger
    from teamtask.ledger.rules import BlockRule
    from teamtask.ledger.workers import Worker
    from teamtask.service.definition import Definition
    from teamtask.service.service import ListView
    from teamtask.telemetry import Remaining

_FLOAT_BITS = 1000  # an integer of so many bits is still a float
_BOUNDS = frozenset(("start", "stop", "step", "count"))  # our integers in a source; the rest is its owner's


class RangeState(StrEnum):
    """What an index that was handed out can be."""

    DONE = "done"
    LEASED = "leased"
    RETURNED = "returned"
    PARKED = "parked"


def _nobody_is_gone(_worker: str) -> bool:
    return False


def shown_list(view: ListView, is_gone: Callable[[str], bool] = _nobody_is_gone) -> wire.Worklist:
    """Show a list; workers of which `is_gone` is true neither count nor add to the rate."""
    ledger, record, definition = view.ledger, view.record, view.definition
    finished = ledger.state in FINISHED
    active = [] if finished else [worker for worker in active_workers(view) if not is_gone(worker.key.worker)]
    rate = sum((worker.speed for worker in active), 0.0)
    rules = ledger.rules
    return wire.Worklist(
        id=record.id,
        name=record.name,
        state=str(ledger.state),
        reason=ledger.reason,
        start=ledger.start,
        size=ledger.size,
        done=ledger.done.size,
        failed=ledger.failed,
        leased=ledger.leased,
        returned=ledger.returned.size,
        parked=len(ledger.parked),
        frontier=ledger.frontier,
        rate=rate,
        eta_seconds=_eta_seconds(ledger, rate),
        workers=len(active),
        results=ledger.results,
        fold=wire.wire_integers(ledger.fold),
        created_at=rfc_3339(record.created_at),
        started_at=None if definition.started_at is None else rfc_3339(definition.started_at),
        completed_at=rfc_3339(ledger.moved_at) if finished else None,
        fingerprint=definition.fingerprint,
        source=_source(definition, ledger.size),
        block=_block_rule(rules.block),
        lease_seconds=rules.lease_seconds,
        limits={name: wire.wire_integers(value) for name, value in asdict(rules.limits).items()},
        attempts=rules.attempts,
        item_seconds=rules.item_seconds,
        fold_rule=rules.fold,
        stop_after_results=rules.stop_after_results,
        priority=definition.priority,
        weight=definition.weight,
        labels=dict(definition.labels),
        roles={role: list(holders) for role, holders in definition.roles.items()},
    )


def shown_blocks(view: ListView, state: RangeState | None = None, claimer: str | None = None) -> list[wire.Block]:
    """Show the leased blocks in order of index; with a state, what is in it, as blocks that nobody holds.

    The ids of the leases are shown of those alone that the principal `claimer` holds.
    Without a state a finished list shows what is done or parked: in the end one block, all of it.
    """
    ledger = view.ledger
    if state is None and ledger.state in FINISHED:
        both = shown_blocks(view, RangeState.DONE) + shown_blocks(view, RangeState.PARKED)
        return sorted(both, key=lambda block: block.index)
    name = view.record.name
    if state is None or state is RangeState.LEASED:
        leases = sorted(ledger.leases.values(), key=lambda lease: lease.start)
        return [_leased(view, lease, claimer) for lease in leases]
    if state is RangeState.RETURNED:
        return [
            wire.Block(
                f"{name}-{piece.start}", str(state), piece.start, piece.stop - piece.start, 0, piece.failures + 1,
                piece.restarts,
            )
            for piece in ledger.returned
        ]  # fmt: skip
    if state is RangeState.PARKED:
        return _parked(name, ledger)
    return [  # what is done is merged, and keeps nothing else
        wire.Block(f"{name}-{start}", str(state), start, stop - start, stop - start, 1, 0)
        for start, stop in ranges_in(view, state)
    ]


def ranges_in(view: ListView, state: RangeState) -> IntervalSet:
    """Give the indices in a state, merged."""
    ledger = view.ledger
    if state is RangeState.DONE:
        return ledger.done
    if state is RangeState.LEASED:
        leases = sorted(ledger.leases.values(), key=lambda lease: lease.start)
        return IntervalSet(run for lease in leases for run in lease.rest)
    if state is RangeState.RETURNED:
        return IntervalSet((piece.start, piece.stop) for piece in ledger.returned)
    return IntervalSet((index, index + 1) for index in sorted(ledger.parked))


def shown_workers(view: ListView, is_gone: Callable[[str], bool] = _nobody_is_gone) -> list[wire.Worker]:
    """Show the workers that the list knows, the latest first; those of which `is_gone` is true are idle."""
    workers = sorted(view.ledger.workers.by_key.values(), key=_last_seen, reverse=True)
    return [_shown_worker(view, worker, gone=is_gone(worker.key.worker)) for worker in workers]


def active_workers(view: ListView) -> list[Worker]:
    """Give the workers that hold something or claimed within two lease lengths."""
    ledger = view.ledger
    return [worker for worker in ledger.workers.by_key.values() if _is_active(view, worker)]


def remaining_of(view: ListView) -> Remaining:
    """Tell how much is left of a list, for who scales workers by it; blocks count those that are held too."""
    from teamtask.telemetry import Remaining  # with its libraries, which whoever only looks at a list does not need

    ledger = view.ledger
    block = ledger.rules.block
    active = active_workers(view)
    rate = sum((worker.speed for worker in active), 0.0) / len(active) if active else 0.0
    size = block.size or max(1, min(int(rate * block.seconds), block.max or ledger.size or 1))
    blocks = -(-ledger.remaining // size) + len(ledger.leases)
    left = ledger.size - ledger.done.size - len(ledger.parked)
    numbers = (left, blocks, ledger.done.size, ledger.failed, len(ledger.leases), len(active))
    return Remaining(view.record.name, *(_as_float(number) for number in numbers))


def _as_float(number: int) -> float:
    return float(number) if number.bit_length() <= _FLOAT_BITS else math.inf


def _is_active(view: ListView, worker: Worker) -> bool:
    return worker.leases > 0 or view.now - worker.claimed_at < 2 * view.ledger.rules.lease_seconds


def _last_seen(worker: Worker) -> float:
    return max(worker.claimed_at, worker.progressed_at)


def _date(view: ListView, at: float) -> str | None:
    """Give the date of a moment of the store's clock; None when that has started anew since."""
    if view.ledger.epoch != view.reader.clock().epoch:
        return None
    return rfc_3339(time.time() - (view.now - at))


def _eta_seconds(ledger: Ledger, rate: float) -> float | None:
    remaining = ledger.size - ledger.done.size - len(ledger.parked)
    if not remaining and ledger.state is not ListState.AWAITING_ITEMS:
        return 0.0
    if ledger.state is not ListState.RUNNING or rate <= 0 or remaining.bit_length() > _FLOAT_BITS:
        return None
    seconds = remaining / rate
    return seconds if math.isfinite(seconds) else None


def _source(definition: Definition, size: int) -> dict[str, Any]:
    source = grown_definition(definition, size)
    if source["kind"] in ("lines", "range"):
        return {name: wire.wire_integers(source[name]) if name in _BOUNDS else source[name] for name in source}
    return source


def _block_rule(rule: BlockRule) -> dict[str, Any]:
    if rule.size is not None:
        return {"size": wire.wire_integer(rule.size)}
    return {"seconds": rule.seconds} | ({} if rule.max is None else {"max": wire.wire_integer(rule.max)})


def _leased(view: ListView, lease: Lease, claimer: str | None) -> wire.Block:
    done = sum(stop - start for start, stop in view.ledger.done.within(lease.start, lease.stop))
    seconds = view.now - lease.granted_at
    same_clock = view.ledger.epoch == view.reader.clock().epoch
    return wire.Block(
        name=f"{view.record.name}-{lease.name}",
        state="ready",
        index=lease.start,
        size=lease.stop - lease.start,
        done=done,
        attempt=lease.failures + 1,
        restarts=lease.restarts,
        worker=lease.key.worker,
        principal=lease.key.principal,
        leased_at=_date(view, lease.granted_at),
        expires_in_seconds=max(0.0, lease.expires - view.now) if same_clock else None,
        rate=_rate(done, seconds) if same_clock else None,
        lease=lease.id if lease.key.principal == claimer else None,
    )


def _rate(done: int, seconds: float) -> float:
    return done / seconds if seconds > 0 and done.bit_length() < _FLOAT_BITS else 0.0


def _parked(name: str, ledger: Ledger) -> list[wire.Block]:
    """Show what is parked; neighbours of the same fate are one block."""
    runs: list[tuple[int, int, ParkedIndex]] = []
    for index, parked in sorted(ledger.parked.items()):
        start, stop, before = runs[-1] if runs else (index, index, parked)
        if stop == index and before == parked:
            runs[-1:] = [(start, index + 1, parked)]
        else:
            runs.append((index, index + 1, parked))
    return [
        wire.Block(
            f"{name}-{start}", str(RangeState.PARKED), start, stop - start, 0, parked.failures, parked.failures - 1,
            reason=parked.error,
        )
        for start, stop, parked in runs
    ]  # fmt: skip


def _shown_worker(view: ListView, worker: Worker, *, gone: bool) -> wire.Worker:
    key = worker.key
    active = not gone and view.ledger.state not in FINISHED and _is_active(view, worker)
    return wire.Worker(
        id=hashlib.blake2b("\0".join(key).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest(),
        name=key.worker,
        principal=key.principal,
        list=view.record.name,
        blocks=worker.leases,
        rate=worker.speed if active else 0.0,
        done=worker.done,
        failed=worker.failed,
        first_seen_at=_date(view, worker.first_seen_at),
        last_seen_at=_date(view, _last_seen(worker)),
        state="active" if active else "idle",
    )
