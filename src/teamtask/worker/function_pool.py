"""`FunctionPool`: the processes of a function, begun when there is work for them, and what they say."""

from __future__ import annotations

import os
import select
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from teamtask.ledger.errors import TeamtaskError
from teamtask.worker.forked_process import ForkedProcess
from teamtask.worker.function_loop import FunctionLoop
from teamtask.worker.piece_mark import PieceMark
from teamtask.worker.piece_queue import Range

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from teamtask.worker.channel import Channel
    from teamtask.worker.function_loop import FunctionTask

LOOK_SECONDS: Final = 0.1  # how often a process is looked at that may have died without closing its channel
_DYING_SECONDS: Final = 0.2  # between the end of a channel and that of its process
_FRUITLESS_MAX: Final = 10
_WAKE_BYTES: Final = 4096


class NoProcess(TeamtaskError):
    """The system has no room for another process."""

    code = "no_process"
    hint = "Give fewer processes, or free memory; what was done is kept."


class HandedPiece:
    """A range that a process works; it has told of what lies before the offset `at`."""

    __slots__ = ("at", "deaths", "exact", "held", "index", "number", "size", "tries")

    def __init__(self, number: int, some: Range) -> None:
        self.number = number
        self.at = 0
        self.held, self.index, self.size, self.exact, self.deaths, self.tries = some

    def rest(self, at: int = 0) -> Range:
        """Give what lies from this offset on."""
        return Range(self.held, self.index + at, self.size - at, self.exact, self.deaths, self.tries)


class FunctionProcess(ForkedProcess):
    """A process with the pieces it has, in order."""

    def __init__(self, task: FunctionTask, others: list[Channel]) -> None:
        self.mark = PieceMark()
        self.pieces: deque[HandedPiece] = deque()
        self.handed_at = 0.0  # when the piece in hand was given, or the one before it had ended
        self.asked = ""  # to "share", or to "stop"
        self.timed_out = False
        mark = self.mark
        super().__init__(lambda channel: FunctionLoop(channel, mark, task).serve(), others=others, of_its_own=True)


class Said(NamedTuple):
    """A message of a process; None when it has ended, and everything that it said has been given."""

    process: FunctionProcess
    message: tuple[Any, ...] | None


