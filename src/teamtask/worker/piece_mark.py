"""`PieceMark`: where a process is, in memory that its parent sees, so that it is known when the process dies."""

from __future__ import annotations

import mmap
from typing import NamedTuple

_BYTES = 24


class Mark(NamedTuple):
    """The `offset`-th item of the piece of that number was begun at `began` (time.monotonic)."""

    number: int
    offset: int
    began: float


class PieceMark:
    """Written by the process, read by its parent."""

    def __init__(self) -> None:
        """Make it before the fork."""
        view = memoryview(mmap.mmap(-1, _BYTES))
        self._numbers = view[:16].cast("q")
        self._began = view[16:].cast("d")
        self._numbers[0] = -1

    def begin(self, number: int, offset: int, now: float) -> None:
        """Note which item is begun."""
        # In this order whoever reads in between sees an item that is too young, never one that is too old.
        self._began[0] = now
        self._numbers[1] = offset
        self._numbers[0] = number

    def again(self, now: float) -> None:
        """Note that the same item is begun anew."""
        self._began[0] = now

    def end(self) -> None:
        """Note that it is done."""
        self._numbers[0] = -1

    def read(self) -> Mark | None:
        """Give the item that was begun and not ended; None when there is none, or nobody knows which."""
        number, offset = self._numbers
        return None if number < 0 else Mark(number, offset, self._began[0])
