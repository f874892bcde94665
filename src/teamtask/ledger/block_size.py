"""How much a claim is given: fixed blocks, several to a lease when they are small, or blocks sized by speed.

Guided self-scheduling (Polychronopoulos and Kuck, 1987) with the worker's own speed, bounded in time: half of what a
fair share of the rest would take, at least t_min, at most the target. Integers are compared before they become floats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from teamtask.ledger.rules import BLOCK_SECONDS_MAX, SPEED_MAX

if TYPE_CHECKING:
    from teamtask.ledger.rules import BlockRule
    from teamtask.ledger.workers import Worker, Workers

T_MIN_SECONDS = 0.1  # no lease is meant to be shorter,
EXCHANGES_PER_T_MIN = 20  # nor shorter than so many exchanges
GROW_MAX = 4
SHRINK_MAX = 2
PROGRESS_SECONDS_MIN = 0.001
_RECORDED_MAX = int(SPEED_MAX * PROGRESS_SECONDS_MIN)


def speed_after(speed: float, recorded: int, seconds: float) -> float:
    """Give a worker's speed after it recorded so much in so long: the mean of the old one (0: unknown) and this."""
    if seconds < PROGRESS_SECONDS_MIN:  # noqa: PLR1730 - max() takes three times as long
        seconds = PROGRESS_SECONDS_MIN  # no progress is taken to have been faster
    latest = recorded / seconds if recorded < _RECORDED_MAX else SPEED_MAX
    return (speed + latest) / 2 if speed else latest


def fixed_size(block_size: int, speed: float, exchange_seconds: float, blocks_max: int) -> int:
    """Give the size of a lease of whole blocks: as many as a worker does in t_min, one if its speed is unknown (0)."""
    if not speed:
        return block_size
    t_min = EXCHANGES_PER_T_MIN * exchange_seconds
    expected = speed * (t_min if t_min > T_MIN_SECONDS else T_MIN_SECONDS)  # noqa: FURB136 - as above
    if expected <= block_size:
        return block_size
    return block_size * min(blocks_max, -(-int(expected) // block_size))


def adaptive_size(
    rule: BlockRule,
    workers: Workers,
    worker: Worker | None,
    remaining: int,
    exchange_seconds: float,
    seconds: float | None,
) -> int:
    """Give the size of a block for this worker, 1 while its speed is unknown; `seconds` in the place of the target.

    `remaining` is R, what nobody holds; V sums the speeds of active workers, where an unknown one counts as the mean.
    """
    if worker is None or not worker.speed:
        return 1
    t_min = EXCHANGES_PER_T_MIN * exchange_seconds
    if t_min < T_MIN_SECONDS:  # noqa: PLR1730 - as above
        t_min = T_MIN_SECONDS
    target = rule.seconds if seconds is None or not seconds > 0 else min(seconds, BLOCK_SECONDS_MAX)
    if target < t_min:  # noqa: PLR1730 - as above
        target = t_min
    speed_of_all = workers.speed * workers.active / workers.speeds if workers.speeds else 0.0
    if remaining < 2 * target * speed_of_all:
        target = max(0.5 * remaining / speed_of_all, t_min)
    size, wanted = int(worker.speed * target), worker.wanted
    if wanted:
        if size > GROW_MAX * wanted:
            size = GROW_MAX * wanted
        elif size * SHRINK_MAX < wanted:
            size = -(-wanted // SHRINK_MAX)
    if rule.max is not None and size > rule.max:
        size = rule.max
    return size or 1


def aligned_end(start: int, size: int, alignment: int, size_max: int | None) -> int:
    """Give the size that ends at the next multiple of `alignment`, or at the one before when that would be too much."""
    stop = -(-(start + size) // alignment) * alignment
    if size_max is not None and stop - start > size_max:
        stop = (start + size_max) // alignment * alignment
        if stop <= start:  # there is no multiple so near
            return size
    return stop - start


def with_remainder(size: int, available: int, size_max: int | None) -> int:
    """Give all that there is when it is at most 1.2 times the size; a small remainder is not worth a lease."""
    if available <= size or (available * 5 <= size * 6 and (size_max is None or available <= size_max)):
        return available
    return size
