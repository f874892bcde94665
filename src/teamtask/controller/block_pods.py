"""`decide_pods`: for a list with a pod for each block, which Blocks and pods are to come, to be reported on and to go.

Blocks that the controller holds itself are known by their owner, the Worklist; their pods by theirs, the Block. A pod
is of one assignment and has its number: what its block works on no longer is counted, and the pod goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field

from teamtask.controller.manifests import replicas_of
from teamtask.controller.pod_outcome import failed, report_of_pod
from teamtask.controller.restored import lease_id
from teamtask.controller.working import decide
from teamtask.kube import objects as o
from teamtask.kube import workloads as w
from teamtask.ledger.commands import Exchange, Report
from teamtask.wire.dates import seconds_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from teamtask.ledger.ledger import Ledger

POD_PER_BLOCK = "PodPerBlock"
SUSPENDED = "Suspended"
CANCELLED = "Cancelled"  # what still runs is not waited for
RENEWED_SHARE = 0.6  # leases are looked at twice in their length
MOMENT_SECONDS = 0.001
AT_ONCE_MAX = 100  # Blocks, and pods, that one look at a list makes
NUMBER_DIGITS_MAX = 9  # of a block: its name is a label of its pods
LOST_SECONDS = 60.0  # so long after it should have been gone, a pod's node is taken to be


class Names(NamedTuple):
    """What the objects in sight do not say; each by name."""

    asked: Collection[str] = ()  # was created, and is perhaps not seen yet
    taken: Collection[str] = ()  # Blocks that there are, of other lists too
    waiting: Collection[str] = ()  # pods that were refused, and are not yet to be tried again


class Steps(Struct):
    """What is to be done, in this order: reports, then Blocks that go, new ones, pods that go, new ones."""

    reports: dict[str, o.Report] = field(default_factory=dict)  # by the names of blocks
    retired: list[str] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    ended_pods: list[w.Pod] = field(default_factory=list)
    pods: list[str] = field(default_factory=list)  # the blocks that need one
    idle: set[str] = field(default_factory=set)  # blocks that have work and no pod
    count: int = 0  # pods that there are, or are on their way


def own_blocks(worklist: o.Worklist, blocks: Iterable[o.Block]) -> list[o.Block]:
    """Give the blocks of a list that the controller holds itself, in the order of their numbers."""
    uid, prefix = worklist.metadata.uid, worklist.metadata.name
    own = [
        block
        for block in blocks
        if block.metadata.owner_references
        and _is_block_name(prefix, block.metadata.name)
        and w.is_owned_by(block.metadata, uid)
    ]
    return sorted(own, key=lambda block: (len(block.metadata.name), block.metadata.name))


def is_finished(worklist: o.Worklist) -> bool:
    """Tell whether a list has no more work."""
    return worklist.status.completion_time is not None


def is_suspended(worklist: o.Worklist) -> bool:
    """Tell whether a list hands out nothing, because its owner says so or too many items are parked."""
    return worklist.spec.suspend or worklist.status.phase == SUSPENDED


def decide_pods(
    worklist: o.Worklist, blocks: list[o.Block], pods: Iterable[w.Pod], names: Names, holder: str, now: float
) -> Steps:
    """Decide for a list, of whose `blocks` the controller holds all; `holder` is the account that it has now.

    What another account held is given back, and goes with its pods.
    """
    steps = Steps()
    own = [block for block in blocks if block.spec.holder == holder]
    there = [block for block in own if block.metadata.deletion_timestamp is None]
    for block in blocks:
        if block.spec.holder != holder and block.metadata.deletion_timestamp is None:
            _dismiss(steps, worklist, block)
    by_block: dict[str, list[w.Pod]] = {block.metadata.uid: [] for block in own}
    for pod in pods:
        for owner in pod.metadata.owner_references:
            if owner.uid in by_block and w.is_owned_by(pod.metadata, owner.uid, w.BLOCK):
                by_block[owner.uid].append(pod)
    known = {pod.metadata.name for of_one in by_block.values() for pod in of_one}
    coming = {name for name in names.asked if name not in known}
    live = [pod for of_one in by_block.values() for pod in of_one if not (pod.has_ended or _is_lost(pod, now))]
    on_their_way = sum(_pod_name(block) in coming for block in there)
    room = _wanted(worklist) - len(live) - on_their_way
    excess = len(there) - _wanted(worklist)
    for block in sorted(there, key=lambda block: _hold(worklist, block, by_block[block.metadata.uid])):
        is_excess = excess > 0
        before = len(steps.retired)
        _decide_block(steps, worklist, block, by_block[block.metadata.uid], coming, now, is_excess=is_excess)
        excess -= len(steps.retired) - before
    idle = {_pod_name(block): block.metadata.name for block in there if block.metadata.name in steps.idle}
    ready = {block for pod, block in idle.items() if pod not in names.waiting} - steps.reports.keys()
    steps.pods = sorted(ready, key=lambda name: (len(name), name))
    steps.pods = steps.pods[: max(0, min(room, AT_ONCE_MAX))]
    steps.count = len(live) + on_their_way
    steps.blocks = _new_blocks(worklist, there, names)
    return steps


def keep_alive(ledger: Ledger, own: Iterable[o.Block], now: float) -> None:
    """Renew the leases of the controller's own blocks: it is there, and sees what becomes of their pods.

    A pod works one block, so a lease of several is cut to its first.
    """
    for block in own:
        lease = ledger.leases.get(lease_id(block, block.status.sequence))
        if lease is None:
            continue
        one = lease.start + lease.block_size
        if lease.expires - now < RENEWED_SHARE * ledger.rules.lease_seconds or lease.stop > one:
            report = Report(lease.id, lease.start, lease.start, end=one if lease.stop > one else None)
            then = min(now, lease.expires - MOMENT_SECONDS)
            decide(ledger, Exchange(lease.key, (report,)), then)


def _wanted(worklist: o.Worklist) -> int:
    workers = worklist.spec.workers
    is_over = is_finished(worklist) or worklist.metadata.deletion_timestamp is not None
    if workers is None or workers.mode != POD_PER_BLOCK or is_over:
        return 0
    return replicas_of(worklist)


def _hold(worklist: o.Worklist, block: o.Block, pods: list[w.Pod]) -> int:
    """Order blocks by what is lost with them: those without work first, those whose pod runs last."""
    if not _has_work(worklist, block):
        return 0
    current = _current(block, pods)
    return 1 if current is None else 2 if current.has_ended else 3


def _has_work(worklist: o.Worklist, block: o.Block) -> bool:
    status = block.status
    return status.phase == "Ready" and bool(status.assignments) and status.worklist_uid == worklist.metadata.uid


def _current(block: o.Block, pods: list[w.Pod]) -> w.Pod | None:
    return next((pod for pod in pods if pod.metadata.name == _pod_name(block)), None)


def _pod_name(block: o.Block) -> str:
    return f"{block.metadata.name}-{block.status.sequence}"


def _is_lost(pod: w.Pod, now: float) -> bool:
    """Tell whether a pod that was deleted does not come to its end: its node does not answer."""
    gone = pod.metadata.deletion_timestamp
    return gone is not None and not pod.has_ended and now > seconds_of(gone) + LOST_SECONDS


def _decide_block(
    steps: Steps, worklist: o.Worklist, block: o.Block, pods: list[w.Pod], coming: Collection[str], now: float,
    *, is_excess: bool,
) -> None:  # fmt: skip
    """Decide for one block; one too many goes when nothing of it runs."""
    name = block.metadata.name
    has_work = _has_work(worklist, block)
    current = _current(block, pods) if has_work else None
    over = [pod for pod in pods if pod is not current]
    steps.ended_pods += [pod for pod in over if pod.metadata.deletion_timestamp is None]
    if not has_work:
        if is_excess:
            steps.retired.append(name)
        return
    if _has_reported(block):
        if _is_refused(block):
            steps.reports[name] = failed(block, _refusal(block))
        return
    has_none = current is None and _pod_name(block) not in coming
    report = _report(worklist, block, current, now)
    if report is None and has_none and (is_excess or is_suspended(worklist)):
        report = o.Report(block.status.sequence, "Released")
    if report is not None:
        steps.reports[name] = report
        if is_excess:
            steps.retired.append(name)
    elif has_none and len(block.status.assignments) == 1 and all(_has_gone(pod, now) for pod in over):
        steps.idle.add(name)


def _dismiss(steps: Steps, worklist: o.Worklist, block: o.Block) -> None:
    if _has_work(worklist, block) and not _has_reported(block):
        message = "The controller has another account now."
        steps.reports[block.metadata.name] = o.Report(block.status.sequence, "Released", message=message)
    steps.retired.append(block.metadata.name)


def _has_reported(block: o.Block) -> bool:
    said = block.spec.report
    return said is not None and said.sequence == block.status.sequence and said.state != "Working"


def _is_refused(block: o.Block) -> bool:
    """Tell whether a report was looked at, and the block still has its work."""
    is_seen = block.status.observed_generation == block.metadata.generation
    return is_seen and block.spec.report is not None and block.spec.report.state == "Completed"


def _report(worklist: o.Worklist, block: o.Block, pod: w.Pod | None, now: float) -> o.Report | None:
    """Give what there is to report on a block from its pod."""
    if worklist.status.phase == CANCELLED:
        return o.Report(block.status.sequence, "Released", message="The list has ended.")
    if pod is None:
        return None
    if _is_lost(pod, now):
        return o.Report(block.status.sequence, "Released", message="The pod's node does not answer.")
    return report_of_pod(block, pod, worklist.spec.fold)


def _has_gone(pod: w.Pod, now: float) -> bool:
    return pod.has_ended or _is_lost(pod, now)


def _refusal(block: o.Block) -> str:
    ready = next((one for one in block.status.conditions if one.type == "Ready"), None)
    return f"What the pod left was not taken: {ready.message if ready is not None else ''}"


def _new_blocks(worklist: o.Worklist, own: list[o.Block], known: Names) -> list[str]:
    """Name the blocks that are to be made: no more than there are items left, none while one waits for work."""
    status = worklist.status
    if is_suspended(worklist) or any(_waits(worklist, block) for block in own):
        return []
    left = status.size - status.completed_items - status.parked_items
    prefix = worklist.metadata.name
    coming = sum(name not in known.taken and _is_block_name(prefix, name) for name in known.asked)
    missing = min(_wanted(worklist), left, worklist.spec.max_active_blocks) - len(own) - coming
    names: list[str] = []
    number = 0
    while len(names) < min(missing, AT_ONCE_MAX):
        name = f"{prefix}-{number}"
        number += 1
        if name not in known.taken and name not in known.asked:
            names.append(name)
    return names


def _is_block_name(prefix: str, name: str) -> bool:
    number = name.removeprefix(f"{prefix}-")
    return number != name and number.isdecimal() and number == str(int(number[:NUMBER_DIGITS_MAX]))


def _waits(worklist: o.Worklist, block: o.Block) -> bool:
    """Tell whether a block was looked at and got no work."""
    return bool(block.status.conditions) and not _has_work(worklist, block)
