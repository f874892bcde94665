"""`CommandRunner`: runs commands, so many at a time, and keeps everything that came of each.

One thread, one `wait` for all of them: an ended command shows at its pidfd (Linux) or, elsewhere, by its pipes hanging
up and by looking now and then. Why it is built so, with figures: docs/decisions/spawning.md.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, Self

from teamtask.ledger.errors import TeamtaskError
from teamtask.worker.command_input import CommandInput
from teamtask.worker.readiness import open_readiness
from teamtask.worker.room import CannotStartCommand, Room
from teamtask.worker.running_command import (
    Finished,
    Request,
    RunningCommand,
    Surroundings,
    Tag,
    launch,
    terminated_unstarted,
)
from teamtask.worker.spawn import TRANSIENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from teamtask.worker.captured_output import Capture

_LOOK_SECONDS: Final = 0.0005  # how soon to look whether a command has ended, where nothing tells us;
_LOOK_SECONDS_MAX: Final = 0.02  # doubled up to this
_CLOSE_SECONDS: Final = 5.0  # for killed commands to be gone; one that hangs in a broken disk never is


class StatusLost(TeamtaskError):
    """The exit status of commands would be lost: this process ignores SIGCHLD."""

    code = "status_lost"
    hint = "Set SIGCHLD to its default action before commands are run outside the main thread."


class CommandRunner(Generic[Tag]):
    """Runs up to `slots` commands at once, each in a process group of its own.

    `timeout_seconds` after its start a command's group gets SIGTERM, and `kill_grace_seconds` later SIGKILL.
    `environment` (by default ours) is what commands see. With `whole_output` false only the first 64 KiB of each
    stream are kept. For one thread; `wakeup` alone may be called from others, and from signal handlers.
    Raises StatusLost.
    """

    def __init__(
        self,
        slots: int,
        *,
        timeout_seconds: float | None = None,
        kill_grace_seconds: float = 5.0,
        environment: Mapping[str, str] | None = None,
        whole_output: bool = True,
    ) -> None:
        assert slots > 0
        _keep_exit_statuses()
        self._room = Room(slots)
        self._timeout_seconds = math.inf if timeout_seconds is None else timeout_seconds
        self._kill_grace_seconds = kill_grace_seconds
        self._surroundings = Surroundings(os.environ if environment is None else environment, whole_output=whole_output)
        self._readiness = open_readiness()
        self._watched: dict[int, Callable[[], None]] = {}  # by descriptor: what to do when it is ready
        # Sets that keep their order: that of start, and so of deadline.
        self._running: dict[RunningCommand[Tag], None] = {}
        self._ending: dict[RunningCommand[Tag], None] = {}  # told to end, or killed
        self._unannounced: dict[RunningCommand[Tag], None] = {}  # nothing tells us when these end
        self._look_seconds = _LOOK_SECONDS
        self._look_at = math.inf
        self._postponed: deque[Request[Tag]] = deque()  # there was no room for them
        self._finished: list[Finished[Tag]] = []
        self._woken = False
        self._is_closed = False
        wake_end, self._wakeup_end = os.pipe()
        os.set_blocking(self._wakeup_end, False)
        self._watch(wake_end, partial(self._wake, wake_end))
        self._wake_end = wake_end

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def running(self) -> int:
        """How many commands were started, and have not been returned by `wait`."""
        return len(self._running) + len(self._ending) + len(self._postponed) + len(self._finished)

    @property
    def free_slots(self) -> int:
        """How many may be started now."""
        return max(0, self._room.limit - self.running)

    def start(
        self,
        tag: Tag,
        argv: list[bytes],
        *,
        extra_env: Mapping[bytes, bytes] | None = None,
        stdin: Iterable[bytes] | None = None,
    ) -> None:
        """Start a command, or as soon as there is room for it. What comes of it, `wait` returns with its `tag`.

        `extra_env` is added to the environment. `stdin` (by default it is empty) is drawn from as the command reads.
        A command that cannot be started for what its arguments are has an outcome too: exit status 126 or 127.
        Raises what `stdin` raises.
        """
        assert self.free_slots > 0
        request = Request(tag, argv, extra_env, None if stdin is None else CommandInput(stdin))
        if self._postponed or not self._try_to_start(request):
            self._postponed.append(request)

    def wait(self, timeout_seconds: float | None = None) -> list[Finished[Tag]]:
        """Wait until commands have finished, and return them; [] after `timeout_seconds` or `wakeup`.

        Without a timeout and with nothing running, it returns at once. Raises CannotStartCommand (those not yet
        started are forgotten), OutputNotKept and what a command's `stdin` raises (that command is killed and
        forgotten); the runner can be used on after each.
        """
        until = math.inf if timeout_seconds is None else time.monotonic() + timeout_seconds
        while True:
            now = time.monotonic()
            pause = 0.0 if self._finished else max(0.0, min(until, self._next_at(now)) - now)
            if pause == math.inf and not self.running:
                break
            self._turn(pause)
            if self._finished or self._woken or time.monotonic() >= until:
                break
        self._woken = False
        finished, self._finished = self._finished, []
        return finished

    def wakeup(self) -> None:
        """Make `wait` return, now or when it is called next."""
        if self._wakeup_end >= 0:
            with suppress(BlockingIOError):
                os.write(self._wakeup_end, b"\0")

    def terminate_all(self) -> None:
        """Tell all commands to end: SIGTERM to their groups, SIGKILL after the grace. `wait` returns them."""
        for command in list(self._running):
            self._begin_to_end(command)
        self._finished += [terminated_unstarted(request) for request in self._postponed]
        self._postponed.clear()

    def kill_all(self) -> None:
        """Kill all commands at once, with their groups. `wait` returns them."""
        self.terminate_all()
        for command in self._ending:
            command.kill()

    def close(self) -> None:
        """Kill what still runs, forget what was not returned, and give back everything."""
        if self._is_closed:
            return
        self._is_closed = True
        self.kill_all()
        for command in list(self._ending):
            self._give_up(command)
        until = time.monotonic() + _CLOSE_SECONDS
        while self._ending and time.monotonic() < until:
            self._turn(0.05)
        for command in self._ending:
            command.discard()
        for finished in self._finished:
            finished.close()
        self._readiness.close()
        os.close(self._wake_end)
        os.close(self._wakeup_end)
        self._wakeup_end = -1
        self._surroundings.close()

    def _try_to_start(self, request: Request[Tag]) -> bool:
        busy = len(self._running) + len(self._ending)
        try:
            launched = launch(request, self._surroundings)
        except OSError as error:
            if error.errno not in TRANSIENT:
                raise
            self._room.was_refused(error, busy, time.monotonic())
            return False
        self._room.was_given()
        if isinstance(launched, Finished):
            self._finished.append(launched)
            return True
        launched.deadline_at = launched.started_at + self._timeout_seconds
        self._running[launched] = None
        self._watch(launched.stdout.read_end, partial(self._read, launched, launched.stdout))
        self._watch(launched.stderr.read_end, partial(self._read, launched, launched.stderr))
        if launched.exit_descriptor >= 0:
            self._watch(launched.exit_descriptor, partial(self._look, launched))
        else:
            self._unannounced[launched] = None
            self._look_soon()
        if launched.stdin is not None:
            self._feed(launched, launched.stdin)
        return True

    def _next_at(self, now: float) -> float:
        """When something has to be done that no descriptor tells."""
        at = math.inf
        if self._running and self._timeout_seconds < math.inf:
            at = next(iter(self._running)).deadline_at
        for command in self._ending:
            at = min(at, command.kill_at if command.status is None else now + _LOOK_SECONDS_MAX)
        if self._unannounced:
            at = min(at, self._look_at)
        if self._postponed:
            at = min(at, self._room.retry_at)
        return at

    def _turn(self, pause_seconds: float) -> None:
        """Wait once, and do all that has become due."""
        for descriptor in self._readiness.wait(pause_seconds):
            do = self._watched.get(descriptor)
            if do is not None:  # else it was closed in this very turn
                do()
        now = time.monotonic()
        if self._timeout_seconds < math.inf:
            self._tell_late_ones(now)
        if self._ending:
            self._end(now)
        if self._unannounced and now >= self._look_at:
            self._look_for_ends(now)
        if self._postponed and now >= self._room.retry_at:
            self._retry_postponed()

    def _watch(self, descriptor: int, do: Callable[[], None]) -> None:
        self._readiness.add_readable(descriptor)
        self._watched[descriptor] = do

    def _unwatch(self, descriptor: int) -> None:
        if self._watched.pop(descriptor, None) is not None:
            self._readiness.remove(descriptor)

    def _wake(self, descriptor: int) -> None:
        os.read(descriptor, 4096)
        self._woken = True

    def _read(self, command: RunningCommand[Tag], capture: Capture) -> None:
        try:
            if capture.read_some():
                return
        except TeamtaskError:
            self._give_up(command)
            raise
        self._unwatch(capture.read_end)
        self._look_soon()

    def _feed(self, command: RunningCommand[Tag], stdin: CommandInput) -> None:
        descriptor = stdin.write_end
        try:
            is_over = stdin.write_some()
        except BaseException:
            self._give_up(command)
            raise
        if is_over:
            self._unwatch(descriptor)
            stdin.close()
        elif descriptor not in self._watched:
            self._readiness.add_writable(descriptor)
            self._watched[descriptor] = partial(self._feed, command, stdin)

    def _look(self, command: RunningCommand[Tag]) -> None:
        """Take note if a command has ended."""
        if not command.reap():
            return
        if command in self._ending and not command.killed and command.group_lives():
            self._unwatch(command.exit_descriptor)  # the rest of its group has until `kill_at`
            self._unannounced.pop(command, None)
        else:
            self._finish(command)

    def _finish(self, command: RunningCommand[Tag]) -> None:
        self._running.pop(command, None)
        self._ending.pop(command, None)
        self._unannounced.pop(command, None)
        self._unwatch(command.stdout.read_end)
        self._unwatch(command.stderr.read_end)
        self._unwatch(command.exit_descriptor)
        if command.stdin is not None:
            self._unwatch(command.stdin.write_end)
        if command.given_up:
            command.discard()
        else:
            self._finished.append(command.finish())
        self._room.retry_at = 0.0

    def _give_up(self, command: RunningCommand[Tag]) -> None:
        """Kill a command whose outcome is of no use, and read no more from it."""
        command.given_up = True
        self._running.pop(command, None)
        self._ending[command] = None
        self._unwatch(command.stdout.read_end)
        self._unwatch(command.stderr.read_end)
        if command.stdin is not None:
            self._unwatch(command.stdin.write_end)
        command.kill()

    def _begin_to_end(self, command: RunningCommand[Tag]) -> None:
        self._running.pop(command, None)
        self._ending[command] = None
        command.begin_to_end(time.monotonic() + self._kill_grace_seconds)

    def _tell_late_ones(self, now: float) -> None:
        while self._running:
            command = next(iter(self._running))
            if command.deadline_at > now:
                return
            self._look(command)
            if command not in self._running:
                continue  # it ended, and we were stopped or busy
            command.timed_out = True
            self._begin_to_end(command)

    def _end(self, now: float) -> None:
        for command in list(self._ending):
            if command.kill_at <= now:
                command.kill()
            if command.status is not None and (command.killed or not command.group_lives()):
                self._finish(command)

    def _look_soon(self) -> None:
        self._look_seconds = _LOOK_SECONDS
        self._look_at = 0.0

    def _look_for_ends(self, now: float) -> None:
        before = len(self._unannounced)
        for command in list(self._unannounced):
            self._look(command)
        has_some = len(self._unannounced) < before
        self._look_seconds = _LOOK_SECONDS if has_some else min(2 * self._look_seconds, _LOOK_SECONDS_MAX)
        self._look_at = now + self._look_seconds

    def _retry_postponed(self) -> None:
        while self._postponed:
            request = self._postponed.popleft()
            try:
                has_started = self._try_to_start(request)
            except CannotStartCommand:
                for forgotten in (request, *self._postponed):
                    forgotten.close()
                self._postponed.clear()
                raise
            if not has_started:
                self._postponed.appendleft(request)
                return


def _keep_exit_statuses() -> None:
    # Whoever started us may have had SIGCHLD ignored; then the system throws exit statuses away.
    if signal.getsignal(signal.SIGCHLD) != signal.SIG_IGN:
        return
    if threading.current_thread() is not threading.main_thread():
        raise StatusLost
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
