"""`ForkedProcess`: a fork of this process that carries out one function, and talks with us over a channel."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from teamtask.worker.channel import Channel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

REAP_SECONDS: Final = 0.5  # so long a process may take to end once its channel has
_PAUSE_SECONDS: Final = 0.001
_NORMAL_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class ForkedProcess:
    """A running process; `channel` is our end, closed by `end`. `status` is how it ended, None before.

    Not a multiprocessing.Process: no import of the main program, no pickling of the function, no clean-up at exit
    that belongs to the parent; so closures, lambdas and what is defined in `__main__` work as they are.
    """

    def __init__(
        self, serve: Callable[[Channel], None], *, others: Iterable[Channel] = (), of_its_own: bool = False
    ) -> None:
        """Fork. The child closes `others`, calls `serve` with its end, and ends when that returns.

        `of_its_own`: it leads a process group, so that a Ctrl-C on the terminal does not reach it, nor what it starts,
        and that all of it can be killed together. Raises OSError when the system has no room for a process.
        """
        self.channel, end = Channel.pair()
        self.status: int | None = None
        self._of_its_own = of_its_own
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # what is buffered here must not be written twice
                stream.flush()
        try:
            self.pid = os.fork()
        except OSError:
            self.channel.close()
            end.close()
            raise
        if self.pid == 0:
            _serve(serve, end, [self.channel, *others], of_its_own=of_its_own)
        end.close()
        if of_its_own:
            with suppress(OSError):  # both do it, so that it is done whoever comes first
                os.setpgid(self.pid, self.pid)

    def fileno(self) -> int:
        """Give the channel's descriptor, for poll."""
        return self.channel.fileno()

    def kill(self) -> None:
        """Kill it, and all that it has started."""
        if self.status is None:
            with suppress(OSError):
                if self._of_its_own:
                    os.killpg(self.pid, signal.SIGKILL)
                else:
                    os.kill(self.pid, signal.SIGKILL)

    def has_ended(self) -> bool:
        """Tell whether it has; then `status` says how: what it exited with, or minus the signal that killed it."""
        if self.status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # the program ignores SIGCHLD, so the system has told nobody
                self.status = 0
            else:
                if pid:
                    self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def end(self, seconds: float = REAP_SECONDS) -> None:
        """Close the channel and wait until it has ended; after so long it is killed."""
        self.channel.hang_up()
        self.channel.close()
        until = time.monotonic() + seconds
        pause = _PAUSE_SECONDS / 10
        try:
            while not self.has_ended():
                if time.monotonic() > until:
                    self.kill()
                time.sleep(pause)
                pause = min(2 * pause, 10 * _PAUSE_SECONDS)
        except BaseException:  # a second Ctrl-C
            self.kill()
            with suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
            raise
        if self._of_its_own:
            with suppress(OSError):  # what it has left behind
                os.killpg(self.pid, signal.SIGKILL)


def _serve(serve: Callable[[Channel], None], end: Channel, others: Iterable[Channel], *, of_its_own: bool) -> None:
    code = 1
    try:
        for channel in others:
            channel.close()
        signal.set_wakeup_fd(-1)
        for number in _NORMAL_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, _ignored)  # a function instead of SIG_IGN, which programs would inherit
        if of_its_own:
            os.setpgid(0, 0)
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # not in the foreground, and yet it may write to the terminal
        _read_nothing()
        serve(end)
        code = 0
    except BaseException:  # noqa: BLE001 - nothing may reach the parent's code
        with suppress(Exception):
            traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(BaseException):
                stream.flush()
        os._exit(code)


def _ignored(_number: int, _frame: object) -> None:
    """Do nothing."""


def _read_nothing() -> None:
    """Put /dev/null in the place of stdin."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0, inheritable=True)
    if null != 0:
        os.close(null)
    with suppress(Exception):
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for the life of the process
