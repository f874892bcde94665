"""`parse_intervals`: "0-99,200,300-" into indices, both ends of a range included; `interval_text`: and back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from teamtask.ledger.errors import InvalidField, TooMany
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.rules import DIGITS_MAX, OWNER_RANGES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

_PART = re.compile(r"(?P<first>[0-9]+)(?P<dash>\s*-\s*(?P<last>[0-9]+)?)?")
_SHOWN = 40  # characters of a part in a message
HINT = "Write for example 0-99,200,300- for the first hundred, number 200, and 300 to the end."


def parse_intervals(text: str, start: int, end: int) -> IntervalSet:
    """Give the indices that a text names, of a list that has [start, end).

    Parts are separated by commas: an index, FIRST-LAST (both included), or FIRST- (to the end). Raises InvalidField
    with the part that is wrong, TooMany for more than 100,000 parts.
    """
    parts = text.split(",")
    if len(parts) > OWNER_RANGES_MAX:
        message = f"One call carries {OWNER_RANGES_MAX} ranges at most, not {len(parts)}."
        raise TooMany(message, field="ranges", hint="Give them in several calls.")
    ranges = IntervalSet()
    for part in parts:
        ranges.add(*_range_of(part.strip(), start, end))
    return ranges


def _range_of(part: str, start: int, end: int) -> tuple[int, int]:
    if not part:
        raise _wrong("There is an empty part between commas.")
    found = _PART.fullmatch(part)
    if found is None:
        raise _wrong(f"{_shown(part)} is no range of indices.")
    first_text, last_text = found["first"], found["last"]
    if max(len(first_text), len(last_text or "")) > DIGITS_MAX:
        raise _wrong(f"{_shown(part)} has more digits than an index, which has {DIGITS_MAX:,} at most.")
    first = int(first_text)
    last = first
    if found["dash"]:
        last = int(last_text) if last_text else end - 1
    if last_text and last < first:
        raise _wrong(f"{_shown(part)} ends before it begins.")
    if first < start or max(first, last) >= end:
        raise _wrong(f"{_shown(part)} is not within the list, whose indices are {_shown(f'{start}-{end - 1}')}.")
    return first, last + 1


def _shown(text: str) -> str:
    cut = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    return ascii(cut) if not cut.isascii() or not cut.isprintable() else cut


def _wrong(message: str) -> InvalidField:
    return InvalidField(message, field="ranges", hint=HINT)


def interval_text(ranges: Iterable[tuple[int, int]]) -> str:
    """Give ranges [start, stop) as text: "0-99,200"; "" for none."""
    return ",".join(f"{start}-{stop - 1}" if stop - start > 1 else str(start) for start, stop in ranges)
