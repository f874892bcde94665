"""`PieceQueue`: ranges of leases that nobody works yet, and how large a piece of them a process is given."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from teamtask.ledger.interval_set import IntervalSet
    from teamtask.worker.held_ranges import HeldRange

PIECE_SECONDS: Final = 0.025
PIECE_SECONDS_MIN: Final = 0.001  # shorter ones cost more than they are worth, even at the end
AHEAD_SECONDS: Final = 0.05  # slower pieces are not given to a process before it has nothing to do
_SIZE_MAX: Final = 1 << 40
_GROW_MAX: Final = 8


class Range(NamedTuple):
    """[index, index + size) of a lease; `exact` is FunctionTask's.

    `deaths` counts the processes that died of it, `tries` how often its only item ran out of time.
    """

    held: HeldRange
    index: int  # type: ignore[assignment] # the glossary's word outweighs tuple's method
    size: int
    exact: bool = False
    deaths: int = 0
    tries: int = 0


class PieceQueue:
    """What is to be begun, in order; `size` items in all."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._ranges: deque[Range] = deque()
        self._item_seconds = 0.0  # 0 while unknown
        self._piece_size = 1
        self.size = 0

    @property
    def ahead(self) -> int:
        """How many pieces a process has at a time, so that it is never without one for long."""
        return 2 if 0 < self._item_seconds * self._piece_size < AHEAD_SECONDS else 1

    @property
    def knows_speed(self) -> bool:
        """Whether an item has been measured."""
        return self._item_seconds > 0

    def is_low(self, seconds: float = 0.0) -> bool:
        """Whether the processes will have nothing more to begin in so many seconds, or soon."""
        items = int(seconds / self._item_seconds) if self._item_seconds else 0
        return self.size < self._processes * max(2 * self._piece_size, items)

    def add(self, some: Range) -> None:
        """Put a range behind the others."""
        self._ranges.append(some)
        self.size += some.size

    def put_back(self, some: Range) -> None:
        """Put a range before the others, as far as it is still to be worked."""
        size = min(some.size, some.held.end - some.index)
        if size > 0 and some.held.is_open:
            self._ranges.appendleft(some._replace(size=size))
            self.size += size

    def take(self) -> Range:
        """Give the next piece: some 25 ms, or less where everyone's share of what is left is less."""
        share = -(-self.size // self._processes)
        least = int(PIECE_SECONDS_MIN / self._item_seconds) if self._item_seconds else 1
        first = self._ranges.popleft()
        size = max(1, min(self._piece_size, max(share, least), first.size))
        if size < first.size:
            self._ranges.appendleft(first._replace(index=first.index + size, size=first.size - size))
        self.size -= size
        return first._replace(size=size)

    def measure(self, item_seconds: float) -> None:
        """Learn how long an item takes; 0 where nobody knows."""
        if item_seconds > 0:
            self._item_seconds = (self._item_seconds + item_seconds) / 2 if self._item_seconds else item_seconds
            wanted = int(min(PIECE_SECONDS / self._item_seconds, _SIZE_MAX))
            self._piece_size = max(1, min(wanted, _GROW_MAX * self._piece_size))

    def drop(self, held: HeldRange | None = None) -> None:
        """Forget what is to be begun of a lease, or of all."""
        self._ranges = deque(some for some in self._ranges if held is not None and some.held is not held)
        self.size = sum(some.size for some in self._ranges)

    def cut(self, held: HeldRange) -> None:
        """Forget what lies behind the end of a lease."""
        ranges = self._ranges
        self._ranges = deque()
        self.size = 0
        for some in ranges:
            size = min(some.size, held.end - some.index) if some.held is held else some.size
            if size > 0:
                self.add(some._replace(size=size))

    def again(self, held: HeldRange, ranges: IntervalSet) -> None:
        """Have these ranges of a lease worked again."""
        for start, stop in ranges:
            self.put_back(Range(held, start, stop - start))
