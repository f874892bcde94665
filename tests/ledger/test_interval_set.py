"""An IntervalSet is a set of integers: everything that it does is compared with `set[int]`."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.ledger.interval_set import IntervalSet

FAR = 10**4_000 - 50
bounds = st.tuples(st.integers(0, 40), st.integers(0, 40))
changes = st.lists(st.tuples(st.sampled_from(["add", "remove"]), bounds), max_size=20)
sets = st.frozensets(st.integers(0, 40), max_size=30)


def of(integers: set[int] | frozenset[int]) -> IntervalSet:
    return IntervalSet((integer, integer + 1) for integer in integers)


def integers_of(ranges: IntervalSet) -> set[int]:
    """The integers, after a look at whether the ranges are sorted, apart, and counted."""
    pairs = list(ranges)
    assert all(start < stop for start, stop in pairs)
    assert all(stop < start for (_, stop), (start, _) in pairwise(pairs))
    found = {integer for start, stop in pairs for integer in range(start, stop)}
    assert ranges.size == len(found)
    assert len(ranges) == len(pairs)
    return found


@given(changes, st.sampled_from([0, -20, FAR]))
def test_adding_and_removing_is_that_of_a_set(changes: list[tuple[str, tuple[int, int]]], offset: int) -> None:
    ranges, expected = IntervalSet(), set[int]()
    for what, (low, high) in changes:
        start, stop = offset + low, offset + high
        if what == "add":
            ranges.add(start, stop)
            expected |= set(range(start, stop))
        else:
            ranges.remove(start, stop)
            expected -= set(range(start, stop))
        assert integers_of(ranges) == expected


@given(sets, sets)
def test_intersection_difference_and_equality_are_those_of_sets(one: frozenset[int], other: frozenset[int]) -> None:
    left, right = of(one), of(other)
    assert integers_of(left.intersection(right)) == one & other
    assert integers_of(left.difference(right)) == one - other
    assert left.covers_all(right) == (other <= one)
    assert (left == right) == (one == other)
    assert (integers_of(left), integers_of(right)) == (one, other), "asking changes nothing"


@given(sets, bounds)
def test_looking_into_a_range_is_that_of_a_set(integers: frozenset[int], ends: tuple[int, int]) -> None:
    start, stop = ends
    ranges = of(integers)
    inside = ranges.within(start, stop)
    assert integers_of(IntervalSet(inside)) == integers & set(range(start, stop))
    assert inside == sorted(inside)
    assert ranges.covers(start, stop) == (set(range(start, stop)) <= integers)
    assert (start in ranges) == (start in integers)
    assert ranges.first_gap(start) == next(n for n in range(start, 99) if n not in integers)


@given(sets)
def test_a_copy_is_a_set_of_its_own(integers: frozenset[int]) -> None:
    ranges = of(integers)
    copied = ranges.copy()
    copied.add(-5, -3)
    assert integers_of(ranges) == integers
    assert integers_of(copied) == integers | {-5, -4}


@given(st.permutations(range(60)))
def test_siblings_merge_in_whatever_order_they_come(order: list[int]) -> None:
    ranges = IntervalSet()
    for integer in order:
        ranges.add(integer, integer + 1)
    assert list(ranges) == [(0, 60)]


def test_one_range_is_made_at_once() -> None:
    assert IntervalSet.of(3, 9) == IntervalSet([(3, 9)])
    assert repr(IntervalSet.of(3, 9)) == "IntervalSet([(3, 9)])"


def test_a_set_that_changes_is_no_key() -> None:
    with pytest.raises(TypeError):
        hash(IntervalSet())
    assert IntervalSet() != set()
