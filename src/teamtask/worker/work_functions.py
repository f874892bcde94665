"""`FunctionWork`: works a list with a Python function, in many processes; what is finished is reported in groups.

Leases are cut into pieces of some 25 ms, so that all processes are busy to the end and none has much that another could
do. Results pass through this process as bytes; only whoever wants them unpacks them.
"""

from __future__ import annotations

import pickle
import time
from array import array
from typing import TYPE_CHECKING, Any, Final

from teamtask.ledger.errors import TeamtaskError
from teamtask.ledger.interval_set import IntervalSet
from teamtask.worker.dead_process import how_it_ended, post_mortem
from teamtask.worker.held_ranges import Finished, HeldRanges
from teamtask.worker.piece_queue import PieceQueue, Range
from teamtask.worker.portable import dumped, portable_error, text_of_error
from teamtask.worker.worker_loop import (
    EXCHANGES_AHEAD,
    TICK_SECONDS,
    WAITING_BYTES_MAX,
    WorkerLoop,
    goes_on,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.wire.messages import Lease, Reply, ReportStatus
    from teamtask.worker.function_pool import FunctionPool, FunctionProcess
    from teamtask.worker.held_ranges import HeldRange, Keeping, SentRanges
    from teamtask.worker.port import Port
    from teamtask.worker.worker_loop import InFlight

SHARE_SECONDS: Final = 0.1  # a process that has been at a piece for so long shares it with one that has nothing to do

PROBE_SECONDS: Final = 0.005  # so long the first item is waited for before a second one is claimed


class ReportRefused(TeamtaskError):
    """A report was refused."""

    code = "report_refused"


class FunctionWatcher:
    """Who is told what happens; a subclass looks at what it wants to know."""

    def is_full(self) -> bool:
        """Tell whether nothing new is to be begun now."""
        return False

    def kept(self, sent: SentRanges) -> None:
        """Look at what has been recorded, before its lease was over."""

    def refused(self, index: int, error: bytes) -> None:
        """Look at the exception, pickled, of an item that has no outcome."""

    def tick(self, running: int) -> None:
        """Look at the clock; so many processes are at work."""

    def finished(self, index: int, item: object, finished: Any) -> None:  # noqa: ANN401 - WorkerLoop's, for commands
        """Never called: outcomes come as they are recorded."""


class FunctionWork(WorkerLoop[Any]):
    """Works until there is nothing more.

    A failed item, or one that its process died of, counts for `halt_after`; one that takes longer than
    `timeout_seconds` fails, after so many `retries`. `items_of` gives the items of a range, pickled as a list, where
    the processes cannot make them, else None.
    """

    def __init__(  # noqa: PLR0913 - those of WorkerLoop, and its own
        self,
        port: Port,
        worker: str,
        pool: FunctionPool,
        watcher: FunctionWatcher,
        *,
        keeping: Keeping,
        items_of: Callable[[int, int], bytes | None] | None = None,
        timeout_seconds: float | None = None,
        retries: int = 0,
        halt_after: int | None = None,
        **settings: Any,  # noqa: ANN401 - those of WorkerLoop
    ) -> None:
        runner: Any = pool  # it waits and counts as a CommandRunner does
        super().__init__(port, worker, runner, watcher, **settings)
        self._pool = pool
        pool.may_fork = lambda: self._in_flight is None
        self._told = watcher
        self._keeping = keeping
        self._items_of = items_of
        self._timeout_seconds = timeout_seconds
        self._retries = retries
        self._halt_after = halt_after
        self._held = HeldRanges(keeping, self._is_in_hand)
        self._queue = PieceQueue(pool.processes_max)
        self._probed_at = 0.0
        self.failed = 0
        self._fatal: bytes | None = None  # an exception, pickled

    @property
    def pool(self) -> FunctionPool:
        """The processes, and what else they wait for."""
        return self._pool

    def run(self) -> None:
        """As WorkerLoop; raises what went wrong with a source or a fold too, whatever it is."""
        super().run()
        if self._fatal is not None:
            raise pickle.loads(self._fatal)  # noqa: S301 - from a process of our own

    # --- one turn of WorkerLoop.run

    def _turn(self) -> bool:
        self._take_answer()
        if self._stopping:
            self._queue.drop()
            if self._killed_at is not None:
                self._pool.kill_all()
            else:
                self._pool.stop_all()
        else:
            self._fill()
        if not self._pool.running and not self._queue.size and (self._stopping or self._over):
            self._await_answer()
            return False
        for process, message in self._pool.wait(self._pause()):
            if message is None:
                self._died(process)
            else:
                _TAKE[message[0]](self, process, *message[1:])
        now = time.monotonic()
        if self._timeout_seconds is not None:
            self._kill_overdue(now, self._timeout_seconds)
        if not self._queue.size and not self._stopping:
            self._share(now)
        self._told.tick(self._pool.running)
        if self._may_report(now):
            self._report_if_due(now)
        return True

    def _finish(self, finished: Any) -> None:  # noqa: ANN401 - WorkerLoop's, for commands
        raise NotImplementedError

    def _pause(self) -> float:
        pause = TICK_SECONDS if self._is_full and not self._held.waiting_bytes else super()._pause()
        if not self._queue.knows_speed and self._pool.free_slots and self._may_claim(time.monotonic()):
            pause = min(pause, PROBE_SECONDS)
        return pause if self._timeout_seconds is None else min(pause, self._timeout_seconds / 4)

    def _fill(self) -> None:
        while not self._stopping and not self._is_full and self._pool.has_room(self._queue.ahead):
            if not self._queue.size and self._may_claim(now := time.monotonic()):
                if self._pool.running and not self._queue.knows_speed and now - self._probed_at < PROBE_SECONDS:
                    break  # what is quick will be claimed in large pieces at once
                self._probed_at = time.monotonic()
                self._report(claim=True)
            if not self._queue.size:
                break
            some = self._queue.take()
            try:
                self._pool.give(some, None if self._items_of is None else self._items_of(some.index, some.size))
            except TeamtaskError:
                self._queue.put_back(some)
                raise
        if self._ahead and self._queue.knows_speed and self._wants_claim(time.monotonic()):
            self._report(claim=True)

    @property
    def _is_full(self) -> bool:
        return self._told.is_full() or self._held.waiting_bytes >= WAITING_BYTES_MAX

    def _wants_claim(self, now: float) -> bool:
        """Tell whether more is to be claimed: the processes will soon have nothing to do."""
        seconds = EXCHANGES_AHEAD * self._exchange_seconds if self._ahead else 0.0
        return self._may_claim(now) and not self._is_full and self._queue.is_low(seconds)

    def _share(self, now: float) -> None:
        """Have a process that has much give some of it to one that has nothing."""
        if not self._pool.free_slots or self._is_full:
            return
        for process in self._pool.processes:
            if process.pieces and not process.asked and now - process.handed_at >= SHARE_SECONDS:
                piece = process.pieces[0]
                if piece.size - piece.at > 1 or len(process.pieces) > 1:
                    self._pool.ask(process, "share")

    # --- what processes say

    def _take_kept(
        self, process: FunctionProcess, number: int, at: int, count: int, mean: float, values: bytes,
        failed: tuple[int, ...], seconds: bytes,
    ) -> None:  # fmt: skip
        held, start = self._advance(process, number, at, count)
        self._queue.measure(mean)
        self._keep(held, Finished(start, start + count, values, failed, seconds))

    def _take_folded(
        self, process: FunctionProcess, number: int, at: int, count: int, mean: float, fold: bytes
    ) -> None:  # fmt: skip
        held, start = self._advance(process, number, at, count)
        self._queue.measure(mean)
        value = pickle.loads(fold)  # noqa: S301 - from a process of our own
        self._keep(held, Finished(start, start + count, fold=value))

    def _take_refused(self, process: FunctionProcess, number: int, at: int, message: str, error: bytes) -> None:
        held, index = self._advance(process, number, at, 1)
        self._refuse(held, index, message, error)

    def _take_end(self, process: FunctionProcess, number: int, at: int) -> None:
        """Take the end of a piece, maybe before its time."""
        piece = next(piece for piece in process.pieces if piece.number == number)
        process.pieces.remove(piece)
        process.handed_at = time.monotonic()
        process.asked = ""
        self._queue.put_back(piece.rest(at))

    def _take_shrunk(self, process: FunctionProcess, number: int, stop: int) -> None:
        """Take back the end of a piece in hand."""
        piece = next(piece for piece in process.pieces if piece.number == number)
        rest = piece.rest(stop)
        piece.size = stop
        process.asked = ""
        process.handed_at = time.monotonic()
        self._queue.put_back(rest)

    def _take_fatal(self, _process: FunctionProcess, error: bytes) -> None:
        self._fatal = self._fatal or error
        self.stop()

    def _advance(self, process: FunctionProcess, number: int, at: int, count: int) -> tuple[HeldRange, int]:
        piece = process.pieces[0]
        assert (piece.number, piece.at) == (number, at), "a process works its pieces in order"
        piece.at = at + count
        return piece.held, piece.index + at

    def _keep(self, held: HeldRange, finished: Finished) -> None:
        self._held.finish(held, finished)
        self._count(len(finished.failed))

    def _refuse(self, held: HeldRange, index: int, message: str, error: bytes) -> None:
        self._held.refuse(held, index, message)
        self._told.refused(index, error)
        self._count(1)

    def _count(self, failed: int) -> None:
        self._pool.was_fruitful(fruitful=True)
        self.failed += failed
        if failed and self._halt_after is not None and self.failed >= self._halt_after:
            self.halt()

    def _is_in_hand(self, held: HeldRange) -> bool:
        return any(piece.held is held for process in self._pool.processes for piece in process.pieces)

    # --- processes that die, or must

    def _kill_overdue(self, now: float, timeout_seconds: float) -> None:
        for process in self._pool.processes:
            mark = process.mark.read() if process.pieces and not process.timed_out else None
            if mark is not None and now - mark.began > timeout_seconds:
                process.timed_out = True
                process.kill()

    def _died(self, process: FunctionProcess) -> None:
        again, index, seconds = post_mortem(process)
        if self._killed_at is not None or not again:
            return
        held, tries = process.pieces[0].held, process.pieces[0].tries
        for some in reversed(again):
            self._queue.put_back(some)
        if index is None:
            self._pool.was_fruitful(fruitful=False)
            return
        if not process.timed_out or self._timeout_seconds is None:
            message = f"The process that worked this item {how_it_ended(process.status or 0)}."
            self._refuse(held, index, message, dumped(RuntimeError(message)))
            return
        if seconds < self._timeout_seconds:  # it got on while it was being killed
            self._queue.put_back(Range(held, index, 1, tries=tries))
            return
        if tries < self._retries and not self._stopping:
            self._queue.put_back(Range(held, index, 1, tries=tries + 1))
            return
        error = TimeoutError(f"The function did not return within {self._timeout_seconds:g} s.")
        if self._keeping.keeps_outcomes:
            taken = array("f", (seconds,)).tobytes()
            self._keep(held, Finished(index, index + 1, dumped([error]), (0,), taken))
        else:
            self._refuse(held, index, text_of_error(error), dumped(error))

    # --- reports

    def _due_at(self) -> float | None:
        return self._reported_at + self._wait_seconds if self._held.has_to_report else None

    @property
    def _wait_seconds(self) -> float:
        return max(self._report_seconds, self._keeping.report_seconds)

    def _report_if_due(self, now: float) -> None:
        if self._held.has_to_report:
            if now - self._reported_at >= self._wait_seconds:
                self._report(claim=self._wants_claim(now))
        elif now - self._reported_at >= self._look_seconds:
            oldest = self._held.oldest_report()
            if oldest is not None and now - oldest >= self._silent_seconds:
                self._report()

    def _reports(self, now: float, *, claim: bool, release: bool) -> list[SentRanges]:  # noqa: ARG002 - WorkerLoop's
        try:
            return self._held.reports(now, self._silent_seconds, release=release)
        except Exception as error:  # noqa: BLE001 - the fold's, maybe foreign code
            self._fatal = self._fatal or dumped(portable_error(error))
            self.stop()
            self._held.forget_finished()
            return self._held.reports(now, self._silent_seconds, release=release)

    def _put_back(self, sent: SentRanges) -> None:
        self._held.put_back(sent)

    def _hold(self, lease: Lease, now: float) -> None:
        held = self._held.add(lease, now)
        for index, size in held.ranges:
            self._queue.add(Range(held, index, size))

    def _heed(self, said: InFlight, reply: Reply) -> None:
        super()._heed(said, reply)
        if any(one.report.failed for one in said.sent):
            self._ask_at = 0.0  # it came back
        for status in reply.reports:
            if status.error is not None:
                raise ReportRefused(status.error.get("message"), hint=status.error.get("hint"))

    def _answered(self, sent: SentRanges, status: ReportStatus) -> None:
        held = sent.held
        if status.status == "cut":  # whether it is still held, the next report will tell
            self._divide(sent, IntervalSet((index, index + size) for index, size in status.rest or ()))
            return
        if sent.told and not held.lost and status.status in ("held", "done"):
            self._told.kept(sent)
        if status.error is None and not goes_on(status):
            self._held.lose(held)
            self._queue.drop(held)
        elif status.end is not None and status.end < held.end:
            held.end = status.end
            self._queue.cut(held)

    def _divide(self, sent: SentRanges, rest: IntervalSet) -> None:
        """Report again those folds that lie in what is still open; what is only partly open is worked again."""
        for finished in sent.told:
            if rest.covers(finished.start, finished.stop):
                self._held.finish(sent.held, finished)
            elif not self._stopping:
                self._queue.again(sent.held, IntervalSet(rest.within(finished.start, finished.stop)))

    def _let_go(self) -> None:
        self._queue.drop()
        self._pool.stop_all()
        self._held.leave()


_TAKE: dict[str, Callable[..., None]] = {
    "kept": FunctionWork._take_kept,  # noqa: SLF001 - the table of messages
    "folded": FunctionWork._take_folded,  # noqa: SLF001 - as above
    "refused": FunctionWork._take_refused,  # noqa: SLF001 - as above
    "end": FunctionWork._take_end,  # noqa: SLF001 - as above
    "shrunk": FunctionWork._take_shrunk,  # noqa: SLF001 - as above
    "fatal": FunctionWork._take_fatal,  # noqa: SLF001 - as above
}
