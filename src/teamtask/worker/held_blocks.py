"""`HeldBlocks`: a lease that is worked block by block: what of it is to be begun, and how it ends."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from teamtask.wire.messages import Report, ReportError

if TYPE_CHECKING:
    from teamtask.wire.messages import Lease


class HeldBlocks:
    """A lease, worked block by block until its end, which moves down when another gets its tail."""

    def __init__(self, lease: Lease, now: float) -> None:
        self.lease = lease
        self.end = lease.index + lease.size
        self.in_hand = 0  # blocks
        self.is_begun = False
        self.is_left = False  # nothing more is begun; it is given back when nothing is in hand,
        self.why: str | None = None  # with this failure
        self.is_over = False  # it is no longer ours; what of it is in hand is reported all the same, late
        self.reported_at = now
        rest = ((lease.index, lease.size),) if lease.rest is None else lease.rest
        self._to_begin = deque((index, index + size, 0) for index, size in rest)

    @property
    def has_more(self) -> bool:
        """Whether a block is to be begun."""
        return bool(self._to_begin)

    def take(self) -> tuple[int, int, int]:
        """Give the next block to be begun, [start, stop), and how often it was tried.

        Blocks end at every `block_size` from the lease's index on.
        """
        start, stop, tries = self._to_begin.popleft()
        size = self.lease.block_size
        end = min(stop, start + size - (start - self.lease.index) % size)
        self.put_back(end, stop, 0)
        self.is_begun = True
        return start, end, tries

    def put_back(self, start: int, stop: int, tries: int) -> None:
        """Have this begun before the others, unless it is given back."""
        if start < stop and not self.is_left:
            self._to_begin.appendleft((start, stop, tries))

    def cut(self, end: int) -> None:
        """Begin nothing from this index on."""
        if end < self.end:
            self.end = end
            left = [(start, min(stop, end), tries) for start, stop, tries in self._to_begin if start < end]
            self._to_begin = deque(left)

    def leave(self, why: str | None = None) -> None:
        """Begin nothing more, and give it back: with a failure, or untried."""
        self._to_begin.clear()
        self.is_left = True
        self.why = self.why or why

    def say(self, *, ends: bool) -> Report:
        """Make a report that says nothing more is done; with `ends` it is given back, with its failure if any."""
        lease = self.lease
        error = ReportError(self.why) if ends and not self.in_hand and self.why is not None else None
        return Report(lease.lease, lease.index, lease.index, error=error, release=ends and error is None)
