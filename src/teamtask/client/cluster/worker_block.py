"""`WorkerBlock`: a worker's exchanges with one list, carried out through the one Block that he holds."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from teamtask.client.cluster.held import Ending, Held, block_of_lease
from teamtask.client.cluster.quota_wait import QuotaWait
from teamtask.client.cluster.shown import intervals, state_of
from teamtask.client.cluster.watched_block import GONE_SECONDS, Lost, WatchedBlock, new_block
from teamtask.kube import objects as o
from teamtask.kube.kubernetes_error import NOT_FOUND, KubernetesError
from teamtask.ledger.errors import TeamtaskError
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.list_state import ListState
from teamtask.wire.limits import ITEMS_OF_LEASE_MAX
from teamtask.wire.messages import Lease, Reply, ReportStatus
from teamtask.wire.views import wire_error, wire_item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from teamtask.client.cluster.lists import Lists
    from teamtask.kube.identity import Identity
    from teamtask.wire.messages import Exchange, Report, Want

WAIT_SECONDS: Final = 60.0  # a claim waits so long for work, and is made again
HELD_RETRY_SECONDS: Final = 1.0  # who claims while he has work is told to come again
TELL_SECONDS_MAX: Final = 10.0  # progress waits so long for more, for each report is two writes
LIST_SECONDS: Final = 30.0  # how old what is known of the list may be
_TELL_RESULTS: Final = 500  # so many results, or bytes of them, wait no longer
_TELL_BYTES: Final = 131_072
_WAITING: Final = frozenset(("", "LimitReached", "NoWork", "NotPermitted", "ResultsFull", "Suspended", "Throttled"))
_NOT_TAKEN: Final = frozenset(("FoldMissing", "ReportRefused", "UnreadableReport"))
_OVER: Final = frozenset((ListState.COMPLETE, ListState.COMPLETE_EXCEPT, ListState.STOPPED, ListState.CANCELLED))


class _NotTaken(TeamtaskError):
    """The controller does not take what was reported."""

    code = "report_refused"

    def __init__(self, block: o.Block) -> None:
        super().__init__(_why(block))


class WorkerBlock:
    """One exchange at a time; `hurry` may be called in any thread.

    Raises KubernetesError, ServerUnreachable where no controller answers, ApiError and NoSuchWorklist.
    """

    def __init__(self, lists: Lists, identity: Identity, name: str, worker: str) -> None:
        self._lists = lists
        self._identity = identity
        self._name = name
        self._worker = worker
        self._lock = Lock()
        self._own: WatchedBlock | None = None
        self._quota = QuotaWait()
        self._is_hurried = False
        self._is_adopted = False  # from the pod's life before, whose assignment may be done in part
        self._held: Held | None = None
        self._ended = -1  # the assignment that was ended last
        self._told_at = 0.0

    @property
    def in_the_way(self) -> str | None:
        """Why there is no block for this worker yet, in a sentence; None where there is one."""
        words = self._quota.words
        return None if words is None else f"No room for a block of this worker: {words}. Waiting until there is."

    def hurry(self) -> None:
        """Have a claim that waits for work be answered now: the worker is about to leave."""
        self._is_hurried = True
        if self._own is not None:
            self._own.wake()

    def leave(self) -> None:
        """Give back what there is, and take the block away."""
        is_silent = self._lock.acquire(timeout=GONE_SECONDS)  # else a message is in hand still
        try:
            own = self._own
            if own is None:
                return
            if is_silent and self._is_new(own.block):
                own.report({"sequence": own.block.status.sequence, "state": "Released"})
            own.delete()
        except Lost:
            pass
        finally:
            if is_silent:
                self._release()

    def _release(self) -> None:
        if self._own is not None:
            self._own.close()
        self._own = self._held = None
        self._lock.release()

    def exchange(self, message: Exchange) -> Reply:
        """Say what a worker says, and give him more to do if he wants it."""
        with self._lock:
            statuses = self._report(message.reports, wants=message.want is not None)
            lease: Lease | None = None
            retry: float | None = HELD_RETRY_SECONDS
            if message.want is not None and self._held is None:
                lease = self._claimed_in_quota(message.want)
                retry = self._quota.seconds
            state = self._state()
            if lease is not None or state in _OVER:
                retry = None
            return Reply(statuses, () if lease is None else (lease,), str(state), retry, self._reason())

    # --- reports

    def _report(self, reports: Sequence[Report], *, wants: bool) -> tuple[ReportStatus, ...]:
        held = self._held
        ours = [report for report in reports if held is not None and report.lease == held.lease]
        told: list[ReportStatus] = []
        if held is not None and ours:
            ending, refused = held.hear(ours)
            try:
                self._tell(held, ending, wants=wants)
            except Lost:
                self._held = None
                told = [ReportStatus(held.lease, "stale") for _ in ours]
            except _NotTaken as error:
                told = [ReportStatus(held.lease, "error", error=wire_error(error)) for _ in ours]
            else:
                told = [one or self._status(held, ending) for one in refused]
        answers = iter(told)
        return tuple([next(answers) if report in ours else self._late(report) for report in reports])

    def _tell(self, held: Held, ending: Ending | None, *, wants: bool) -> None:
        """Report what is to be told now, and wait until it is taken in. Raises Lost."""
        own = self._own
        if own is None:
            raise Lost
        if ending is None and not self._is_due(held):
            return
        leaves = ending is not None and not wants and (self._is_hurried or ending.state == "Released")
        parts = held.parts(ending)
        for part in parts:
            generation = own.report(part.document)
            self._told_at = time.monotonic()
            if leaves and part is parts[-1]:
                own.delete()  # at once, lest more is assigned; what it says is counted before it goes
                own.wait_until_gone()
                own.close()
                self._own = None
            else:
                own.wait_until_seen(generation)
            held.taken_in(part)
        if ending is not None:
            self._ended, self._held = held.sequence, None
        if leaves:
            return
        is_there = _has(own.block, held.sequence)
        if is_there and (ending is not None or _condition(own.block) in _NOT_TAKEN):
            self._held = None
            raise _NotTaken(own.block)
        if not is_there and ending is None:
            raise Lost

    def _is_due(self, held: Held) -> bool:
        """Tell whether progress is worth two writes."""
        spec = self._lists.seen(self._name, LIST_SECONDS).worklist.spec
        news = held.news
        if news and spec.stop_after_results is not None:
            return True
        if len(news) >= _TELL_RESULTS or sum(kept.size for kept in news) >= _TELL_BYTES:
            return True
        return time.monotonic() - self._told_at >= min(TELL_SECONDS_MAX, spec.lease_seconds / 4)

    def _status(self, held: Held, ending: Ending | None) -> ReportStatus:
        left = held.open
        cursor = left.starts[0] if left else held.end
        if ending is not None:
            return ReportStatus(held.lease, ending.status, cursor, held.end)
        seconds = self._lists.seen(self._name, LIST_SECONDS).worklist.spec.lease_seconds
        return ReportStatus(held.lease, "held", cursor, held.end, seconds)

    def _late(self, report: Report) -> ReportStatus:
        """Report on an assignment that is not held now: its block may be there still, also one of a dead process."""
        found = block_of_lease(report.lease)
        block = None if found is None else self._late_block(*found)
        if block is None:
            return ReportStatus(report.lease, "stale")
        seen = self._lists.seen(self._name, LIST_SECONDS)
        late = Held(block.block, seen.worklist.spec.fold, IntervalSet())
        ending, refused = late.hear([report])
        if refused[0] is not None:
            return refused[0]
        is_own = self._own is not None and block.block.metadata.uid == self._own.block.metadata.uid
        try:
            for part in late.parts(ending or (None if is_own else Ending("Released"))):
                block.wait_until_seen(block.report(part.document))
                late.taken_in(part)
            if not is_own:
                block.delete()
        except Lost:
            return ReportStatus(report.lease, "stale")
        finally:
            block.close()
        done = intervals(self._lists.read(self._name).worklist.status.completed)
        return ReportStatus(report.lease, "done" if late.done and done.covers_all(late.done) else "stale")

    def _late_block(self, name: str, uid: str, sequence: int) -> WatchedBlock | None:
        """Find a block of ours that still has this assignment."""
        path = self._lists.blocks_path
        try:
            found = o.read_block(self._lists.server.call("GET", f"{path}/{name}"))
        except KubernetesError as error:
            if error.status != NOT_FOUND:
                raise
            return None
        status = found.status
        is_there = found.metadata.uid == uid and status.sequence == sequence and bool(status.assignments)
        is_ours = found.spec.holder == self._identity.user and found.spec.list_ref.name == self._name
        return WatchedBlock(self._lists.server, path, found) if is_there and is_ours else None

    # --- claims

    def _claimed_in_quota(self, want: Want) -> Lease | None:
        """As `_claimed`, but where a quota has no room for the block nothing is asked until it is time."""
        if self._quota.seconds:
            return None
        try:
            return self._claimed(want)
        except KubernetesError as error:
            if not error.quota_words:
                raise
            self._quota.begin(error.quota_words)
            return None

    def _claimed(self, want: Want) -> Lease | None:
        """Wait for an assignment; None when the time is over, or the list is."""
        until = time.monotonic() + WAIT_SECONDS
        is_sure = False
        while True:
            own = self._present(want)
            block = own.block
            if self._is_new(block):
                return self._hold(block, want)
            try:
                if block.status.phase == "Closed":
                    if is_sure:
                        return None
                    own.read()  # it may have been opened again since
                    is_sure = True
                    continue
                if block.status.phase == "Expired" and block.status.sequence != self._ended:
                    self._ended = block.status.sequence  # whoever was silent is given more once he speaks
                    own.report({"sequence": self._ended, "state": "Working"})
                own.wait_until_seen(1)
                left = until - time.monotonic()
                if own.block is not block:
                    continue  # it has work now, or is closed
                if left <= 0 or self._is_hurried:
                    return None
                own.next(left)
            except Lost:  # somebody has deleted it
                own.close()
                self._own = None

    def _present(self, want: Want) -> WatchedBlock:
        if self._own is None:
            seen = self._lists.seen(self._name, LIST_SECONDS)  # a block of a list that is not there would wait for ever
            if want.items and seen.worklist.status.fingerprint:
                self._lists.source_of(seen)  # whoever cannot read it makes no block
            own, self._is_adopted = new_block(self._lists, self._identity, self._name, self._worker)
            self._ended = -1
            self._own = own
            self._quota.end()
        return self._own

    def _is_new(self, block: o.Block) -> bool:
        return _has(block, block.status.sequence) and block.status.sequence != self._ended

    def _hold(self, block: o.Block, want: Want) -> Lease:
        """Take an assignment, with its items if they are wanted and few."""
        seen = self._lists.seen(self._name, LIST_SECONDS)
        if seen.worklist.metadata.uid != block.status.worklist_uid or not seen.worklist.status.fingerprint:
            seen = self._lists.read(self._name)
        spec = seen.worklist.spec
        held = Held(block, spec.fold, IntervalSet())
        if self._is_adopted:
            rest = Held(block, spec.fold, intervals(self._lists.read(self._name).worklist.status.completed))
            held = rest if rest.rest else held
        fingerprint = seen.worklist.status.fingerprint.partition(":")[2]
        uid = block.status.worklist_uid
        lease = held.as_lease(self._name, uid, block.metadata.name, fingerprint, spec.lease_seconds)
        source = self._lists.source_of(seen) if want.items else None
        if source is not None and lease.size <= ITEMS_OF_LEASE_MAX:
            items = source.items(lease.index - spec.start_index, lease.size)
            lease = replace(lease, items=tuple(map(wire_item, items)))
        # Last, as each call before may fail: then the assignment is still to be taken.
        self._held, self._is_adopted, self._told_at = held, False, time.monotonic()
        return lease

    # --- how the list stands

    def _state(self) -> ListState:
        block = None if self._own is None else self._own.block
        if block is not None and block.status.phase in ("Ready", "Expired"):
            return ListState.RUNNING
        if block is not None and block.status.phase == o.PENDING and _condition(block) in _WAITING:
            return ListState.PAUSED if _condition(block) == "Suspended" else ListState.RUNNING
        return state_of(self._lists.seen(self._name, LIST_SECONDS if self._quota.words else 0.0).worklist)

    def _reason(self) -> str | None:
        own = self._own
        if self._quota.words:
            return self.in_the_way
        if own is None or own.block.status.phase != o.PENDING:
            return None
        return _why(own.block) or None


def _has(block: o.Block, sequence: int) -> bool:
    status = block.status
    return status.phase == "Ready" and status.sequence == sequence and bool(status.assignments)


def _condition(block: o.Block) -> str:
    """Give the reason, in a word, for which a block has no work."""
    return next((one.reason for one in block.status.conditions if one.type == "Ready"), "")


def _why(block: o.Block) -> str:
    """Give the same in a sentence."""
    return next((one.message for one in block.status.conditions if one.type == "Ready"), "")
