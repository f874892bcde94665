"""`Pace`: how far a list is and how fast it goes, in one line; `ProgressLine` shows that on a terminal."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from teamtask.local.figures import compact, duration

if TYPE_CHECKING:
    from types import TracebackType

    from teamtask.service.service import Progress

ERASE: Final = "\r\x1b[2K"
RATE_SECONDS: Final = 10.0  # over which the rate is a mean
_ETA_SECONDS_MAX: Final = 10**15
_EXACT: Final = 2**53  # a float holds whole numbers up to this
_BAR = " ▏▎▍▌▋▊▉█"
_BAR_WIDTH = 20


class Pace:
    """The rate of the last 10 seconds."""

    def __init__(self, now: float, done: int) -> None:
        self._history = deque([(now, done)])

    def line(self, progress: Progress, running: int, now: float, *, bar: bool) -> str:
        """Give the line: done, percent, rate, what is left in time, ok, failed, running."""
        history = self._history
        history.append((now, progress.done))
        while len(history) > 2 and now - history[0][0] > RATE_SECONDS:  # noqa: PLR2004 - two make a rate
            history.popleft()
        (then, before), (_, done) = history[0], history[-1]
        rate = _rate(done - before, now - then) if now > then else 0
        parts = [
            f" {compact(done)}/{compact(progress.size)}",
            _bar(done, progress.size) if bar else "",
            f"{done * 100 // progress.size:3d} %",
            f"{compact(rate)} items/s",
            f"ETA {_eta(progress.size - done, rate)}",
            f"{compact(done - progress.failed)} ok",
            f"{compact(progress.failed)} failed",
            f"{running} running",
        ]
        return "  ".join(part for part in parts if part)


class ProgressLine:
    """A line on stderr while a program waits; nothing where stderr is no terminal.

    Whoever may write next erases it first, so that it mixes with nobody's output.
    """

    def __init__(self) -> None:
        self._terminal = is_terminal()
        self._pace: Pace | None = None
        self._text = ""
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.erase()

    def set(self, progress: Progress, running: int) -> None:
        """Learn how far it is."""
        if not self._terminal:
            return
        now = time.monotonic()
        if self._pace is None:
            self._pace = Pace(now, progress.done)
        self._text = self._pace.line(progress, running, now, bar=True)
        if self._shown:
            self._write(ERASE + self._text[: terminal_width() - 1])

    def draw(self) -> None:
        """Show it, if there is anything to show."""
        if self._text and not self._shown:
            self._shown = True
            self._write(ERASE + self._text[: terminal_width() - 1])

    def erase(self) -> None:
        """Take it away."""
        if self._shown:
            self._shown = False
            self._write(ERASE)

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # a terminal that is gone ends nobody's work
            sys.stderr.write(text)
            sys.stderr.flush()


def is_terminal() -> bool:
    """Tell whether stderr is a terminal on which a line can be drawn again and again."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def terminal_width() -> int:
    """Give the number of columns."""
    try:
        return os.get_terminal_size(2).columns or 80
    except OSError:
        return 80


def _rate(count: int, seconds: float) -> float:
    """Divide; past what a float holds exactly the quotient is a whole number."""
    seconds = max(seconds, 1e-6)
    if abs(count) < _EXACT:
        return count / seconds
    return count * 1_000_000 // int(seconds * 1e6)


def _eta(left: int, rate: float) -> str:
    if isinstance(rate, int):
        return duration(left // rate) if rate > 0 and left // rate < _ETA_SECONDS_MAX else "?"
    return duration(left / rate) if rate > 0 and left < _ETA_SECONDS_MAX * rate else "?"


def _bar(done: int, size: int) -> str:
    full, part = divmod(done * _BAR_WIDTH * 8 // size, 8)
    return (_BAR[8] * full + (_BAR[part] if part else "")).ljust(_BAR_WIDTH)
