"""`shown_list`, `shown_blocks`, `ranges_in`: Worklists and Blocks as the web API shows lists and their blocks."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from teamtask.kube import objects as o
from teamtask.ledger.errors import InvalidField
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.list_state import FINISHED, ListState
from teamtask.ledger.rules import BlockRule
from teamtask.wire import views
from teamtask.wire.interval_text import parse_intervals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from teamtask.sources import Source

_STATES: Final = {
    "": ListState.RUNNING,
    "Running": ListState.RUNNING,
    "Suspended": ListState.PAUSED,
    "Invalid": ListState.PAUSED,
    "Complete": ListState.COMPLETE,
    "CompleteExcept": ListState.COMPLETE_EXCEPT,
    "Stopped": ListState.STOPPED,
    "Cancelled": ListState.CANCELLED,
}
_STATE_NAMES: Final = ("done", "leased", "returned", "parked")


def state_of(worklist: o.Worklist) -> ListState:
    """Give the state of a list; what was just asked of it counts, though the controller has not said so yet."""
    is_over = any(one.type == "Finished" and one.status == "True" for one in worklist.status.conditions)
    state = _STATES.get(worklist.status.phase, ListState.STOPPED if is_over else ListState.RUNNING)
    if state is ListState.RUNNING and worklist.spec.suspend:
        return ListState.PAUSED
    is_old = worklist.status.observed_generation < worklist.metadata.generation
    if worklist.status.phase == "Suspended" and not worklist.spec.suspend and is_old:
        return ListState.RUNNING
    return state


def reason_of(worklist: o.Worklist) -> str | None:
    """Say why a list stands in its state, where that is not plain."""
    kind = {"Invalid": "Accepted", "Suspended": "Suspended", "Stopped": "Complete", "Cancelled": "Failed"}.get(
        worklist.status.phase
    )
    found = next((one for one in worklist.status.conditions if one.type == kind), None)
    return (found.message or None) if found is not None else None


def shown_list(
    worklist: o.Worklist, labels: Mapping[str, str], source: Source[Any] | None, blocks: Iterable[o.Block] | None
) -> views.Worklist:
    """Show a list; without its `blocks` all that is handed out counts as leased while any block is active."""
    spec, status = worklist.spec, worklist.status
    state, start = state_of(worklist), spec.start_index
    frontier = max(start, status.frontier)
    out = max(0, frontier - start - status.completed_items - status.parked_items)
    leased = out if status.active_blocks else 0
    if blocks is not None:
        leased = min(out, _leased(worklist, blocks).size)
    rate = _rate(status.rate)
    size = status.size if source is None else source.size
    return views.Worklist(
        id=worklist.metadata.uid,
        name=worklist.metadata.name,
        state=str(state),
        reason=reason_of(worklist),
        start=start,
        size=size,
        done=status.completed_items,
        failed=max(0, status.failed_items - status.parked_items),
        leased=leased,
        returned=out - leased,
        parked=status.parked_items,
        frontier=frontier,
        rate=rate,
        eta_seconds=_eta_seconds(state, size - status.completed_items - status.parked_items, rate),
        workers=status.active_blocks,
        results=status.results,
        fold=views.wire_integers(status.fold),
        created_at=worklist.metadata.creation_timestamp or "",
        started_at=status.start_time,
        completed_at=status.completion_time,
        fingerprint=known_fingerprint(status) if source is None else source.fingerprint,
        source=_source(spec, status, source),
        block=_block_rule(spec.block),
        lease_seconds=spec.lease_seconds,
        limits=_limits(spec),
        attempts=spec.attempts,
        item_seconds=None,
        fold_rule=spec.fold,
        stop_after_results=spec.stop_after_results,
        priority=spec.priority,
        weight=spec.weight,
        labels=dict(labels),
        roles={},
    )


def shown_blocks(worklist: o.Worklist, blocks: list[o.Block], state: str | None, now: float) -> list[views.Block]:
    """Show the blocks that are worked on, of a finished list what it has become, or what is in a state; by index."""
    if state is None and state_of(worklist) in FINISHED:
        both = shown_blocks(worklist, blocks, "done", now) + shown_blocks(worklist, blocks, "parked", now)
        return sorted(both, key=lambda block: block.index)
    if state in (None, "leased"):
        found = [_shown_block(worklist, block, now) for block in blocks if _is_held(worklist, block)]
        return sorted(found, key=lambda block: block.index)
    name = worklist.metadata.name
    return [
        views.Block(f"{name}-{start}", str(state), start, stop - start, stop - start if state == "done" else 0, 1, 0)
        for start, stop in ranges_in(worklist, blocks, str(state))
    ]


def ranges_in(worklist: o.Worklist, blocks: Iterable[o.Block], state: str) -> IntervalSet:
    """Give the indices in a state, merged. Raises InvalidField for no state."""
    spec, status = worklist.spec, worklist.status
    if state not in _STATE_NAMES:
        raise InvalidField(f"{state!r:.80} is no state.", field="state", hint=f"States are {', '.join(_STATE_NAMES)}.")
    if state == "done":
        return intervals(status.completed)
    if state == "parked":
        return intervals(status.parked)
    leased = _leased(worklist, blocks)
    if state == "leased":
        return leased
    returned = IntervalSet.of(spec.start_index, max(spec.start_index, status.frontier))
    for others in (intervals(status.completed), intervals(status.parked), leased):
        returned = returned.difference(others)
    return returned


def shown_workers(worklist: o.Worklist, blocks: Iterable[o.Block]) -> list[views.Worker]:
    """Show who holds or waits for a block; what they have done so far nobody counts."""
    return [
        views.Worker(
            id=block.metadata.uid, name=block.metadata.name, principal=block.spec.holder,
            list=worklist.metadata.name, blocks=int(_is_held(worklist, block)), rate=0.0, done=0, failed=0,
            first_seen_at=block.metadata.creation_timestamp,
            last_seen_at=block.spec.report.renew_time if block.spec.report is not None else None,
            state="active" if block.status.phase in ("Ready", o.PENDING) else "idle",
        )
        for block in blocks
    ]  # fmt: skip


def intervals(text: str) -> IntervalSet:
    """Give the indices of an interval text, of none for an empty one."""
    return parse_intervals(text, 0, o.INDEX_MAX) if text else IntervalSet()


def assigned(block: o.Block) -> IntervalSet:
    """Give the indices of a block's present assignment."""
    return IntervalSet((one.index, one.index + one.size) for one in block.status.assignments)


