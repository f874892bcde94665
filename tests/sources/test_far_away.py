"""Lists of any size: what holds at the beginning holds at indices of 40 digits and at the very end."""

from __future__ import annotations

import itertools
import math
import pickle
import string
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask import sources
from teamtask.ledger.errors import InvalidField
from teamtask.sources import ItemNotFound, Source

LETTERS = string.ascii_letters
FAR = 10**40

LARGE: dict[str, Source[Any]] = {
    "range": sources.range(-(10**50), 10**50, 7),
    "range down": sources.range(10**50, -(10**50), -13),
    "strings": sources.strings(string.printable, length=40),
    "strings of several lengths": sources.strings(string.ascii_lowercase, min_length=3, max_length=40),
    "strings of two characters": sources.strings("01", min_length=1, max_length=400),
    "mask": sources.mask(*[string.ascii_lowercase, string.digits, "äöü"] * 20),
    "permutations": sources.permutations(LETTERS),
    "permutations of a list": sources.permutations([[number] for number in range(60)]),
    "combinations": sources.combinations("".join(map(chr, range(0x100, 0x300))), 30),
    "combinations, half of them": sources.combinations(range(200), 100),
    "combinations, nearly all": sources.combinations(range(800), 770),
    "combinations, few of many": sources.combinations(range(99_000), 10),
    "product": sources.product({f"axis {number}": [*range(11)] for number in range(50)}),
    "shuffled": sources.shuffled(sources.strings("abc", length=100), "a seed"),
}

sized = pytest.mark.parametrize("source", LARGE.values(), ids=LARGE.keys())


@sized
@given(data=st.data())
def test_an_item_leads_back_to_its_index(source: Source[Any], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, source.size - 1))
    assert source.index_of(source.item(index)) == index


@sized
@given(data=st.data())
def test_a_block_is_the_items_at_its_indices(source: Source[Any], data: st.DataObject) -> None:
    places = st.integers(0, source.size - 1) | st.integers(0, 10_000) | st.integers(1, 10_000).map(source.size.__sub__)
    index = data.draw(places)
    size = min(source.size - index, data.draw(st.integers(0, 40)))
    assert list(source.items(index, size)) == [source.item(index + offset) for offset in range(size)]


@sized
def test_a_long_block_from_forty_digits_on_misses_nothing(source: Source[Any]) -> None:
    assert source.size > FAR + 5_000
    items = list(itertools.islice(source.items(FAR, source.size - FAR), 5_000 if source.kind != "shuffled" else 200))
    sample = range(0, len(items), max(1, len(items) // 50))
    assert [items[offset] for offset in sample] == [source.item(FAR + offset) for offset in sample]
    assert len({repr(item) for item in items}) == len(items)


@sized
def test_past_the_end_is_an_error_before_the_first_item(source: Source[Any]) -> None:
    last = source.size - 1
    for index in (-1, source.size, 10**4_500):
        with pytest.raises(InvalidField) as raised:
            source.item(index)
        assert raised.value.field == "index"
        with pytest.raises(InvalidField):
            source.items(index, 1)
    for index, size in ((last, 2), (0, source.size + 1), (0, -1), (0, 10**4_500)):
        with pytest.raises(InvalidField) as raised:
            source.items(index, size)
        assert raised.value.field == "size"
        assert raised.value.hint
    assert list(source.items(last, 1)) == [source.item(last)]
    assert list(source.items(source.size, 0)) == []


@sized
def test_what_is_no_item_is_not_found(source: Source[Any]) -> None:
    for item in (None, True, 10**60, "", "ß", "a" * 500, [], [1, 2], [object()], {}, {"axis 0": 1}, object(), 1.5):
        with pytest.raises(ItemNotFound):
            source.index_of(item)


@sized
def test_a_source_travels_to_another_process(source: Source[Any]) -> None:
    copy = pickle.loads(pickle.dumps(source))  # noqa: S301 - our own bytes
    assert copy.fingerprint == source.fingerprint
    assert copy.item(FAR) == source.item(FAR)


@sized
def test_blocks_need_no_rounding(source: Source[Any]) -> None:
    assert source.alignment == 1


@sized
def test_iterating_takes_a_bounded_amount_of_memory(source: Source[Any]) -> None:
    tracemalloc.start()
    try:
        for _ in itertools.islice(source.items(FAR, source.size - FAR), 10_000):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 400_000


def test_sizes_are_exact() -> None:
    assert LARGE["permutations"].size == math.factorial(52)
    assert LARGE["combinations, half of them"].size == math.comb(200, 100)
    assert LARGE["strings of several lengths"].size == sum(26**length for length in range(3, 41))
    assert LARGE["mask"].size == (26 * 10 * 3) ** 20
    assert LARGE["product"].size == 11**50


@pytest.mark.parametrize(
    "source",
    [
        sources.range(10**4000 - 1),
        sources.strings("0123456789", length=3_999),
        sources.strings("01", min_length=0, max_length=13_280),
        sources.permutations(range(1_450)),
        sources.combinations(range(13_000), 6_500),
        sources.mask(*["0123456789"] * 3_999),
        sources.product({f"axis {number}": [*range(10)] for number in range(1_000)}),
        sources.shuffled(sources.range(10**4000 - 1), 1),
    ],
    ids=repr,
)
def test_indices_may_have_four_thousand_digits(source: Source[Any]) -> None:
    index = source.size - source.size // 3
    item = source.item(index)
    assert source.index_of(item) == index
    assert next(source.items(index, 1)) == item
    last = list(source.items(source.size - 3, 3))
    assert [source.index_of(item) for item in last] == [source.size - 3, source.size - 2, source.size - 1]


def test_the_repr_of_a_source_is_short() -> None:
    assert repr(sources.range(5)) == "<Range of 5 items>"
    assert repr(sources.permutations(range(1_450))) == "<Permutations of about 10^3956 items>"
