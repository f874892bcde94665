"""`worklist_status`, `block_status`: a list and a block as `kubectl` shows them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from msgspec.structs import replace

from teamtask.controller.manifests import selector
from teamtask.controller.restored import ENDED, PHASES, fingerprint_of, is_scattered, lease_id
from teamtask.kube import objects as o
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.list_state import ListState
from teamtask.wire.dates import rfc_3339
from teamtask.wire.exchange_fields import wire_fold
from teamtask.wire.interval_text import interval_text

if TYPE_CHECKING:
    from teamtask.controller.working import Slot, Working
    from teamtask.ledger.errors import TeamtaskError
    from teamtask.ledger.lease import Lease
    from teamtask.ledger.ledger import Ledger

ETA_DAYS_MAX = 9_999
_TOO_MANY_RANGES = "What is done lies in too many ranges: nothing new is handed out until some of them merge."
_WHY = {
    "LimitReached": "As many blocks are handed out as may be, of the list or of this holder.",
    "NotPermitted": "The list names who may work on it (spec.access), and the holder is not one of them.",
    "NoWork": "Everything is handed out.",
    "Suspended": "The list is suspended.",
    "Throttled": "Nothing new is handed out for now: the condition Throttled of the list says why.",
    "TooManyRanges": "What is done lies in too many ranges: the report is taken when some of them have merged.",
    "ResultsFull": "The ConfigMap of the results has no room left: name another one, or keep fewer (spec.results).",
    "UnreadableReport": "The indices in report.done are no interval text within the assignment.",
    "ReportRefused": "The report cannot be taken.",
    "FoldMissing": "The list has a fold: a report that ends an assignment says that of what is done.",
    "Expired": "Nothing was reported for the length of a lease: the range is handed out again.",
    "Finished": "The list is finished.",
    "NoSuchList": "There is no Worklist of this name.",
}


def worklist_status(working: Working, worklist: o.Worklist, now: float) -> o.WorklistStatus:
    """Give the status of a list; a date once set stays, and a condition has the date of its last change."""
    ledger, before = working.ledger, worklist.status
    parked = IntervalSet((index, index + 1) for index in sorted(ledger.parked))
    started = before.start_time or (rfc_3339(now) if ledger.leases or ledger.done.size else None)
    done = ledger.done.size
    sizes = [lease.block_size for lease in ledger.leases.values()]
    return o.WorklistStatus(
        observed_generation=worklist.metadata.generation,
        conditions=_conditions(working, worklist, now),
        phase=PHASES[ledger.state],
        size=ledger.size,
        fingerprint=before.fingerprint or fingerprint_of(worklist.spec),
        frontier=ledger.frontier,
        completed=interval_text(ledger.done),
        parked=interval_text(parked),
        failed_ranges=_failed_ranges(ledger),
        completed_items=done,
        failed_items=ledger.failed + len(ledger.parked),
        parked_items=len(ledger.parked),
        active_blocks=len(ledger.leases),
        restarts=working.restarts,
        results=ledger.results,
        fold=wire_fold(ledger.fold),
        rerun_revision=working.rerun_revision,
        worker_pods=working.crew.count,
        worker_selector=selector(worklist) if worklist.spec.workers is not None else "",
        progress=f"{done}/{ledger.size}",
        rate=_rate(ledger),
        eta=_eta(ledger),
        effective_block_size=max(sizes, default=before.effective_block_size),
        start_time=started,
        completion_time=(before.completion_time or rfc_3339(now)) if ledger.state in ENDED else None,
    )


def _failed_ranges(ledger: Ledger) -> list[o.FailedRange]:
    failed = (piece for piece in ledger.returned.pieces if piece.failures)
    return [
        o.FailedRange(piece.start, piece.stop - piece.start, piece.failures)
        for piece in islice(failed, o.FAILED_RANGES_MAX)
    ]


def _rate(ledger: Ledger) -> str:
    rate = _items_per_second(ledger)
    return f"{rate:.3g}/s" if rate else ""


def _eta(ledger: Ledger) -> str:
    """Give how long the rest takes, as kubectl shows ages: so coarsely that it does not change all the time."""
    rate = _items_per_second(ledger)
    if not rate:
        return ""
    seconds = (ledger.remaining + ledger.leased) / rate
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f}{unit}" if seconds < ETA_DAYS_MAX * 86_400 else f">{ETA_DAYS_MAX}d"
    return f"{seconds:.0f}s"


def _items_per_second(ledger: Ledger) -> float:
    return sum(lease.worker.speed for lease in ledger.leases.values())


def refused_status(worklist: o.Worklist, error: TeamtaskError, now: float) -> o.WorklistStatus:
    """Give the status of a list whose spec cannot be worked."""
    before, generation = worklist.status, worklist.metadata.generation
    message = f"{error} {error.hint or ''}".strip()
    accepted = _condition("Accepted", before.conditions, (False, "Invalid", message), generation, now)
    others = [condition for condition in before.conditions if condition.type != "Accepted"]
    return replace(before, phase="Invalid", observed_generation=generation, conditions=[accepted, *others])


def results_refused_status(worklist: o.Worklist, error: TeamtaskError, now: float) -> o.WorklistStatus:
    """Give the status of a list whose results the API server does not take."""
    before = worklist.status
    fact = (True, "ResultsRefused", f"The results cannot be kept: {error}")
    made = _condition("Throttled", before.conditions, fact, worklist.metadata.generation, now)
    others = [condition for condition in before.conditions if condition.type != "Throttled"]
    return replace(before, conditions=[*others, made])


def _conditions(working: Working, worklist: o.Worklist, now: float) -> list[o.Condition]:
    ledger, state = working.ledger, working.ledger.state
    reason = ledger.reason or ""
    parked = f"{len(ledger.parked)} items could not be worked." if ledger.parked else ""
    failed = {
        ListState.COMPLETE_EXCEPT: (True, "ItemsParked", parked),
        ListState.CANCELLED: (True, "DeadlineExceeded", "It was active for as long as activeDeadlineSeconds allow."),
    }
    accepted = (False, "RerunRefused", working.rerun_refused) if working.rerun_refused else (True, "Valid", "")
    complete = {ListState.COMPLETE: (True, "AllDone", ""), ListState.STOPPED: (False, "EnoughResults", reason)}
    facts = {
        "Accepted": accepted,
        "Progressing": (bool(ledger.leases), "BlocksActive" if ledger.leases else "NoBlocks", ""),
        "Throttled": _throttled(working, now),
        "Suspended": (state is ListState.PAUSED, "Suspended" if state is ListState.PAUSED else "Running", reason),
        "Complete": complete.get(state, (False, "ItemsLeft", "")),
        "Failed": failed.get(state, (False, "NotFailed", parked)),
        "Finished": (state in ENDED, "Finished" if state in ENDED else "ItemsLeft", ""),
    }
    if worklist.spec.workers is not None:
        crew = working.crew
        reason, message = crew.trouble or ("Running" if crew.count else "NoneNeeded", "")
        facts["WorkersReady"] = (crew.trouble is None, reason, message)
    return [
        _condition(kind, worklist.status.conditions, fact, worklist.metadata.generation, now)
        for kind, fact in facts.items()
    ]


def _throttled(working: Working, now: float) -> tuple[bool, str, str]:
    if working.is_full:
        return True, "ResultsFull", _WHY["ResultsFull"]
    if is_scattered(working.ledger):
        return True, "TooManyRanges", _TOO_MANY_RANGES
    if working.is_short(now):
        message = (
            f"The list may cause {working.writes_per_second:.3g} writes a second, those of its workers included: "
            f"{working.waited} of {len(working.slots)} blocks wait for that."
            + (" Lists of a higher priority go first." if working.is_behind else "")
        )
        return True, "WriteBudget", message
    return False, "NotThrottled", ""


def _condition(
    kind: str, before: list[o.Condition], fact: tuple[bool, str, str], generation: int, now: float
) -> o.Condition:
    true, reason, message = fact
    made = o.Condition(
        type=kind, status=str(true), reason=reason, message=message, last_transition_time=rfc_3339(now),
        observed_generation=generation,
    )  # fmt: skip
    for old in before:
        if old.type == kind and old.status == made.status:
            return replace(made, last_transition_time=old.last_transition_time)
    return made


def block_status(ledger: Ledger, worklist_uid: str, block: o.Block, slot: Slot, now: float) -> o.BlockStatus:
    """Give the status of a block: its assignment, or why it has none."""
    lease = ledger.leases.get(lease_id(block, slot.sequence))
    if lease is not None:
        return _with_work(worklist_uid, block, slot, lease, now)
    before = block.status
    phase, reason = o.PENDING, slot.reason or "NoWork"
    if ledger.state in ENDED:
        phase, reason = "Closed", "Finished"
    elif has_vanished(ledger, worklist_uid, block, slot):
        phase, reason = "Expired", "Expired"
    kept = before if phase == "Expired" else o.BlockStatus()
    fact = (False, reason, slot.message or _WHY[reason])
    return replace(
        kept,
        phase=phase,
        ready="0/1",
        sequence=slot.sequence,
        worklist_uid=worklist_uid,
        observed_generation=slot.generation,
        restarts=before.restarts,
        expires_at=None,
        assignments=before.assignments if phase == "Expired" else [],
        conditions=[_condition("Ready", before.conditions, fact, block.metadata.generation, now)],
    )


def unlisted_status(block: o.Block, now: float) -> o.BlockStatus:
    """Give the status of a block whose list is not there: not yet, or, if it had work, no more."""
    before = block.status
    fact = (False, "NoSuchList", _WHY["NoSuchList"])
    return o.BlockStatus(
        phase="Closed" if before.sequence else o.PENDING,
        sequence=before.sequence,
        observed_generation=block.metadata.generation,
        conditions=[_condition("Ready", before.conditions, fact, block.metadata.generation, now)],
    )


def has_vanished(ledger: Ledger, worklist_uid: str, block: o.Block, slot: Slot) -> bool:
    """Tell whether a block has lost its range while its holder said nothing; not where another one has done it."""
    before = block.status
    if slot.is_ours:
        return False  # its holder is the controller
    if slot.is_lost:
        return True
    if before.worklist_uid != worklist_uid or before.phase not in {"Ready", "Expired"}:
        return False  # it had a range of a deleted list that had this name, or none
    if slot.generation != before.observed_generation:
        return False
    ranges = IntervalSet((one.index, one.index + one.size) for one in before.assignments)
    return before.phase == "Expired" or not ledger.done.covers_all(ranges)


def _with_work(worklist_uid: str, block: o.Block, slot: Slot, lease: Lease, now: float) -> o.BlockStatus:
    assignments = [
        o.Assignment(index, min(lease.block_size, lease.stop - index))
        for index in range(lease.start, lease.stop, lease.block_size)
    ]
    unfinished = next(
        one for one in assignments if lease.rest.stops[0] > one.index and one.index + one.size > lease.rest.starts[0]
    )
    fact = (True, slot.reason or "Assigned", slot.message or _WHY.get(slot.reason, ""))
    if slot.trouble is not None:
        fact = (False, *slot.trouble)
    expires_at = rfc_3339(lease.expires)
    if slot.is_ours and (slot.sequence, assignments) == (block.status.sequence, block.status.assignments):
        expires_at = block.status.expires_at or expires_at  # it is renewed without a write
    return o.BlockStatus(
        phase="Ready",
        ready="0/1" if slot.trouble is not None else "1/1",
        sequence=slot.sequence,
        worklist_uid=worklist_uid,
        observed_generation=slot.generation,
        index=unfinished.index,
        size=unfinished.size,
        attempt=lease.failures + 1,
        restarts=lease.restarts,
        expires_at=expires_at,
        assignments=assignments,
        conditions=[_condition("Ready", block.status.conditions, fact, block.metadata.generation, now)],
    )
