"""`assign_all`: blocks that are without work get some, as far as limits and the write budget allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from teamtask.access import Action, ListAccess, Principal, may
from teamtask.controller.restored import ENDED, EPOCH, is_scattered, key_of, lease_id
from teamtask.controller.shown import has_vanished
from teamtask.controller.working import decide
from teamtask.ledger.block_size import EXCHANGES_PER_T_MIN
from teamtask.ledger.commands import Exchange, Facts, Want
from teamtask.ledger.list_state import ListState

if TYPE_CHECKING:
    from teamtask.controller.working import Plan, Working
    from teamtask.kube import objects as o
    from teamtask.ledger.ledger import Ledger

ASSIGNMENTS_MAX = 16
WRITES_AN_EXCHANGE = 2  # the worker's report, and the answer
EXCHANGE_SECONDS = 0.05  # of a report until there is new work, about, with writes to spare


class Allowed(NamedTuple):
    """How many writes a list may cause now, and how many a second."""

    writes: float
    per_second: float
    is_behind: bool = False  # lists of a higher priority wait too


UNLIMITED = Allowed(float("inf"), float("inf"))


def assign_all(
    working: Working, spec: o.WorklistSpec, blocks: list[o.Block], plan: Plan, now: float, allowed: Allowed
) -> set[str]:
    """Give work to those that ask for it, first to those that have asked for longest; give their uids.

    Assignments are made to last so long that all blocks together stay within the writes a second.
    """
    slots = working.slots
    asking = [block for block in blocks if _asks(working, block)]
    for block in asking:
        slot = slots[block.metadata.uid]
        slot.asked_at = now if slot.asked_at is None else slot.asked_at
    asking.sort(key=lambda block: slots[block.metadata.uid].asked_at or now)
    share = WRITES_AN_EXCHANGE * len(blocks) / allowed.per_second  # seconds until it is each one's turn again
    exchange_seconds = max(EXCHANGE_SECONDS, share / EXCHANGES_PER_T_MIN)
    assigned: set[str] = set()
    working.waiting, working.writes_per_second, working.is_behind = 0, allowed.per_second, allowed.is_behind
    for block in asking:
        if plan.writes >= allowed.writes and working.ledger.state is ListState.RUNNING:
            slots[block.metadata.uid].reason = "Throttled"
            working.waiting += 1
        elif _assign(working, spec, block, now, exchange_seconds):
            assigned.add(block.metadata.uid)
            plan.writes += 1
    working.note_shortage(now)
    return assigned


def _asks(working: Working, block: o.Block) -> bool:
    """Tell whether a block is without work and its holder there."""
    ledger, slot = working.ledger, working.slots[block.metadata.uid]
    if lease_id(block, slot.sequence) in ledger.leases:
        return False
    return ledger.state in ENDED or not has_vanished(ledger, working.worklist.metadata.uid, block, slot)


def _assign(working: Working, spec: o.WorklistSpec, block: o.Block, now: float, exchange_seconds: float) -> bool:
    """Give a block some work, or say why not."""
    ledger, slot = working.ledger, working.slots[block.metadata.uid]
    if working.is_full:
        slot.reason = slot.reason or "ResultsFull"
        return False
    if is_scattered(ledger) and not ledger.returned.pieces:
        slot.reason = "Throttled"
        return False
    if not slot.is_ours and not _may_work(working.worklist.metadata.namespace, spec, block):
        slot.reason = "NotPermitted"
        return False
    if _at_limit(ledger, spec, block):
        slot.reason = "LimitReached"
        return False
    facts = Facts(
        lease_id(block, slot.sequence + 1),
        block.metadata.name,
        exchange_seconds=exchange_seconds,
        epoch=EPOCH,
        date=now,
    )
    blocks = 1 if slot.is_ours else ASSIGNMENTS_MAX  # a pod works one
    reply = decide(ledger, Exchange(key_of(block), want=Want(blocks=blocks)), now, facts)
    slot.reason = "Suspended" if ledger.state is ListState.PAUSED else "NoWork"
    if reply.lease is None:
        return False
    slot.reason, slot.asked_at = "", None
    slot.sequence += 1
    working.restarts += ledger.leases[lease_id(block, slot.sequence)].restarts > 0
    return True


def _may_work(namespace: str, spec: o.WorklistSpec, block: o.Block) -> bool:
    """Tell whether a list lets the holder of a block work; what he says of himself the API server has checked."""
    if not spec.access:
        return True
    holder = Principal(f"user:{block.spec.holder}", frozenset(f"group:{group}" for group in block.spec.holder_groups))
    workers = tuple(_access_name(subject, namespace) for subject in spec.access)
    return may(holder, Action.WORK, ListAccess("", "", {"worker": workers}))


def _access_name(subject: o.Subject, namespace: str) -> str:
    match subject.kind:
        case "Group":
            return f"group:{subject.name}"
        case "ServiceAccount":
            return f"user:system:serviceaccount:{subject.namespace or namespace}:{subject.name}"
        case _:
            return f"user:{subject.name}"


def _at_limit(ledger: Ledger, spec: o.WorklistSpec, block: o.Block) -> bool:
    totals = ledger.workers.by_principal.get(block.spec.holder)
    held = totals.leases if totals is not None else 0
    return len(ledger.leases) >= spec.max_active_blocks or held >= spec.blocks_per_holder
