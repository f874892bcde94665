"""`with_workers`, `with_pods`: what a list and its Blocks say of the pods that the controller makes for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from teamtask.controller.manifests import selector
from teamtask.kube import objects as o
from teamtask.wire.dates import rfc_3339

if TYPE_CHECKING:
    from collections.abc import Iterable

Trouble = tuple[str, str]  # a reason and a sentence
WORKERS_READY = "WorkersReady"


class Crew(Struct):
    """What is to be said of a list's workers."""

    count: int = 0
    trouble: Trouble | None = None  # of all
    own: list[str] = field(default_factory=list)  # blocks that the controller holds itself
    without_pod: dict[str, Trouble] = field(default_factory=dict)  # by block
    wake_seconds: float | None = None


def with_workers(status: o.WorklistStatus, worklist: o.Worklist, crew: Crew, now: float) -> o.WorklistStatus:
    """Add the workers to the status of a list that has some."""
    if worklist.spec.workers is None:
        return status
    reason, message = crew.trouble or ("Running" if crew.count else "NoneNeeded", "")
    fact = _condition(WORKERS_READY, crew.trouble is None, reason, message)
    others = [one for one in status.conditions if one.type != WORKERS_READY]
    return replace(
        status,
        worker_pods=crew.count,
        worker_selector=selector(worklist),
        conditions=[*others, _dated(fact, worklist.status.conditions, worklist.metadata.generation, now)],
    )


def with_pods(
    planned: dict[str, o.BlockStatus], blocks: Iterable[o.Block], crew: Crew, now: float
) -> dict[str, o.BlockStatus]:
    """Give what is to be written of a list's blocks when those that the controller holds say why they have no pod.

    Their leases do not end while it leads: `expiresAt` stays what it was, or each would be written twice a lease.
    """
    statuses = dict(planned)
    by_name = {block.metadata.name: block for block in blocks}
    for name in crew.own:
        block = by_name.get(name)
        if block is None or block.metadata.deletion_timestamp is not None:
            continue
        status = statuses.pop(name, None)
        if status is None and name in crew.without_pod:
            status = block.status
        if status is None:
            continue
        before = block.status
        same = status.sequence == before.sequence and status.assignments == before.assignments
        if same and status.phase == "Ready":
            status = replace(status, expires_at=before.expires_at)
            if name in crew.without_pod:
                fact = _condition("Ready", False, *crew.without_pod[name])  # noqa: FBT003 - as it is written
                ready = _dated(fact, before.conditions, block.metadata.generation, now)
                status = replace(status, ready="0/1", conditions=[ready])
        if status != before:
            statuses[name] = status
    return statuses


def _condition(kind: str, true: bool, reason: str, message: str) -> o.Condition:  # noqa: FBT001 - as it is written
    return o.Condition(type=kind, status=str(true), reason=reason, message=message, last_transition_time="")


def _dated(made: o.Condition, before: list[o.Condition], generation: int, now: float) -> o.Condition:
    dates = [one.last_transition_time for one in before if (one.type, one.status) == (made.type, made.status)]
    date = dates[0] if dates else rfc_3339(now)
    return replace(made, last_transition_time=date, observed_generation=generation)
