"""`shown`: a number in a message; `check_number`: the limit on numbers from outside (4,000 digits)."""

from __future__ import annotations

from teamtask.ledger.errors import InvalidField
from teamtask.ledger.rules import DIGITS_MAX, NUMBER_END

_DIGITS_SHOWN = 30
_BITS_PER_DIGIT = 3.321928094887362


def shown(number: int) -> str:
    """Give a number for a message: its digits, or of a very long one how many there are.

    Python refuses to print more than 4,300 digits, and nobody reads them.
    """
    if number.bit_length() <= _DIGITS_SHOWN * _BITS_PER_DIGIT:
        return str(number)
    return f"about {'-' if number < 0 else ''}10^{int(number.bit_length() / _BITS_PER_DIGIT)}"


def counted(count: int, one: str, many: str) -> str:
    """Give a count with its noun: 1 item, 2 items."""
    return f"{shown(count)} {one if count == 1 else many}"


def check_number(number: int, field: str) -> None:
    """Raise InvalidField for a number of more than 4,000 digits."""
    if not -NUMBER_END < number < NUMBER_END:
        raise InvalidField(f"A number has {DIGITS_MAX:,} digits at most.", field=field)


def check_range(start: int, stop: int, field: str) -> None:
    """Raise InvalidField for a range that ends before it begins, or of numbers that are too long."""
    check_number(start, field)
    check_number(stop, field)
    if stop < start:
        raise InvalidField(f"A range ends at {shown(stop)}, before it begins at {shown(start)}.", field=field)
