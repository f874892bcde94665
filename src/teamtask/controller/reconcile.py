"""`reconcile`: what a list's objects are to become, from what they are; pure but for the ledger, which goes along.

The controller carries out the plan: the Worklist first, guarded by its resourceVersion, so that what is done counts
before a block is assigned anew. Where a write fails the ledger is thrown away and made from the objects again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from teamtask.controller.restored import EPOCH, OtherSource, key_of, lease_id, restored_ledger, rules_of
from teamtask.controller.shown import block_status, has_vanished, worklist_status
from teamtask.controller.told import UNREADABLE, report_of
from teamtask.kube import objects as o
from teamtask.ledger.commands import ChangeRules, Exchange, Facts, Failure, MoveList, Report, Sweep, Want
from teamtask.ledger.decide import carry_out
from teamtask.ledger.ledger import Ledger
from teamtask.ledger.list_state import FINISHED, ListState, Move

if TYPE_CHECKING:
    from teamtask.ledger.commands import Command, Reply, ReportReply

ASSIGNMENTS_MAX = 16
MOMENT_SECONDS = 0.001
DELETED = Failure("The block was deleted, and nothing of it had been done.")
TOKENS_SECONDS = 0.5  # under `itemsPerSecond` those who wait are looked at so often


class Overtaken(Exception):
    """Somebody else has written to these objects since the ledger was made from them."""


class Slot(Struct):
    """What the controller knows of a block beyond the object, which may be older than what was written last."""

    sequence: int
    generation: int  # of the spec that was taken into account
    reason: str = ""  # why it has no work


class Working(Struct):
    """A list that is being worked through: its ledger, and the slots by the uids of their blocks."""

    worklist: o.Worklist  # as it was when the ledger was made
    ledger: Ledger
    written: o.WorklistStatus  # what the object says, as far as it is known here
    slots: dict[str, Slot] = field(default_factory=dict)


class Plan(Struct):
    """What is to be written, in this order; `wake_seconds` is when to look again though nothing happens."""

    worklist: o.WorklistStatus
    blocks: dict[str, o.BlockStatus] = field(default_factory=dict)
    counted: list[str] = field(default_factory=list)  # blocks whose finalizer can go
    wake_seconds: float | None = None


def begin(worklist: o.Worklist, blocks: list[o.Block], now: float) -> Working:
    """Make what is needed to reconcile a list. Raises a TeamtaskError for a spec that cannot be worked."""
    return Working(worklist, restored_ledger(worklist, in_order(blocks), now), worklist.status)


def in_order(blocks: list[o.Block]) -> list[o.Block]:
    """Give blocks in the order in which they were made."""
    return sorted(blocks, key=lambda block: (block.metadata.creation_timestamp or "", block.metadata.name))


def reconcile(working: Working, worklist: o.Worklist, blocks: list[o.Block], now: float) -> Plan:
    """Decide for all blocks of a list, in the order in which they were made; `now` in seconds since 1970."""
    ledger = working.ledger
    _check_source(working.worklist.spec, worklist.spec)
    _follow_spec(ledger, worklist.spec, now)
    plan = Plan(worklist.status)
    ordered = in_order(blocks)
    known = [block for block in ordered if _is_up_to_date(working, block)]
    for block in known:
        _take_report(working, block, now)
    _carry_out(ledger, Sweep(), now)  # last: a block whose report is in hand is alive
    for block in known:
        if block.metadata.deletion_timestamp is not None:
            plan.counted.append(block.metadata.name)
        else:
            _assign(working, worklist.spec, block, now)
    for block in known:
        slot = working.slots[block.metadata.uid]
        status = block_status(ledger, worklist.metadata.uid, block, slot, now)
        if status != block.status and block.metadata.deletion_timestamp is None:
            plan.blocks[block.metadata.name] = status
    working.slots = {block.metadata.uid: working.slots[block.metadata.uid] for block in ordered}
    plan.worklist = worklist_status(ledger, worklist, now)
    if ledger.leases or ledger.returned.pieces:  # who may have a returned piece depends on who is active
        plan.wake_seconds = max(0.05, min(ledger.next_expiry - now, ledger.rules.lease_seconds / 2))
    waiting = ledger.state is ListState.RUNNING and len(ledger.leases) < len(ordered)
    if worklist.spec.items_per_second is not None and waiting:
        plan.wake_seconds = TOKENS_SECONDS
    return plan


def _check_source(before: o.WorklistSpec, now: o.WorklistSpec) -> None:
    if (before.source, before.start_index) != (now.source, now.start_index):
        raise OtherSource


def _is_up_to_date(working: Working, block: o.Block) -> bool:
    """Tell whether the object shows what was written last, and meet a new one."""
    slot = working.slots.get(block.metadata.uid)
    if slot is None:
        slot = Slot(block.status.sequence, block.status.observed_generation)
        working.slots[block.metadata.uid] = slot
    if block.status.sequence > slot.sequence:
        raise Overtaken
    return block.status.sequence == slot.sequence


def _follow_spec(ledger: Ledger, spec: o.WorklistSpec, now: float) -> None:
    rules = rules_of(spec)
    if rules != ledger.rules:
        _carry_out(ledger, ChangeRules(rules), now)
    if spec.suspend and ledger.state is ListState.RUNNING:
        _carry_out(ledger, MoveList(Move.PAUSE), now)
    elif not spec.suspend and ledger.state is ListState.PAUSED and len(ledger.parked) <= spec.max_parked:
        _carry_out(ledger, MoveList(Move.RESUME), now)


def _take_report(working: Working, block: o.Block, now: float) -> None:
    """Record what a holder reports, once for each change of the spec; a block that goes gives back what it holds."""
    ledger, slot = working.ledger, working.slots[block.metadata.uid]
    if block.metadata.generation != slot.generation:
        held = ledger.leases.get(lease_id(block, slot.sequence))
        told = report_of(block, held, in_order=is_scattered(ledger))
        slot.generation, slot.reason = block.metadata.generation, told.wrong
        if told.report is not None and _report(ledger, block, told.report, now).status == "error":
            slot.reason = UNREADABLE
    left = ledger.leases.get(lease_id(block, slot.sequence))
    if left is not None and block.metadata.deletion_timestamp is not None:
        # Who went without a word, and had done nothing, may have been killed by an item.
        gone = Report(left.id, left.start, left.start, error=None if left.got_on else DELETED, release=left.got_on)
        _report(ledger, block, gone, now)


def _report(ledger: Ledger, block: o.Block, report: Report, now: float) -> ReportReply:
    """Carry out a report as before the next expiry: whoever would expire may be the next to report."""
    then = min(now, ledger.next_expiry - MOMENT_SECONDS)
    return _carry_out(ledger, Exchange(key_of(block), (report,)), then).reports[0]


def _assign(working: Working, spec: o.WorklistSpec, block: o.Block, now: float) -> None:
    """Give a block without work some, unless its holder has vanished."""
    ledger, slot = working.ledger, working.slots[block.metadata.uid]
    if lease_id(block, slot.sequence) in ledger.leases:
        return
    if has_vanished(ledger, working.worklist.metadata.uid, block, slot) and ledger.state not in FINISHED:
        return
    if is_scattered(ledger) and not ledger.returned.pieces:
        slot.reason = "Throttled"
        return
    if _at_limit(ledger, spec, block):
        slot.reason = "LimitReached"
        return
    facts = Facts(lease_id(block, slot.sequence + 1), block.metadata.name, epoch=EPOCH, date=now)
    reply = _carry_out(ledger, Exchange(key_of(block), want=Want()), now, facts)
    slot.reason = "Suspended" if ledger.state is ListState.PAUSED else "NoWork"
    if reply.lease is not None:
        slot.reason = ""
        slot.sequence += 1
        lease = ledger.leases[reply.lease]
        most = lease.start + ASSIGNMENTS_MAX * lease.block_size
        if lease.stop > most:
            _carry_out(ledger, Exchange(key_of(block), (Report(lease.id, lease.start, lease.start, end=most),)), now)


def is_scattered(ledger: Ledger) -> bool:
    """Tell whether what is done lies in so many ranges that the object would become too large."""
    pieces = ledger.pieces - len(ledger.parked)
    return pieces * (2 * len(str(ledger.end)) + 2) > o.RANGES_CHARACTERS_MAX


def _at_limit(ledger: Ledger, spec: o.WorklistSpec, block: o.Block) -> bool:
    totals = ledger.workers.by_principal.get(block.spec.holder)
    held = totals.leases if totals is not None else 0
    return len(ledger.leases) >= spec.max_active_blocks or held >= spec.blocks_per_holder


def _carry_out(ledger: Ledger, command: Command, now: float, facts: Facts | None = None) -> Reply:
    return carry_out(ledger, command, now, facts or Facts(epoch=EPOCH, date=now))[1]
