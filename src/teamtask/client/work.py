"""`Work`: the blocks of a list for one worker, one after the other; what `Client.work` gives."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from teamtask.client.block import Block
from teamtask.client.connection import list_path
from teamtask.client.end_by import end_by
from teamtask.client.exchanging import Exchanging
from teamtask.client.leaving import failure_in
from teamtask.client.list_items import ListItems
from teamtask.client.spool import Spool
from teamtask.client.work_session import WorkSession
from teamtask.client.worker_name import worker_name
from teamtask.wire.messages import Want

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from teamtask.client.connection import Connection

_log: Final = logging.getLogger("teamtask")


class Work:
    """Iterate it: it works until the list is finished, or for ever with `forever`.

    A block that is left without `done` is given back; an exception that leaves the loop fails it at the item in hand.
    On SIGTERM, if nothing else handles it and this is the main thread, it ends after the item in hand, gives back what
    is left, and then the signal does what it does; the second time it does so at once.
    """

    def __init__(
        self,
        connection: Connection,
        name: str,
        *,
        seconds: float | None = None,
        worker: str | None = None,
        forever: bool = False,
        is_cancelled: Callable[[], bool] | None = None,
        waits: bool = True,
    ) -> None:
        """Begin nothing yet.

        `is_cancelled` tells that an exception is no failure; without `waits` nobody waits for the last words.
        """
        self._connection = connection
        self._name = name
        self._seconds = seconds
        self._worker = worker
        self._forever = forever
        self._is_cancelled = is_cancelled
        self._waits = waits
        self._stopping = False
        self._items: ListItems | None = None
        self._session: WorkSession | None = None

    def stop(self) -> None:
        """Have it end: no other block or item is begun. May be called in any thread."""
        self._stopping = True
        if self._session is not None:
            self._session.stop()
        if self._items is not None:
            self._items.give_up(0.0)

    def __iter__(self) -> Iterator[Block]:
        """Give blocks. Raises ApiError, ServerUnreachable, OtherItems, ReportRefused, SpoolFull."""
        with worker_name(self._worker) as worker:
            shown = self._connection.call("GET", list_path(self._name))
            items = self._items = ListItems(self._connection, shown)
            session = self._session = self._begun(shown, items, worker)
            session.stopping = self._stopping
            signals = _Signals(session, items)
            block: Block | None = None
            lease = ""

            def make(*begun: Any) -> Block:  # noqa: ANN401 - a lease and its part
                return Block(session, items, *begun)

            try:
                while True:
                    block = session.begin_block(make)
                    if block is None:
                        break
                    if block.held.lease.lease != lease:
                        items.check(block.held.lease)
                        lease = block.held.lease.lease
                    yield block
                    block.leave()
            except GeneratorExit:
                failure = failure_in(sys._getframe(1))  # noqa: SLF001 - there is no other way to it
                stopped = signals.interrupted or (self._is_cancelled is not None and self._is_cancelled())
                if failure is not None and block is not None and not stopped and not block.is_cut_off:
                    session.fail(block, failure, block.item_in_hand)
                raise
            finally:
                session.close(wait=self._waits)
                items.give_up(0.0)
                signals.close()

    def _begun(self, shown: dict[str, Any], items: ListItems, worker: str) -> WorkSession:
        exchanging = Exchanging(self._connection, self._name, Spool(shown["id"]), _log.warning)
        want = Want(self._seconds, items.computed is None)
        return WorkSession(
            exchanging,
            worker,
            fold_rule=shown["fold_rule"],
            want=want,
            forever=self._forever,
            notify=_log.warning,
        )


class _Signals:
    """Hears SIGTERM, and that Ctrl-C was pressed, in the main thread, where the program does not do so itself."""

    def __init__(self, session: WorkSession, items: ListItems) -> None:
        self.interrupted = False
        self._session = session
        self._items = items
        self._terminated = False
        self._closed = False
        self._before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                self._before[signal.SIGTERM] = signal.signal(signal.SIGTERM, self._terminate)
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._interrupt)

    def close(self) -> None:
        """Leave signals as they were; one that was put off is raised again."""
        self._closed = True
        if threading.current_thread() is not threading.main_thread():
            return  # where a garbage collector runs; SIGTERM still does what it does
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._terminated:
            end_by(signal.SIGTERM)

    def _terminate(self, number: int, _frame: FrameType | None) -> None:
        if self._terminated or self._closed:
            signal.signal(number, signal.SIG_DFL)
            end_by(number)
        self._terminated = self._session.stopping = True
        self._items.give_up(0.0)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.interrupted = True
        signal.default_int_handler(number, frame)