def _is_held(worklist: o.Worklist, block: o.Block) -> bool:
    return block.status.phase == "Ready" and block.status.worklist_uid == worklist.metadata.uid


def _leased(worklist: o.Worklist, blocks: Iterable[o.Block]) -> IntervalSet:
    found = IntervalSet(run for block in blocks if _is_held(worklist, block) for run in assigned(block))
    return found.difference(intervals(worklist.status.completed))


def _shown_block(worklist: o.Worklist, block: o.Block, now: float) -> views.Block:
    status, held = block.status, assigned(block)
    done = held.intersection(intervals(worklist.status.completed)).size
    expires = status.expires_at
    return views.Block(
        name=block.metadata.name,
        state="ready",
        index=held.starts[0],
        size=held.stops[-1] - held.starts[0],
        done=done,
        attempt=status.attempt,
        restarts=status.restarts,
        worker=block.metadata.name,
        principal=block.spec.holder,
        expires_in_seconds=None if expires is None else max(0.0, datetime.fromisoformat(expires).timestamp() - now),
    )


def _source(spec: o.WorklistSpec, status: o.WorklistStatus, source: Source[Any] | None) -> dict[str, Any]:
    """Give the source as the API shows it: the lines themselves are read as items.

    Those that a ConfigMap has are not read for this: the controller says what they are.
    """
    known = source is not None or (status.fingerprint and spec.source.get("configMap") is not None)
    if spec.source.get("kind") != "lines" or not known:
        return spec.source
    shuffle = {"shuffle": spec.source["shuffle"]} if spec.source.get("shuffle") is not None else {}
    if source is None:
        return {"kind": "lines", "count": status.size, "fingerprint": known_fingerprint(status), **shuffle}
    return {"kind": "lines", "count": source.size, "fingerprint": source.fingerprint, **shuffle}


def known_fingerprint(status: o.WorklistStatus) -> str:
    """Give the fingerprint of the source by which the controller knows it: that of the list begins with its start."""
    return status.fingerprint.partition(":")[2]


def _block_rule(block: o.BlockSize) -> dict[str, Any]:
    if block.size is not None:
        return {"size": block.size}
    return {"seconds": block.seconds or BlockRule().seconds} | ({} if block.max is None else {"max": block.max})


def _limits(spec: o.WorklistSpec) -> dict[str, Any]:
    """Give the limits; a worker has one block, so that of workers is that of blocks."""
    return {
        "blocks_per_worker": 1,
        "blocks_per_principal": spec.blocks_per_holder,
        "workers_per_principal": spec.blocks_per_holder,
        "workers": spec.max_active_blocks,
        "items_per_second": spec.items_per_second,
        "parked": spec.max_parked,
    }


def _rate(text: str) -> float:
    """Read "12.3/s"."""
    try:
        return float(text.removesuffix("/s") or 0)
    except ValueError:
        return 0.0


def _eta_seconds(state: ListState, left: int, rate: float) -> float | None:
    if left <= 0:
        return 0.0
    seconds = left / rate if rate > 0 and state is ListState.RUNNING else math.inf
    return seconds if math.isfinite(seconds) else None
