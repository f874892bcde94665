"""`MapEngine`: the process that works a run for `teamtask.map`, and tells it what has been kept.

A process of its own, so that outcomes are kept as fast when the program that asked for them is busy with others, and
so that nothing of it, a Ctrl-C for example, comes between a commit and its end. Nothing is told before it is kept.
"""

from __future__ import annotations

import select
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from teamtask.ledger.errors import TeamtaskError
from teamtask.ledger.interval_set import IntervalSet
from teamtask.local.open_run import OpenedRun, source_of
from teamtask.local.state_files import open_state
from teamtask.local.work_function import function_work
from teamtask.service.definition import decode_definition
from teamtask.worker.channel import HungUp
from teamtask.worker.forked_process import ForkedProcess
from teamtask.worker.portable import dumped, portable_error
from teamtask.worker.work_functions import FunctionWatcher

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from teamtask.local.work_run import WorkOptions
    from teamtask.sources.source import Source
    from teamtask.worker.channel import Channel
    from teamtask.worker.function_pool import FunctionPool
    from teamtask.worker.held_ranges import SentRanges
    from teamtask.worker.work_functions import FunctionWork

STOP_SECONDS: Final = 0.5  # that items in hand have to finish when nobody wants more of them
TELL_SECONDS: Final = 0.1
UNREAD_BYTES_MAX: Final = 8 << 20  # told and not yet taken; then nothing new is begun


@dataclass(frozen=True)
class Job:
    """A run that exists, and how to work it; `merge` folds results where the list's own fold only counts."""

    path: Path
    name: str
    given: Source[Any] | None
    function: Callable[[Any], Any]
    options: WorkOptions
    merge: Callable[[Any, Any], Any] | None = None


class MapEngine(ForkedProcess):
    """Its messages: kept, stored, parked, refused, progress; in the end `end` or `error`."""

    def __init__(self, job: Job) -> None:
        """Begin. No store of this process may be open: SQLite does not survive a fork."""
        super().__init__(lambda channel: _serve(channel, job))


def open_again(path: Path, name: str, given: Source[Any] | None) -> OpenedRun:
    """Open a run that there is, in a process that has not opened it yet."""
    service = open_state(path)
    record = service.find(name)
    with service.view(record) as view:
        source = given or source_of(service, record, view.ledger.size)
    return OpenedRun(service, record, decode_definition(record.definition), source, path, begun=False)


def _serve(channel: Channel, job: Job) -> None:
    try:
        opened = open_again(job.path, job.name, job.given)
        forwarder = _Forwarder(channel, opened)
        with function_work(opened, job.function, forwarder, job.options, merge=job.merge, inherited=(channel,)) as work:
            forwarder.begin(work, work.pool)
            work.run()
        forwarder.end(("end", work.state, work.reason))
        opened.close()
    except HungUp:
        return  # nobody wants to know any more
    except TeamtaskError as error:
        with suppress(HungUp):
            channel.send(("error", dumped(error)))
    except Exception as error:  # noqa: BLE001 - it is raised where somebody sees it
        with suppress(HungUp):
            channel.send(("error", dumped(portable_error(error))))


class _Forwarder(FunctionWatcher):
    """Tells of each index once."""

    def __init__(self, channel: Channel, opened: OpenedRun) -> None:
        self._channel = channel
        self._opened = opened
        self._told = IntervalSet()
        self._told_at = 0.0
        self._work: FunctionWork | None = None
        self._pool: FunctionPool | None = None
        self._events = 0
        self._stop_at: float | None = None
        with opened.service.view(opened.record) as view:
            self._folds = view.ledger.rules.fold is not None
            self._tell(view.ledger.done, {index: parked.error for index, parked in view.ledger.parked.items()})

    def begin(self, work: FunctionWork, pool: FunctionPool) -> None:
        """Listen to whoever is told."""
        self._work, self._pool = work, pool
        self._listen()

    def is_full(self) -> bool:
        """Tell whether too much has been told that nobody has taken."""
        return self._channel.unsent > UNREAD_BYTES_MAX

    def kept(self, sent: SentRanges) -> None:
        """Tell of outcomes, as they are."""
        batch = sent.report.results
        if self._folds or batch is None:
            return
        start, stop = batch.index, batch.index + batch.count
        if self._told.within(start, stop):
            self._tell(IntervalSet.of(start, stop), {})
            return
        self._told.add(start, stop)
        self._channel.post(("kept", start, batch.count, batch.values, batch.failed, batch.seconds))
        self._listen()

    def refused(self, index: int, error: bytes) -> None:
        """Tell of an exception where results are folded; elsewhere the list decides whether to try again."""
        if self._folds:
            self._channel.post(("refused", index, error))

    def tick(self, running: int) -> None:
        """Tell how far it is, and what other processes have done."""
        now = time.monotonic()
        if self._stop_at is not None and now >= self._stop_at and self._work is not None:
            self._work.kill()
        if now - self._told_at < TELL_SECONDS or self.is_full():
            return
        self._told_at = now
        service = self._opened.service
        ledger = service.ledgers.known(self._opened.id)
        if ledger is not None:
            self._tell(ledger.done, {index: parked.error for index, parked in ledger.parked.items()})
        self._channel.post(("progress", *service.progress(self._opened.id), running))
        self._listen()

    def end(self, last: tuple[Any, ...]) -> None:
        """Tell of all that is left, and the last word; waits until somebody has taken it."""
        with self._opened.service.view(self._opened.record) as view:
            self._tell(view.ledger.done, {index: parked.error for index, parked in view.ledger.parked.items()})
        self._channel.send(last)

    def _tell(self, done: IntervalSet, parked: dict[int, str]) -> None:
        """Tell of what is done, to be read from the store, and of what was set aside."""
        if not self._folds:
            for start, stop in done.difference(self._told):
                self._channel.post(("stored", start, stop))
                self._told.add(start, stop)
        for index, message in parked.items():
            if index not in self._told:
                self._channel.post(("parked", index, message))
                self._told.add(index, index + 1)

    def _listen(self) -> None:
        events = select.POLLIN | (select.POLLOUT if self._channel.unsent else 0)
        if self._pool is not None and self._stop_at is None and events != self._events:
            self._events = events
            self._pool.listen(self._channel.fileno(), events, self._heard)

    def _heard(self, events: int) -> None:
        if events & select.POLLOUT:
            self._channel.flush()
        if events & ~select.POLLOUT:
            self._channel.receive()
        if self._channel.ended and self._stop_at is None and self._work is not None and self._pool is not None:
            self._stop_at = time.monotonic() + STOP_SECONDS
            self._pool.listen(self._channel.fileno(), 0, self._heard)
            self._work.stop()
        self._listen()
