"""Numbers to mixed bases, the last digit the lowest: how strings, masks and products count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teamtask.sources.limits import GROUP_SIZE_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence


def digits_of(number: int, bases: Sequence[int]) -> list[int]:
    """Return the digits of a number."""
    digits = []
    for base in reversed(bases):
        number, digit = divmod(number, base)
        digits.append(digit)
    digits.reverse()
    return digits


def group_start(bases: Sequence[int]) -> int:
    """Return where the last digits begin that together make a group: at most 4,096 items, or else one digit."""
    start, group = len(bases) - 1, bases[-1]
    while start and group * bases[start - 1] <= GROUP_SIZE_MAX:
        start -= 1
        group *= bases[start]
    return start
