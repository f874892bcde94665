"""`Lease`: a worker's hold on a block, or on several adjacent ones."""

from __future__ import annotations

from msgspec import Struct

from teamtask.ledger.events import Memory, WorkerKey
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.rules import MEMORIES_MAX
from teamtask.ledger.workers import Worker


class Lease(Struct, gc=False):
    """A worker's hold on [start, stop); `rest` is what of it is not yet done."""

    id: str
    name: str
    key: WorkerKey
    worker: Worker  # the record of `key`
    request: str | None
    start: int
    stop: int
    block_size: int
    granted_at: float
    progressed_at: float
    expires: float
    got_on: bool = False  # something was recorded since the grant
    failures: int = 0
    failed_by: tuple[WorkerKey, ...] = ()
    restarts: int = 0
    memories: tuple[Memory, ...] = ()
    part: IntervalSet | None = None  # the rest, once it is not all of [start, stop)

    @property
    def rest(self) -> IntervalSet:
        """What is not yet done; only to be read."""
        return IntervalSet.of(self.start, self.stop) if self.part is None else self.part

    def remembered(self) -> tuple[Memory, ...]:
        """Give what a piece of this lease remembers: the lease, and what the lease itself remembers."""
        return (*self.memories, Memory(self.id, self.key, self.start, self.stop))[-MEMORIES_MAX:]


class ParkedIndex(Struct, frozen=True, array_like=True):
    """An index that was set aside after `failures` tries, with its last error."""

    failures: int
    error: str