class FunctionPool:
    """At most `processes` of them. Ends them all at the end of its `with`."""

    def __init__(self, task: FunctionTask, processes: int, inherited: tuple[Channel, ...] = ()) -> None:
        """`inherited` are channels of this process that its children must not keep open."""
        self._task = task
        self._inherited = inherited
        self.processes_max = processes
        # Whether a process may be begun now: one that is forked beside a running thread may find a lock held for ever.
        self.may_fork: Callable[[], bool] = lambda: True
        self._poll = select.poll()
        self._listeners: dict[int, Callable[[int], None]] = {}
        self._processes: dict[int, FunctionProcess] = {}
        self._looked_at = 0.0
        self._number = 0
        self._fruitless = 0  # processes that ended before anything came of them
        self._wake_end, self._wakeup_end = os.pipe()
        os.set_blocking(self._wakeup_end, False)
        self.listen(self._wake_end, select.POLLIN, self._woken)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill_all()
        for process in self._processes.values():
            process.channel.hang_up()
        while self._processes:
            _, process = self._processes.popitem()
            process.end()
        wakeup_end, self._wakeup_end = self._wakeup_end, -1
        os.close(wakeup_end)
        os.close(self._wake_end)

    @property
    def processes(self) -> list[FunctionProcess]:
        """Give those there are."""
        return list(self._processes.values())

    @property
    def running(self) -> int:
        """How many have something to do."""
        return sum(bool(process.pieces) for process in self._processes.values())

    @property
    def free_slots(self) -> int:
        """How many have nothing to do, or could be begun."""
        return self.processes_max - self.running

    def wakeup(self) -> None:
        """Have `wait` return, now or when it is called next. May be called by other threads, and signal handlers."""
        if self._wakeup_end >= 0:
            with suppress(BlockingIOError):
                os.write(self._wakeup_end, b"\0")

    def _woken(self, _events: int) -> None:
        os.read(self._wake_end, _WAKE_BYTES)

    def has_room(self, ahead: int) -> bool:
        """Tell whether a process has fewer pieces than `ahead`, or could be begun."""
        return (len(self._processes) < self.processes_max and self.may_fork()) or any(
            len(process.pieces) < ahead for process in self._processes.values()
        )

    def give(self, some: Range, items: bytes | None) -> None:
        """Hand a range to a process that has nothing to do, to a new one, or to the one that has least.

        Raises NoProcess when there is none and none can be begun.
        """
        process = min(self._processes.values(), key=_load, default=None)
        if process is None or (process.pieces and len(self._processes) < self.processes_max and self.may_fork()):
            process = self._begin() or process
        assert process is not None, "one was begun, or there was one"
        self._number += 1
        piece = HandedPiece(self._number, some)
        if not process.pieces:
            process.handed_at = time.monotonic()
        process.pieces.append(piece)
        process.channel.post(("work", piece.number, piece.index, piece.size, piece.exact, items))
        self._expect(process)

    def stop_all(self) -> None:
        """Have every process give back what it has not begun."""
        for process in self._processes.values():
            if process.pieces and process.asked != "stop":
                self.ask(process, "stop")

    def ask(self, process: FunctionProcess, what: str) -> None:
        """Have a process "share" half of what it has, or "stop" and give back all."""
        process.asked = what
        process.channel.post((what,))
        self._expect(process)

    def kill_all(self) -> None:
        """Kill every process with what it has begun."""
        for process in self._processes.values():
            process.kill()

    def listen(self, descriptor: int, events: int, call: Callable[[int], None]) -> None:
        """Have `wait` call this when something happens to a descriptor; no events to hear no more of it."""
        self._listeners.pop(descriptor, None)
        if events:
            self._listeners[descriptor] = call
            self._poll.register(descriptor, events)
        else:
            self._poll.unregister(descriptor)

    def wait(self, seconds: float) -> list[Said]:
        """Wait so long for messages, and give them; a process that has ended is no longer one of the pool."""
        said: list[Said] = []
        for descriptor, events in self._poll.poll(max(0.0, seconds) * 1000):
            process = self._processes.get(descriptor)
            if process is None:
                listener = self._listeners.get(descriptor)
                if listener is not None:
                    listener(events)
                continue
            if events & select.POLLOUT and process.channel.flush():
                self._poll.register(descriptor, select.POLLIN)
            if events & ~select.POLLOUT:
                self._hear(process, said)
        now = time.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            for process in self.processes:
                if process.has_ended():
                    self._hear(process, said)
        return said

    def _hear(self, process: FunctionProcess, said: list[Said]) -> None:
        said += [Said(process, message) for message in process.channel.receive()]
        if not process.channel.ended and process.status is None:
            return
        self._poll.unregister(process)
        del self._processes[process.fileno()]
        process.end(_DYING_SECONDS)
        said.append(Said(process, None))

    def _begin(self) -> FunctionProcess | None:
        if self._fruitless > _FRUITLESS_MAX:
            raise NoProcess(
                "Processes end before they have done anything.",
                hint="Is there enough memory? Is something killing them? What was done is kept.",
            )
        channels = [process.channel for process in self._processes.values()]
        try:
            process = FunctionProcess(self._task, [*channels, *self._inherited])
        except OSError as error:
            if self._processes:
                self.processes_max = len(self._processes)  # then with fewer
                return None
            raise NoProcess(f"No process can be begun: {error.strerror}.") from error
        self._processes[process.fileno()] = process
        self._poll.register(process, select.POLLIN)
        return process

    def _expect(self, process: FunctionProcess) -> None:
        if process.channel.unsent:
            self._poll.register(process, select.POLLIN | select.POLLOUT)

    def was_fruitful(self, *, fruitful: bool) -> None:
        """Count the processes in a row that died without any result."""
        self._fruitless = 0 if fruitful else self._fruitless + 1


def _load(process: FunctionProcess) -> int:
    return len(process.pieces)
