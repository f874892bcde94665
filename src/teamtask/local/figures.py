"""Numbers and times as people read them."""

from __future__ import annotations

import math

_UNITS = ("", "k", "M", "G", "T", "P", "E")


def compact(number: float) -> str:
    """Give a number in a few characters: 87, 12.4, 3.1M, 1.2e30."""
    if isinstance(number, int) and abs(number) < 10**7:  # easily read as it is
        return str(number)
    if isinstance(number, int) and number >= 10**18:
        # All but some 20 digits are cut off first: Python refuses to print more than 4,300, and it takes long.
        cut = max(0, int(number.bit_length() * math.log10(2)) - 20)
        digits = str(number // 10**cut)
        return f"{digits[0]}.{digits[1]}e{len(digits) - 1 + cut}"
    value = float(number)
    unit = 0
    while abs(value) >= 1000 and unit < len(_UNITS) - 1:  # noqa: PLR2004 - the next unit
        value /= 1000
        unit += 1
    return f"{value:.1f}{_UNITS[unit]}" if unit or value != int(value) else str(int(value))


def duration(seconds: float) -> str:
    """Give a time in its two largest units: 12 s, 3m10s, 2h05m, 4d03h."""
    whole = int(seconds + 0.5)
    if whole < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{whole} s"
    for size, unit, smaller, small in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // smaller:02d}{small}"
    return f"{whole} s"
