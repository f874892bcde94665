"""`happened`: what became of a list, as the events that `kubectl describe` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from teamtask.controller.working import Plan
    from teamtask.kube import objects as o
    from teamtask.ledger.ledger import Ledger

NORMAL, WARNING = "Normal", "Warning"
TOLD_MAX = 3  # parked items and expired blocks that are named one by one in a pass
_BAD = frozenset({"Throttled", "Failed"})
_TOLD = ("Throttled", "Suspended", "Complete", "Failed", "Finished")
_WORDS = {
    "Throttled": ("Throttled", "NotThrottled"),
    "Suspended": ("Suspended", "Resumed"),
    "Complete": ("Complete", "Reopened"),
    "Failed": ("Failed", ""),
    "Finished": ("Finished", ""),
}


class Event(NamedTuple):
    """Something that happened to a list: a word, a sentence, and whether somebody should look at it."""

    reason: str
    message: str
    type: str = NORMAL


def happened(before: o.WorklistStatus, plan: Plan, blocks: list[o.Block], ledger: Ledger) -> list[Event]:
    """Give what a plan changes that a person may want to know; `before` is the list's status until then."""
    return [*_conditions(before, plan.worklist), *_expired(plan, blocks), *_parked(before, plan.worklist, ledger)]


def refused(before: o.WorklistStatus, after: o.WorklistStatus) -> list[Event]:
    """Give that a spec was refused, once."""
    said, now = _accepted(before), _accepted(after)
    if now is None or now.status == "True" or (said is not None and said.message == now.message):
        return []
    return [Event(now.reason, now.message, WARNING)]


def _conditions(before: o.WorklistStatus, after: o.WorklistStatus) -> list[Event]:
    events = refused(before, after)
    if _accepted(before) is None and not events:
        events.append(Event("Accepted", f"It has {after.size} items."))
    was = {condition.type: condition.status == "True" for condition in before.conditions}
    now = {condition.type: condition for condition in after.conditions}
    for kind in _TOLD:
        condition = now[kind]
        is_true = condition.status == "True"
        word = _WORDS[kind][0 if is_true else 1]
        if is_true != was.get(kind, False) and word:
            message = condition.message or f"{after.progress} are done."
            events.append(Event(word, message, WARNING if kind in _BAD and is_true else NORMAL))
    return events + _workers(before, after)


def _workers(before: o.WorklistStatus, after: o.WorklistStatus) -> list[Event]:
    """Give why the pods of a list do not come, when the reason is another one than before."""
    said, now = (
        next((one for one in status.conditions if one.type == "WorkersReady"), None) for status in (before, after)
    )
    if now is None or now.status == "True" or (said is not None and said.reason == now.reason):
        return []
    return [Event(now.reason, now.message, WARNING)]


def _accepted(status: o.WorklistStatus) -> o.Condition | None:
    return next((condition for condition in status.conditions if condition.type == "Accepted"), None)


def _expired(plan: Plan, blocks: list[o.Block]) -> list[Event]:
    gone = [
        block
        for block in blocks
        if block.status.phase == "Ready"
        and block.metadata.name in plan.blocks
        and plan.blocks[block.metadata.name].phase == "Expired"
    ]
    texts = [
        f"{block.metadata.name} was not heard of in time: {block.status.index}, {block.status.size} items, is handed "
        "out again."
        for block in gone
    ]
    return _few("BlockExpired", texts)


def _parked(before: o.WorklistStatus, after: o.WorklistStatus, ledger: Ledger) -> list[Event]:
    if after.parked_items <= before.parked_items or not before.conditions:
        return []
    texts = [f"Item {index} could not be worked: {parked.error}" for index, parked in ledger.parked.items()]
    return _few("ItemParked", [*reversed(texts)][: after.parked_items - before.parked_items])


def _few(reason: str, texts: list[str]) -> list[Event]:
    events = [Event(reason, text, WARNING) for text in texts[:TOLD_MAX]]
    if len(texts) > TOLD_MAX:
        events.append(Event(reason, f"And {len(texts) - TOLD_MAX} more.", WARNING))
    return events
