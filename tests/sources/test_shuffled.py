"""A shuffled source has every item once, in an order that the seed alone decides."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask import sources
from teamtask.ledger.errors import InvalidSource

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize("size", [*range(1, 40), 99, 100, 101, 255, 256, 257, 3_000])
def test_every_item_comes_once(size: int) -> None:
    for seed in range(3):
        source = sources.shuffled(sources.range(size), seed)
        items = list(source.items(0, size))
        assert sorted(items) == [*range(size)]
        assert [source.index_of(item) for item in items] == [*range(size)]


@given(size=st.integers(1, 10**80), seed=st.integers() | st.text(max_size=20), data=st.data())
def test_the_way_back_is_the_inverse_at_any_size(size: int, seed: int | str, data: st.DataObject) -> None:
    source = sources.shuffled(sources.range(size), seed)
    index = data.draw(st.integers(0, size - 1))
    assert 0 <= source.item(index) < size
    assert source.index_of(source.item(index)) == index


def test_different_seeds_and_sizes_give_different_orders() -> None:
    orders = [tuple(sources.shuffled(sources.range(size), seed).items(0, 20)) for size in (50, 51) for seed in (0, 1)]
    assert len({*orders}) == 4


def test_all_orders_of_four_items_occur_about_equally_often() -> None:
    counts = Counter(tuple(sources.shuffled(sources.range(4), seed).items(0, 4)) for seed in range(2_400))
    assert len(counts) == 24
    assert 40 < min(counts.values()) <= max(counts.values()) < 200


def test_neighbours_are_torn_apart() -> None:
    items = list(sources.shuffled(sources.range(10**12), 3).items(0, 1_000))
    assert sum(abs(a - b) < 10**6 for a, b in pairwise(items)) <= 2
    tenths = Counter(item // 10**11 for item in items)
    assert min(tenths[tenth] for tenth in range(10)) > 50


def test_a_number_and_its_digits_are_the_same_seed() -> None:
    number, text = (sources.shuffled(sources.range(100), seed) for seed in (7, "7"))
    assert list(number.items(0, 100)) == list(text.items(0, 100))
    assert number.fingerprint == text.fingerprint


def test_a_shuffled_source_cannot_be_shuffled_again() -> None:
    with pytest.raises(InvalidSource) as raised:
        sources.shuffled(sources.shuffled(sources.range(9), 1), 2)
    assert raised.value.field == "shuffle"


def test_any_source_can_be_shuffled() -> None:
    lines = [b"a", b"b", b"c"]
    assert sorted(sources.shuffled(sources.lines_in_memory(lines), 1).items(0, 3)) == ["a", "b", "c"]
    assert sorted(sources.shuffled(sources.permutations("abc"), 1).items(0, 6)) == list(
        sources.permutations("abc").items(0, 6)
    )
    objects = [("x", 1), ("y", 2)]
    assert sorted(sources.shuffled(sources.as_source(objects), 1).items(0, 2)) == objects


def test_the_order_is_pinned_for_ever() -> None:
    assert list(sources.shuffled(sources.range(10), 1).items(0, 10)) == [7, 4, 6, 3, 1, 8, 0, 2, 5, 9]
    assert list(sources.shuffled(sources.range(1_000_000), "teamtask").items(0, 4)) == [382284, 219631, 423455, 74838]
    assert sources.shuffled(sources.range(10**40), 1).item(0) == 2097673521513213037372285156846250208531
    assert sources.shuffled(sources.range(10**400), -1).item(0) % 10**30 == 307794011990920178700207511318


def counting(count: int, length: int) -> tuple[sources.Lines, list[tuple[int, int]]]:
    """Give lines, and what is read of them."""
    reads: list[tuple[int, int]] = []

    def read_lines(index: int, size: int) -> Iterator[bytes]:
        reads.append((index, size))
        return (b"%d" % at + b" " * length for at in range(index, index + size))

    return sources.Lines(count, "1:" + "0" * 32, read_lines), reads


@pytest.mark.parametrize(("length", "most_reads", "most_lines"), [(10, 30, 120_000), (300_000, 60, 60)])
def test_shuffled_lines_are_read_together_unless_that_is_more_than_it_saves(
    length: int, most_reads: int, most_lines: int
) -> None:
    lines, reads = counting(20_000, length)
    source = sources.shuffled(lines, 1)
    size = 20_000 if length == 10 else 50
    items = list(source.items(0, size))
    assert len(reads) <= most_reads
    assert sum(count for _, count in reads) <= most_lines
    assert [int(item) for item in items] == [source.inner_index(at) for at in range(size)]


@given(count=st.integers(1, 3_000), seed=st.integers(), length=st.sampled_from([0, 10, 5_000]), data=st.data())
def test_shuffled_lines_are_those_that_they_are_one_by_one(
    count: int, seed: int, length: int, data: st.DataObject
) -> None:
    source = sources.shuffled(counting(count, length)[0], seed)
    index = data.draw(st.integers(0, count - 1))
    size = data.draw(st.integers(0, min(count - index, 100)))
    assert list(source.items(index, size)) == [source.item(at) for at in range(index, index + size)]


def test_the_first_of_many_shuffled_lines_come_before_all_are_read() -> None:
    lines, reads = counting(10**6, 10)
    next(sources.shuffled(lines, 1).items(0, 10**6))
    assert sum(count for _, count in reads) < 100_000
