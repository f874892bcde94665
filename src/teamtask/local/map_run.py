"""`MapRun`: a run of `teamtask.map` as the calling program has it: begun or found again, worked, and read."""

from __future__ import annotations

import pickle
import weakref
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from teamtask.ledger.errors import TeamtaskError
from teamtask.ledger.list_state import FINISHED, ListState, Move
from teamtask.local.map_engine import Job, MapEngine, open_again
from teamtask.local.open_run import open_run
from teamtask.local.outcome import outcomes_of, parked_outcome
from teamtask.local.progress_line import ProgressLine
from teamtask.local.recorded import recorded_page
from teamtask.service.service import Progress
from teamtask.wire.result_batch import PICKLE, ResultBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from teamtask.ledger.ledger import Ledger
    from teamtask.local.open_run import OpenedRun
    from teamtask.local.outcome import Outcome
    from teamtask.local.run_request import RunRequest
    from teamtask.sources.source import Source
    from teamtask.worker.channel import Message

PENDING_BYTES_MAX: Final = 64 << 20  # of outcomes that wait for earlier ones; the store has them too


class NotFinished(TeamtaskError):
    """The list has been stopped before it was finished."""

    code = "not_finished"
    hint = "Call it again; it goes on where it stopped."


class WorkDied(TeamtaskError):
    """The process that worked the list has died."""

    code = "work_died"
    hint = "Call it again; what was kept is not done again."


class Part(NamedTuple):
    """[start, stop) is done: with its outcomes, or as the store has them, or `parked` with the reason why."""

    start: int
    stop: int
    batch: ResultBatch | None = None
    parked: str | None = None


_stores: weakref.WeakSet[MapRun] = weakref.WeakSet()


@dataclass(eq=False)
class MapRun:
    """A run by name; its state file is opened only while something is read from it, and never over a fork."""

    path: Path
    name: str
    size: int
    given: Source[Any] | None
    _opened: OpenedRun | None = None

    def __post_init__(self) -> None:
        """Be known to whoever forks."""
        _stores.add(self)

    @classmethod
    def begin(cls, request: RunRequest, *, again: bool) -> tuple[MapRun, Ledger]:
        """Begin a run or find it, as it stands; with `again` what has failed is to be worked again."""
        opened = open_run(request)
        try:
            service, record = opened.service, opened.record
            with service.view(record) as view:
                ledger = view.ledger
            if again and ledger.failed:
                while service.rerun(record.id, None, failed=True).left:
                    pass
            if again and ledger.parked:
                service.unpark(record.id, None)
            with service.view(record) as view:
                state = view.ledger.state
            if state not in FINISHED and state is not ListState.RUNNING:
                service.move(record.id, Move.RESUME)
            with service.view(record) as view:
                return cls(opened.path, record.name, view.ledger.size, request.given), view.ledger
        finally:
            opened.close()

    @property
    def opened(self) -> OpenedRun:
        """Give the run, opened by this process."""
        if self._opened is None:
            self._opened = open_again(self.path, self.name, self.given)
        return self._opened

    def close(self) -> None:
        """Let go of the state file."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def engine(self, job: Job) -> MapEngine:
        """Begin to work it."""
        for run in _stores:
            run.close()
        return MapEngine(job)

    def outcomes(self, part: Part) -> Iterator[Outcome[Any, Any]]:
        """Give the outcomes of a part, in order."""
        if part.parked is not None:
            return iter([parked_outcome(part.start, next(self._items(part.start, 1)), part.parked)])
        if part.batch is not None:
            return outcomes_of(part.batch, self._items(part.start, part.stop - part.start))
        return self._recorded(part.start, part.stop)

    def _recorded(self, start: int, stop: int) -> Iterator[Outcome[Any, Any]]:
        while start < stop:
            opened = self.opened
            with opened.service.store.read() as reader:
                batches = recorded_page(reader, opened.id, start, stop)
            for batch in batches:
                yield from outcomes_of(batch, self._items(batch.index, batch.count))
                start = batch.index + batch.count

    def _items(self, index: int, size: int) -> Iterator[Any]:
        source = self.given if self.given is not None else self.opened.source
        return source.items(index, size)


def parts_of(engine: MapEngine) -> Iterator[Part]:
    """Give what an engine tells until it has ended. Raises what went wrong there, and NotFinished, WorkDied."""
    with ProgressLine() as line:
        for kind, *what in _messages(engine, line):
            if kind == "progress":
                *progress, running = what
                line.set(Progress(*progress), running)
            elif kind in _PART:
                line.erase()
                yield _PART[kind](*what)
            elif kind == "end":
                state, reason = what
                if state not in FINISHED:
                    raise NotFinished(f"The list is {state}. {reason or ''}".rstrip())
                return
            else:  # refused, error
                raise pickle.loads(what[-1])  # noqa: S301 - from a process of our own
    raise WorkDied


def _messages(engine: MapEngine, line: ProgressLine) -> Iterator[Message]:
    channel = engine.channel
    while not channel.ended:
        if not channel.is_readable():
            line.draw()
            channel.is_readable(3600)
        yield from channel.receive()


def _kept(start: int, count: int, values: bytes, failed: tuple[int, ...], seconds: bytes) -> Part:
    return Part(start, start + count, ResultBatch(start, count, values, PICKLE, failed, None, seconds))


def _parked(index: int, message: str) -> Part:
    return Part(index, index + 1, None, message)


_PART: dict[str, Callable[..., Part]] = {"kept": _kept, "stored": Part, "parked": _parked}


def in_order(parts: Iterator[Part]) -> Iterator[Part]:
    """Give parts in order of index; those that wait for others are kept in memory as far as there is room."""
    waiting: list[tuple[int, int, Part]] = []
    length = 0
    at = 0
    for number, part in enumerate(parts):
        size = len(part.batch.values) + len(part.batch.seconds) if part.batch is not None else 0
        kept = part
        if part.start != at and length + size > PENDING_BYTES_MAX:
            kept, size = Part(part.start, part.stop), 0
        heappush(waiting, (part.start, number, kept))
        length += size
        while waiting and waiting[0][0] == at:
            _, _, first = heappop(waiting)
            if first.batch is not None:
                length -= len(first.batch.values) + len(first.batch.seconds)
            at = first.stop
            yield first


def recorded_parts(ledger: Ledger) -> Iterator[Part]:
    """Give the parts of a finished run, in order."""
    parts = [Part(start, stop) for start, stop in ledger.done]
    parts += [Part(index, index + 1, None, parked.error) for index, parked in ledger.parked.items()]
    return iter(sorted(parts, key=lambda part: part.start))
