"""`post_mortem`: at which item a process died, and what of its pieces is to be worked again."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from teamtask.worker.piece_queue import Range

if TYPE_CHECKING:
    from teamtask.worker.function_pool import FunctionProcess

DEATHS_MAX: Final = 3  # of processes in one piece, nobody knows at which item: then its first item is to blame


class PostMortem(NamedTuple):
    """What a process leaves: `again` in order, and the index that is to blame, worked for so many seconds."""

    again: list[Range]
    index: int | None = None  # type: ignore[assignment] # the glossary's word outweighs tuple's method
    seconds: float = 0.0


def post_mortem(process: FunctionProcess) -> PostMortem:
    """Look at a process that has ended, with the pieces that it had.

    Where it worked many items at a time nobody knows which one it died of: then the piece is worked again, with the
    process showing where it is.
    """
    if not process.pieces:
        return PostMortem([])
    piece, *others = process.pieces
    later = [other.rest() for other in others]
    begin, stop = piece.index + piece.at, piece.index + piece.size
    mark = process.mark.read()
    if mark is not None and mark.number == piece.number and mark.offset >= piece.at:
        index, seconds = piece.index + mark.offset, time.monotonic() - mark.began
    elif piece.deaths + 1 < DEATHS_MAX or begin == stop:
        rest = Range(piece.held, begin, stop - begin, exact=True, deaths=piece.deaths + 1)
        return PostMortem([rest, *later])
    else:
        index, seconds = begin, 0.0
    before = Range(piece.held, begin, index - begin, exact=True)
    behind = Range(piece.held, index + 1, stop - index - 1)
    return PostMortem([before, behind, *later], index, seconds)


def how_it_ended(status: int) -> str:
    """Say how a process ended that should not have."""
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        name = f" ({signal.Signals(-status).name})"
    except ValueError:
        name = ""
    return f"was killed by signal {-status}{name}"
