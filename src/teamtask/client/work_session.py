"""`WorkSession`: the work of one program on one list: claims ahead, renews, reports, in a thread of its own.

The program takes blocks and tells what it has done; the thread says so to the server, with what else is to be said, one
exchange at a time. It ends when the list is finished, when the program leaves, and when the program itself ends.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from teamtask.client.held_lease import HeldLease, Sent
from teamtask.client.spool import SpoolFull, SpoolNotWritable
from teamtask.ledger.errors import TeamtaskError
from teamtask.ledger.list_state import ListState
from teamtask.wire.messages import Exchange, Want

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.client.block import Block
    from teamtask.client.exchanging import Exchanging
    from teamtask.ledger.folds import FoldRule
    from teamtask.wire.messages import Reply, ReportStatus

TELL_SECONDS: Final = 1.0  # news go at once, but no more often than this
END_SECONDS: Final = 0.02  # so long a lease that is done waits for the claim that follows
AHEAD_EXCHANGES: Final = 2  # so many exchanges before there is nothing to do more is claimed
AHEAD_SECONDS: Final = 0.05
ASK_SECONDS: Final = 5.0  # how often a finished list is asked whether there is more, with `forever`
TICK_SECONDS: Final = 0.5  # for signals, and the end of the program
LAST_WORDS_SECONDS: Final = 10.0
MESSAGE_BYTES_MAX: Final = 8 << 20
WAITING_BYTES_MAX: Final = 64 << 20  # of results that wait; then the program waits too
_COUNTED_MAX: Final = 1 << 50  # items; how long more of them take is not asked
OVER: Final = frozenset((ListState.COMPLETE, ListState.COMPLETE_EXCEPT, ListState.STOPPED, ListState.CANCELLED))
_NEVER: Final = float("inf")


class ReportRefused(TeamtaskError):
    """The list does not take what was reported."""

    code = "report_refused"


class WorkSession:
    """Safe for one program and the session's own thread."""

    def __init__(
        self,
        exchanging: Exchanging,
        worker: str,
        *,
        fold_rule: FoldRule | None = None,
        want: Want,
        forever: bool = False,
        notify: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Begin: the thread is started, which claims the first lease."""
        self.fold_rule = fold_rule
        self.stopping = False  # begin nothing more; may be set in a signal handler
        self._tells_cursor: bool | None = None  # whether what was only iterated is told
        self._exchanging = exchanging
        self._worker = worker
        self._want = want
        self._forever = forever
        self._notify = notify
        self._changed = threading.Condition()  # guards all that follows
        self._held: list[HeldLease] = []
        self._block: Block | None = None  # in hand
        self._in_flight: list[Sent] = []
        self._is_hungry = True
        self._is_over = False
        self._closing = False
        self._trouble: BaseException | None = None
        self._ask_at = 0.0
        self._due_at = _NEVER  # when news are to be told
        self._told_at = 0.0
        self._exchange_seconds = 0.0
        self._item_seconds: float | None = None
        self._pid = os.getpid()
        self._program = threading.current_thread()
        self._thread = threading.Thread(target=self._run, name="teamtask-work")
        self._thread.start()

    # --- the program's side

    def begin_block(self, make: Callable[[HeldLease, int, int], Block]) -> Block | None:
        """Wait for a block; None when there is no more. Raises what went wrong."""
        self._program = threading.current_thread()
        with self._changed:
            while True:
                if self._trouble is not None:
                    raise self._trouble
                held = next((held for held in self._held if held.to_begin), None)
                if self.stopping or (held is None and self._is_over and not self._held):
                    return None
                if held is not None and self._waiting_bytes <= WAITING_BYTES_MAX:
                    self._block = make(held, *held.begin_block())
                    return self._block
                self._is_hungry = held is None
                self._changed.notify_all()
                self._changed.wait(TICK_SECONDS)

    def end_block(self, block: Block, fold: Any = None) -> None:  # noqa: ANN401 - any JSON
        """Put the block in hand away, done as far as it says."""
        with self._changed:
            if self._block is not block:
                return
            self._tell(block, self._done_of(block), fold)
            self._block = None
            block.held.put_away()
            if block.upto > block.index:
                items = min(block.upto - block.index, _COUNTED_MAX)
                self._item_seconds = (time.monotonic() - block.begun_at) / items
            if block.held.is_worked:
                self._due_by(time.monotonic() + END_SECONDS)

    def results_come(self, *, in_order: bool) -> None:
        """Learn how the program gives results; once they came late, what was only iterated is never told."""
        self._tells_cursor = in_order and self._tells_cursor is not False

    def tell(self, block: Block, fold: Any = None) -> None:  # noqa: ANN401 - any JSON
        """Take note of what is said to be done of the block in hand, with its fold where the list has one."""
        with self._changed:
            if self._block is block:
                self._tell(block, block.said, fold)
                self._due_by(self._told_at + TELL_SECONDS)

    def _done_of(self, block: Block) -> int:
        """Give how far a block may be told: of what was only iterated, results may be still to come."""
        return block.upto if self._tells_cursor else block.said

    def _tell(self, block: Block, upto: int, fold: Any) -> None:  # noqa: ANN401 - any JSON
        if self.fold_rule is None or fold is not None:
            block.held.tell(block.told, upto, fold)
            block.told = max(block.told, upto)

    def result(self, block: Block, index: int, value: bytes, *, ok: bool) -> None:
        """Keep a result of the block in hand until its index is told."""
        with self._changed:
            if self._block is block:
                block.held.result(index, value, ok=ok)
                self._due_by(self._told_at + TELL_SECONDS)

    def fail(self, block: Block, message: str, index: int | None) -> None:
        """Give the block in hand up, and with it its lease."""
        with self._changed:
            if self._block is block:
                block.held.fail(message, index, block.stop)
                self.end_block(block)

    def stop(self) -> None:
        """Begin nothing more."""
        with self._changed:
            self.stopping = True
            self._changed.notify_all()
        self._exchanging.hurry()

    def close(self, *, wait: bool = True) -> None:
        """Give back what is held, and say the last words; what cannot be said within 10 s goes into the spool."""
        if self._pid != os.getpid():
            return  # after a fork the work is its parent's
        with self._changed:
            if self._block is not None:
                self.end_block(self._block)
            self._closing = True
            self._changed.notify_all()
        self._exchanging.give_up(LAST_WORDS_SECONDS)
        if wait:
            self._thread.join(2 * LAST_WORDS_SECONDS)

    @property
    def _waiting_bytes(self) -> int:
        return sum(held.waiting_bytes for held in self._held)

    def _due_by(self, at: float) -> None:
        if at < self._due_at:
            self._due_at = at
            self._changed.notify_all()

    # --- the thread's side

    def _run(self) -> None:
        try:
            while (message := self._next_message()) is not None:
                began = time.monotonic()
                reply = self._exchanging(message)
                with self._changed:
                    self._heed(reply, claimed=message.want is not None, began=began)
                    self._changed.notify_all()
        except BaseException as error:  # noqa: BLE001 - it is raised where the next block is asked for
            self._end_in_trouble(error)
        finally:
            self._exchanging.leave(self._worker)

    def _next_message(self) -> Exchange | None:
        """Wait until there is something to say; None when there is nothing any more."""
        with self._changed:
            while True:
                now = time.monotonic()
                self._look_at_program()
                self._held = [held for held in self._held if not held.is_over or held.has_news or held.in_hand]
                if self._closing or (self._is_over and not self._held):
                    return self._message(now, claims=False) if self._held else None
                claims_at = self._claims_at(now)
                due_at = min([self._due_at, *(held.renew_at for held in self._held)])
                if min(claims_at, due_at) <= now:
                    return self._message(now, claims=claims_at <= now)
                self._changed.wait(min(claims_at, due_at, now + TICK_SECONDS) - now)

    def _look_at_program(self) -> None:
        if not self._program.is_alive() and not self._closing:  # it ended within its loop
            self._closing = True
            self._exchanging.give_up(LAST_WORDS_SECONDS)
            if self._block is not None:
                self.end_block(self._block)

    def _claims_at(self, now: float) -> float:
        """Give when to ask for another lease: shortly before there is nothing to do."""
        if self._is_over or self.stopping:
            return _NEVER
        if self._block is None:
            return self._ask_at if self._is_hungry else _NEVER
        left = sum(held.to_begin for held in self._held) + self._block.stop - self._block.upto
        done, elapsed = self._block.upto - self._block.index, now - self._block.begun_at
        item_seconds = elapsed / min(done, _COUNTED_MAX) if done else self._item_seconds
        if item_seconds is None or left > _COUNTED_MAX:
            return _NEVER
        ends_at = (now if done else self._block.begun_at) + left * item_seconds
        return max(self._ask_at, ends_at - AHEAD_EXCHANGES * self._exchange_seconds - AHEAD_SECONDS)

    def _message(self, now: float, *, claims: bool) -> Exchange:
        """Report on every lease that is held, as far as it goes into one message."""
        if self._block is not None:
            self._tell(self._block, self._done_of(self._block), None)
        self._in_flight = []
        size = 0
        for held in self._held:
            if size < MESSAGE_BYTES_MAX and (held.has_news or not held.is_over):
                self._in_flight.append(held.report(now, release=self._closing))
                size += self._in_flight[-1].size
        self._told_at, self._due_at = now, _NEVER
        request = secrets.token_urlsafe(12) if claims else None
        reports = tuple([sent.report for sent in self._in_flight])
        return Exchange(self._worker, request, self._want if claims else None, reports)

    def _heed(self, reply: Reply, *, claimed: bool, began: float) -> None:
        now = time.monotonic()
        self._exchange_seconds = (self._exchange_seconds + now - began) / 2
        sent, self._in_flight = self._in_flight, []
        for one, status in zip(sent, reply.reports, strict=True):
            self._hear(one, status)
            if one.held.is_over and not claimed:
                self._ask_at = 0.0  # who holds less may be given more
        is_over = reply.state in OVER
        if is_over:
            for held in self._held:
                held.leave()
        for lease in reply.leases:
            self._held.append(HeldLease(lease, self.fold_rule, began))
            self._is_hungry = False
        if claimed and not reply.leases:
            seconds = reply.retry_in_seconds
            is_over = is_over or seconds is None
            self._ask_at = now + (ASK_SECONDS if seconds is None else seconds)
        self._is_over = is_over and not self._forever
        if any(held.is_worked and (held.has_news or not held.is_over) for held in self._held):
            self._due_by(now)
        elif self._waiting_bytes:
            self._due_by(self._told_at + TELL_SECONDS)

    def _hear(self, sent: Sent, status: ReportStatus) -> None:
        if status.error is not None:
            sent.held.refuse(sent)
            told = status.error
            self._trouble = ReportRefused(told.get("message"), hint=told.get("hint"), reason=told.get("code"))
        else:
            sent.held.hear(sent, status)

    def _end_in_trouble(self, error: BaseException) -> None:
        """Tell the program, wait until it leaves, and keep what is finished."""
        with self._changed:
            if not self._closing:
                self._trouble = error
            self._changed.notify_all()
            while not self._closing and self._program.is_alive():
                self._changed.wait(TICK_SECONDS)
            reports = [sent.report for sent in self._in_flight]
            while (held := next((held for held in self._held if held.has_news), None)) is not None:
                reports.append(held.report(time.monotonic()).report)
        try:
            self._exchanging.keep(self._worker, reports)
        except (SpoolFull, SpoolNotWritable) as trouble:
            self._notify(f"{trouble.message} What was finished and not reported is worked again.")
