"""`Pieces`: the returned pieces of a list, sorted, disjoint; neighbours without failures merge."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from msgspec.structs import replace

from teamtask.ledger.events import Piece
from teamtask.ledger.rules import MEMORIES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from teamtask.ledger.events import Memory


class Pieces:
    """Returned pieces in order of index, with the number of indices in `size`."""

    __slots__ = ("_starts", "pieces", "size")

    def __init__(self, pieces: Iterable[Piece] = ()) -> None:
        """Hold these pieces."""
        self._starts: list[int] = []
        self.pieces: list[Piece] = []
        self.size = 0
        for piece in pieces:
            self.add(piece)

    def add(self, piece: Piece) -> tuple[list[Piece], Piece]:
        """Put a piece in that overlaps none; give those that have become part of it, and what they are together."""
        self.size += piece.stop - piece.start
        pieces, absorbed = self.pieces, []
        at = bisect_left(self._starts, piece.start)
        if at < len(pieces) and _mergeable(piece, pieces[at]):
            absorbed.append(pieces.pop(at))
            del self._starts[at]
            piece = _joined(piece, absorbed[-1])
        if at > 0 and _mergeable(pieces[at - 1], piece):
            at -= 1
            absorbed.append(pieces.pop(at))
            del self._starts[at]
            piece = _joined(absorbed[-1], piece)
        pieces.insert(at, piece)
        self._starts.insert(at, piece.start)
        return absorbed, piece

    def touching(self, start: int, stop: int) -> list[Piece]:
        """Give the pieces some of which lies in [start, stop), in order."""
        first = max(0, bisect_right(self._starts, start) - 1)
        last = bisect_left(self._starts, stop)
        return [piece for piece in self.pieces[first:last] if piece.stop > start]

    def take(self, start: int, stop: int) -> tuple[list[Piece], list[Piece]]:
        """Take [start, stop) out: the whole pieces that were touched, and the parts of them that stay."""
        touched = self.touching(start, stop)
        if not touched:
            return [], []
        first = bisect_left(self._starts, touched[0].start)
        kept = []
        for piece in touched:
            self.size -= min(piece.stop, stop) - max(piece.start, start)
            if piece.start < start:
                kept.append(replace(piece, stop=start))
            if piece.stop > stop:
                kept.append(replace(piece, start=stop))
        self.pieces[first : first + len(touched)] = kept
        self._starts[first : first + len(touched)] = [piece.start for piece in kept]
        return touched, kept

    def __iter__(self) -> Iterator[Piece]:
        """Go through the pieces in order of index."""
        return iter(self.pieces)

    def __len__(self) -> int:
        """Count the pieces."""
        return len(self.pieces)


def _mergeable(left: Piece, right: Piece) -> bool:
    return (
        left.stop == right.start
        and not left.failures
        and not right.failures
        and len(left.memories) + len(right.memories) <= MEMORIES_MAX
    )


def _joined(left: Piece, right: Piece) -> Piece:
    memories = [*_clipped(left)]
    for memory in _clipped(right):
        for at, other in enumerate(memories):
            if other.lease == memory.lease and other.stop == memory.start:
                memories[at] = replace(other, stop=memory.stop)
                break
        else:
            memories.append(memory)
    return Piece(left.start, right.stop, restarts=max(left.restarts, right.restarts), memories=tuple(memories))


def _clipped(piece: Piece) -> Iterator[Memory]:
    """Give what a piece remembers of its own range: the one that it becomes part of is larger."""
    for memory in piece.memories:
        start, stop = max(memory.start, piece.start), min(memory.stop, piece.stop)
        if start < stop:
            yield replace(memory, start=start, stop=stop)
