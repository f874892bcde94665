"""Interval text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.ledger.errors import InvalidField, TooMany
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.rules import DIGITS_MAX, OWNER_RANGES_MAX
from teamtask.wire.interval_text import interval_text, parse_intervals

END = 10**30
numbers = st.integers(0, END - 1) | st.integers(0, 50)


@given(st.lists(st.tuples(numbers, st.integers(1, 100)), min_size=1, max_size=20))
def test_text_and_back_is_the_same(ranges: list[tuple[int, int]]) -> None:
    indices = IntervalSet((start, min(start + size, END)) for start, size in ranges)
    assert parse_intervals(interval_text(indices), 0, END) == indices


def test_both_ends_count_and_an_open_end_reaches_to_the_last_index() -> None:
    assert list(parse_intervals("0-99,200,300-", 0, 1000)) == [(0, 100), (200, 201), (300, 1000)]
    assert list(parse_intervals(" 5 - 7 ,8", 0, 1000)) == [(5, 9)]
    assert list(parse_intervals("10-", 10, 11)) == [(10, 11)]
    assert interval_text([]) == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "There is an empty part between commas."),
        ("10,,20", "There is an empty part between commas."),
        ("1;2", "1;2 is no range of indices."),
        ("-5", "-5 is no range of indices."),
        ("3-1", "3-1 ends before it begins."),
        ("0x10", "0x10 is no range of indices."),
        ("1-2-3", "1-2-3 is no range of indices."),
        ("\u0663", "'\\u0663' is no range of indices."),
        ("1\x1b", "'1\\x1b' is no range of indices."),
        ("x" * 100, "x" * 40 + "... is no range of indices."),
        ("10,100", "100 is not within the list, whose indices are 10-99."),
        ("9-20", "9-20 is not within the list, whose indices are 10-99."),
        ("50-100", "50-100 is not within the list, whose indices are 10-99."),
        ("100-", "100- is not within the list, whose indices are 10-99."),
        ("9" * (DIGITS_MAX + 1), "has more digits than an index"),
    ],
)
def test_the_part_that_is_wrong_is_named(text: str, message: str) -> None:
    with pytest.raises(InvalidField) as raised:
        parse_intervals(text, 10, 100)
    assert message in raised.value.message
    assert raised.value.field == "ranges"


def test_there_is_a_limit_on_parts() -> None:
    text = ",".join(map(str, range(OWNER_RANGES_MAX)))
    assert parse_intervals(text, 0, OWNER_RANGES_MAX).size == OWNER_RANGES_MAX
    with pytest.raises(TooMany):
        parse_intervals(text + ",1", 0, OWNER_RANGES_MAX)
