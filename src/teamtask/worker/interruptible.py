"""`interruptible`: Ctrl-C and its like end work in good order."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_NOBODY_ELSE: Final = (signal.SIG_DFL, signal.default_int_handler)


class Stoppable(Protocol):
    """What runs until it is told to stop, and then to be killed."""

    def stop(self) -> None:
        """Finish what is in hand."""
        ...

    def kill(self) -> None:
        """Kill what is in hand."""
        ...


@contextmanager
def interruptible(work: Stoppable) -> Iterator[list[int]]:
    """Finish what is in hand at the first Ctrl-C (or SIGTERM, SIGHUP), kill it at the second.

    Gives the signals that came. Those that the program handles itself, or ignores (nohup; a shell's & without job
    control), stay as they are; and all of them outside the main thread.
    """
    received: list[int] = []

    def handle(number: int, _frame: object) -> None:
        received.append(number)
        if len(received) == 1:
            work.stop()
        else:
            work.kill()

    ours = threading.current_thread() is threading.main_thread()
    numbers = [number for number in STOPPING if ours and signal.getsignal(number) in _NOBODY_ELSE]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
