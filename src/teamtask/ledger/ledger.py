"""`Ledger`: the state of one list. `apply` turns events into it and never decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from teamtask.ledger.applying import apply
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.lease import Lease, ParkedIndex
from teamtask.ledger.pieces import Pieces
from teamtask.ledger.workers import Workers

if TYPE_CHECKING:
    from teamtask.ledger.events import Created, Memory, Piece
    from teamtask.ledger.list_state import ListState
    from teamtask.ledger.rules import Rules

__all__ = ["Lease", "Ledger", "ParkedIndex", "apply"]


class Ledger:
    """One list. Only `apply` changes what is kept of it."""

    __slots__ = (
        "date", "done", "end", "epoch", "failed", "fold", "frontier", "holes", "leases", "looked_at", "moved_at",
        "next_expiry", "parked", "reason", "remembered", "requests", "results", "returned", "rules", "seq", "start",
        "state", "tokens", "tokens_at", "workers",
    )  # fmt: skip

    def __init__(self, created: Created) -> None:
        """Begin a list."""
        self.rules: Rules = created.rules
        self.start = created.start
        self.end = created.start + created.size
        self.state: ListState = created.state
        self.reason: str | None = None
        self.frontier = created.start
        self.done = IntervalSet()
        self.leases: dict[str, Lease] = {}
        self.holes = 0  # gaps in the rests of leases
        self.returned = Pieces()
        self.parked: dict[int, ParkedIndex] = {}
        self.workers = Workers(created.at)
        self.results = 0  # recorded and not withdrawn
        self.failed = 0  # those of them that are not ok
        self.seq = 0  # results recorded ever: the number of the next one
        self.fold: Any = None
        self.tokens = 0.0  # of `items_per_second`; what a claim may take
        self.tokens_at = created.at
        self.epoch = created.epoch
        self.looked_at = created.at  # the last time anyone decided here, as far as it is known
        self.date = 0.0  # of the command that is being carried out; not kept
        self.moved_at = 0.0  # the date of the last change of state, seconds since 1970
        self.next_expiry = float("inf")  # no lease expires before
        self.requests: dict[tuple[str, str, str], str] = {}
        self.remembered: dict[str, int] = {}  # ended leases that a piece or a lease remembers, how often

    @property
    def size(self) -> int:
        """The number of items."""
        return self.end - self.start

    @property
    def remaining(self) -> int:
        """R: how many items nobody holds and nobody has done."""
        return self.end - self.frontier + self.returned.size

    @property
    def leased(self) -> int:
        """How many indices are in the rests of leases."""
        return sum(lease.rest.size for lease in self.leases.values())

    @property
    def pieces(self) -> int:
        """How many pieces the state has, for the limit on them."""
        return len(self.leases) + self.holes + len(self.returned.pieces) + len(self.parked)

    def tokens_now(self, now: float) -> float:
        """How many items may be handed out now under `items_per_second`."""
        rate = self.rules.limits.items_per_second or 0.0
        return min(max(rate, 1.0), self.tokens + rate * max(0.0, now - self.tokens_at))

    def remember(self, memories: tuple[Memory, ...], change: int) -> None:
        """Count that a piece or lease with these memories came (1) or went (-1)."""
        for memory in memories:
            count = self.remembered.get(memory.lease, 0) + change
            if count:
                self.remembered[memory.lease] = count
            else:
                del self.remembered[memory.lease]

    def give_back(self, piece: Piece) -> None:
        """Put a piece among the returned ones."""
        absorbed, joined = self.returned.add(piece)
        self.remember(joined.memories, 1)
        for other in absorbed:
            self.remember(other.memories, -1)

    def take_returned(self, start: int, stop: int) -> list[Piece]:
        """Take a range out of the returned pieces; give those that it was taken from."""
        touched, kept = self.returned.take(start, stop)
        for piece in kept:
            self.remember(piece.memories, 1)
        for piece in touched:
            self.remember(piece.memories, -1)
        return touched

    def take_from_rest(self, lease: Lease, start: int, stop: int) -> None:
        """Take a range out of the rest of a lease."""
        rest = lease.part = lease.rest
        runs = max(1, len(rest.starts))
        rest.remove(start, stop)
        self.holes += max(1, len(rest.starts)) - runs
