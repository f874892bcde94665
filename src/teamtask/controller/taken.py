"""`take_report`: what a holder reports goes into the ledger, and its results to what is kept."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from teamtask.controller.kept_results import RESULTS_BYTES_MAX, KeptResults, result_row
from teamtask.controller.restored import key_of, lease_id, ranges_max, source_of
from teamtask.controller.told import report_of
from teamtask.controller.working import decide
from teamtask.kube import objects as o
from teamtask.kube.documents import DEPTH_MAX, is_deep
from teamtask.ledger.commands import Exchange, Failure, Report
from teamtask.ledger.interval_set import IntervalSet

if TYPE_CHECKING:
    from teamtask.controller.told import Told
    from teamtask.controller.working import Plan, Slot, Working
    from teamtask.ledger.commands import ReportReply
    from teamtask.ledger.ledger import Ledger

MOMENT_SECONDS = 0.001
RANGES_EXCESS = 9 / 8  # of what is in hand when nothing new is handed out any more, so much may still come in
DELETED = Failure("The block was deleted, and nothing of it had been done.")
POD_ENDED = "The pod that held it has ended."


def take_report(working: Working, block: o.Block, now: float, plan: Plan) -> None:
    """Record what a holder reports, once for each change of the spec; a block that goes gives back what it holds."""
    ledger, slot = working.ledger, working.slots[block.metadata.uid]
    if block.metadata.generation != slot.generation and not _take(working, slot, block, now, plan):
        return
    left = ledger.leases.get(lease_id(block, slot.sequence))
    is_deleted, slot.is_lost = block.metadata.deletion_timestamp is not None, working.has_lost_pod(block, now)
    if left is not None and (is_deleted or slot.is_lost):
        # Who went without a word, and had done nothing, may have been killed by an item. Whoever gave the range before
        # back was about to leave, and was given this one meanwhile.
        in_order = left.got_on or (block.spec.report is not None and block.spec.report.state == "Released")
        failure = DELETED if is_deleted else Failure(POD_ENDED)
        gone = Report(left.id, left.start, left.start, error=None if in_order else failure, release=in_order)
        _report(ledger, block, gone, now)
    if slot.is_lost:
        slot.message = POD_ENDED


def _parts_too_much(ledger: Ledger, told: Told) -> bool:
    """Tell whether a report leaves what is done in more ranges than the object of the list may have."""
    done, most = ledger.done, RANGES_EXCESS * ranges_max(ledger)
    if told.report is None or len(done) + len(told.report.ranges) <= most:
        return False
    after = done.copy()
    for start, stop in told.report.ranges:
        after.add(start, stop)
    return len(after) > max(most, len(done))


def _take(working: Working, slot: Slot, block: o.Block, now: float, plan: Plan) -> bool:
    """Take what is new; give False where it has to wait, because what is done or its results find no room."""
    ledger, held = working.ledger, working.ledger.leases.get(lease_id(block, slot.sequence))
    folds = ledger.rules.fold is not None
    plan.writes += 1  # the holder's own
    read = partial(report_of, block, held, folds=folds, keep=working.worklist.spec.results.keep)
    told = read()
    if _parts_too_much(ledger, told):
        told = read(in_order=True)
    rows = {} if any(is_deep(one.value) for one in told.results) else _rows(working, block, told)
    if wrong := _never_fits(told, rows):
        slot.generation, slot.reason, slot.message = block.metadata.generation, "ReportRefused", wrong
        return True
    too_many, full = _parts_too_much(ledger, told), bool(rows) and not working.kept.has_room(rows)
    working.is_full |= full
    if too_many or full:
        slot.reason = "ResultsFull" if full else "TooManyRanges"
        if held is not None:
            _report(ledger, block, Report(held.id, held.start, held.start), now)
        return False
    slot.generation, slot.reason, slot.message = block.metadata.generation, told.wrong, ""
    if told.report is None:
        return True
    reply = _report(ledger, block, told.report, now)
    if reply.error is not None:
        slot.reason, slot.message = "ReportRefused", str(reply.error)
    elif reply.status == "cut" and held is not None:  # its fold holds what others have done meanwhile
        _report(ledger, block, Report(held.id, held.start, held.start, release=True), now)
    elif folds and told.report.ranges and told.report.fold is None:
        slot.reason = "FoldMissing"
    recorded = None if reply.recorded is None else IntervalSet(reply.recorded)
    kept = {index: row for index, row in rows.items() if recorded is None or index in recorded}
    working.kept.keep(kept, {one.index for one in told.results if not one.ok})
    plan.writes += bool(kept)
    plan.results |= kept
    return True


def _never_fits(told: Told, rows: dict[int, str]) -> str:
    """Say what is wrong with results that could not be kept even where there is nothing else."""
    if told.results and not rows:
        return f"A result is nested more deeply than {DEPTH_MAX}."
    if any(len(row) > 2 * o.RESULT_BYTES_MAX for row in rows.values()):  # with its item
        return f"A result is larger than {o.RESULT_BYTES_MAX:,} bytes."
    if not KeptResults({}).has_room(rows):
        return f"The results of a report are larger than {RESULTS_BYTES_MAX:,} bytes: report them in several parts."
    return ""


def _rows(working: Working, block: o.Block, told: Told) -> dict[int, str]:
    if not told.results:
        return {}
    source, start, seq = source_of(working.worklist.spec), working.ledger.start, working.kept.next_seq
    return {
        one.index: result_row(seq + number, source.item(one.index - start), one, block.metadata.name)
        for number, one in enumerate(sorted(told.results, key=lambda one: one.index))
    }


def _report(ledger: Ledger, block: o.Block, report: Report, now: float) -> ReportReply:
    """Carry out a report as before the next expiry: whoever would expire may be the next to report."""
    then = min(now, ledger.next_expiry - MOMENT_SECONDS)
    return decide(ledger, Exchange(key_of(block), (report,)), then).reports[0]
