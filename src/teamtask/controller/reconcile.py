"""`reconcile`: what a list's objects are to become, from what they are; pure but for the ledger, which goes along.

The controller carries out the plan: the Worklist first, guarded by its resourceVersion, so that what is done counts
before a block is assigned anew. Where a write fails the ledger is thrown away and made from the objects again.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from msgspec.structs import replace

from teamtask.controller.assigning import UNLIMITED, Allowed, assign_all
from teamtask.controller.block_pods import own_blocks
from teamtask.controller.kept_results import KeptResults
from teamtask.controller.restored import (
    ENDED,
    check_same_items,
    fingerprint_of,
    restored_ledger,
    rules_of,
    size_of,
)  # fmt: skip
from teamtask.controller.shown import block_status, worklist_status
from teamtask.controller.taken import take_report
from teamtask.controller.told import is_ending
from teamtask.controller.working import LAST_WORDS_SECONDS, Plan, Slot, Working, decide
from teamtask.kube.objects import FINALIZER
from teamtask.ledger.commands import (
    ChangeRules,
    Grow,
    MoveList,
    RerunDone,
    Sweep,
    Unpark,
)
from teamtask.ledger.errors import TeamtaskError
from teamtask.ledger.list_state import ListState, Move
from teamtask.wire.dates import seconds_of
from teamtask.wire.interval_text import parse_intervals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from teamtask.kube import objects as o

PUT_OFF_SECONDS = 0.2  # what may not be written now is looked at again so soon
COUNTED_MAX = 200  # blocks that are let go in a pass
TOKENS_SECONDS = 0.5  # under `itemsPerSecond` those who wait are looked at so often


class Overtaken(Exception):
    """Somebody else has written to these objects since the ledger was made from them."""


def begin(worklist: o.Worklist, blocks: list[o.Block], results: Mapping[str, str], now: float) -> Working:
    """Make what is needed to reconcile a list, with the data of the ConfigMap of its results.

    Raises a TeamtaskError for a spec that cannot be worked.
    """
    kept = KeptResults(results)
    # What a block that ends was given may be another's already; the other way round it cannot be.
    ledger = restored_ledger(worklist, sorted(in_order(blocks), key=is_ending), now)
    if (size := size_of(worklist.spec)) > ledger.size:
        decide(ledger, Grow(size), now)
    stale = kept.outside(ledger.done)
    kept.drop(stale)
    revision = worklist.status.rerun_revision
    working = Working(worklist, ledger, worklist.status, kept, stale=stale, rerun_revision=revision)
    working.restarts = worklist.status.restarts
    return working


def in_order(blocks: list[o.Block]) -> list[o.Block]:
    """Give blocks in the order in which they were made."""
    return sorted(blocks, key=lambda block: (block.metadata.creation_timestamp or "", block.metadata.name))


def reconcile(
    working: Working, worklist: o.Worklist, blocks: list[o.Block], now: float, allowed: Allowed = UNLIMITED
) -> Plan:
    """Decide for all blocks of a list, in the order in which they were made; `now` in seconds since 1970.

    What has happened is written in any case; what is `allowed` bounds what is handed out anew and what is only told.
    """
    ledger = working.ledger
    check_source(working, worklist)
    _follow_spec(working, worklist, now)
    plan = Plan(worklist.status)
    _rerun(working, worklist.spec, plan, now)
    ordered = in_order(blocks)
    known = [block for block in ordered if _is_up_to_date(working, block)]
    working.is_full = False
    for block in known:
        take_report(working, block, now, plan)
    plan.withdrawn = [index for index in (*working.stale, *plan.withdrawn) if index not in plan.results]
    working.stale = []
    decide(ledger, Sweep(), now)  # last: a block whose report is in hand is alive
    gone = [block for block in known if block.metadata.deletion_timestamp is not None]
    there = [block for block in known if block.metadata.deletion_timestamp is None]
    held = [block for block in gone if FINALIZER in block.metadata.finalizers]
    plan.counted = [block.metadata.name for block in held if not _has_news(working, block)][:COUNTED_MAX]
    plan.put_off += len(held) - len(plan.counted)
    plan.writes += len(plan.counted) + 1  # with that of the list
    assigned = assign_all(working, worklist.spec, there, plan, now, allowed)
    _show(working, there, assigned, plan, now, allowed)
    working.slots = {block.metadata.uid: working.slots[block.metadata.uid] for block in ordered}
    plan.worklist = worklist_status(working, worklist, now)
    plan.writes -= plan.worklist == worklist.status
    if plan.worklist == worklist.status:  # only after a write of the list nobody else can be about to count them
        working.stale, plan.withdrawn = plan.withdrawn, []
    _end_in_time(plan, worklist, now)
    plan.wake_seconds = _wake_seconds(working, worklist, len(ordered), plan.put_off, now)
    return plan


def _has_news(working: Working, block: o.Block) -> bool:
    return working.slots[block.metadata.uid].generation != block.metadata.generation


def _show(
    working: Working, blocks: list[o.Block], assigned: set[str], plan: Plan, now: float, allowed: Allowed
) -> None:
    """Have each block say how it stands, what was assigned first, and of the rest as many as may be written now."""
    uid = working.worklist.metadata.uid
    changed: list[tuple[int, o.Block, o.BlockStatus]] = []
    for block in blocks:
        slot = working.slots[block.metadata.uid]
        slot.trouble = working.crew.without_pod.get(block.metadata.uid)
        status = block_status(working.ledger, uid, block, slot, now)
        if status != block.status:
            is_told = slot.generation == block.status.observed_generation
            changed.append((0 if block.metadata.uid in assigned else 1 + is_told, block, status))
    for rank, block, status in sorted(changed, key=itemgetter(0)):
        if rank and plan.writes >= allowed.writes:
            plan.put_off += 1
            continue
        plan.writes += rank > 0
        plan.blocks[block.metadata.name] = status


def check_source(working: Working, worklist: o.Worklist) -> None:
    """See that an index means what it has meant. Raises OtherSource."""
    before, now = working.worklist.spec, worklist.spec
    if (before.source, before.start_index) != (now.source, now.start_index):
        check_same_items(replace(worklist.status, fingerprint=fingerprint_of(before), size=working.ledger.size), now)


def is_past_deadline(worklist: o.Worklist, now: float) -> bool:
    """Tell whether a list has been worked for as long as it may be."""
    seconds, started = worklist.spec.active_deadline_seconds, worklist.status.start_time
    return seconds is not None and started is not None and now >= seconds_of(started) + seconds


def _is_up_to_date(working: Working, block: o.Block) -> bool:
    """Tell whether the object shows what was written last, and meet a new one."""
    slot = working.slots.get(block.metadata.uid)
    if slot is None:
        is_ours = bool(own_blocks(working.worklist, [block]))
        slot = Slot(block.status.sequence, block.status.observed_generation, is_ours=is_ours)
        working.slots[block.metadata.uid] = slot
    if block.status.sequence > slot.sequence:
        raise Overtaken
    return block.status.sequence == slot.sequence


def _follow_spec(working: Working, worklist: o.Worklist, now: float) -> None:
    ledger, spec = working.ledger, worklist.spec
    working.priority, working.weight = spec.priority, spec.weight
    rules = rules_of(spec)
    if rules != ledger.rules:
        decide(ledger, ChangeRules(rules), now)
    if working.worklist.spec.source != spec.source:
        working.worklist = worklist
        decide(ledger, Grow(size_of(spec)), now)
    if is_past_deadline(worklist, now):
        if ledger.state not in ENDED:
            decide(ledger, MoveList(Move.CANCEL), now)
        return
    enough = spec.stop_after_results is not None and ledger.results >= spec.stop_after_results
    goes_on = {
        ListState.PAUSED: len(ledger.parked) <= spec.max_parked,
        ListState.CANCELLED: True,
        ListState.STOPPED: not enough,
    }
    if spec.suspend and ledger.state is ListState.RUNNING:
        decide(ledger, MoveList(Move.PAUSE), now)
    elif not spec.suspend and goes_on.get(ledger.state):
        decide(ledger, MoveList(Move.RESUME), now)


def _rerun(working: Working, spec: o.WorklistSpec, plan: Plan, now: float) -> None:
    """Bring back what is to be worked again, done or parked, once for each revision."""
    ledger, rerun = working.ledger, spec.rerun
    if rerun is None or rerun.revision <= working.rerun_revision:
        return
    working.rerun_revision, working.rerun_refused = rerun.revision, ""
    try:
        asked = parse_intervals(rerun.ranges, ledger.start, ledger.end)
        results = working.kept.within(asked.intersection(ledger.done))
        failed = working.kept.failed(results)
        decide(ledger, RerunDone(tuple(asked), len(results), failed), now)
    except TeamtaskError as error:
        working.rerun_refused = f"{error} {error.hint or ''}".strip()
        return
    working.kept.drop(results)
    plan.withdrawn += results
    decide(ledger, Unpark(tuple(asked)), now)


def _end_in_time(plan: Plan, worklist: o.Worklist, now: float) -> None:
    """Have the list deleted when it has been finished for as long as it was to stay."""
    kept_seconds, ended = worklist.spec.ttl_seconds_after_finished, plan.worklist.completion_time
    if kept_seconds is not None and ended is not None:
        plan.is_over = now >= seconds_of(ended) + kept_seconds


def _wake_seconds(working: Working, worklist: o.Worklist, blocks: int, put_off: int, now: float) -> float | None:
    """Give when something may become due by time alone."""
    ledger, spec = working.ledger, worklist.spec
    due: list[float] = []
    if ledger.leases or ledger.returned.pieces:  # who may have a returned piece depends on who is active
        due.append(min(ledger.next_expiry - now, ledger.rules.lease_seconds / 2))
    if working.ended_pods:
        soon = (since + LAST_WORDS_SECONDS - now for since in working.ended_pods.values())
        due += [seconds for seconds in soon if seconds > 0]
    if working.is_full:
        due.append(ledger.rules.lease_seconds / 3)
    if put_off:
        due.append(PUT_OFF_SECONDS)
    if spec.items_per_second is not None and ledger.state is ListState.RUNNING and len(ledger.leases) < blocks:
        due.append(TOKENS_SECONDS)
    started, ended = worklist.status.start_time, worklist.status.completion_time
    if started and spec.active_deadline_seconds is not None and ledger.state not in ENDED:
        due.append(seconds_of(started) + spec.active_deadline_seconds - now)
    if ended and spec.ttl_seconds_after_finished is not None:
        due.append(seconds_of(ended) + spec.ttl_seconds_after_finished - now)
    return max(0.05, min(due)) if due else None
