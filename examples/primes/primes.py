"""`is_prime`, a function to be called for each number of a range."""

from __future__ import annotations

from math import isqrt


def is_prime(number: int) -> bool:
    """Tell whether a number has no divisor but 1 and itself, by trying the odd ones up to its root."""
    if number < 3:  # noqa: PLR2004 - 2 is the only even prime
        return number == 2  # noqa: PLR2004 - as above
    return number % 2 == 1 and all(number % divisor for divisor in range(3, isqrt(number) + 1, 2))
