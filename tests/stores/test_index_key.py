"""Index keys sort as the numbers do and give them back."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from teamtask.ledger.errors import InvalidField
from teamtask.stores.index_key import INDEX_MAX, index_key, index_of

indices = st.one_of(st.integers(0, 70_000), st.integers(0, 10**40), st.integers(0, INDEX_MAX))


@given(indices)
@example(0)
@example(INDEX_MAX)
def test_a_key_gives_its_index_back(index: int) -> None:
    assert index_of(index_key(index)) == index


@given(indices, indices)
@example(255, 256)
@example(256**8 - 1, 256**8)
def test_keys_sort_as_the_numbers_do(one: int, other: int) -> None:
    assert (index_key(one) < index_key(other)) == (one < other)
    assert (index_key(one) == index_key(other)) == (one == other)


def test_a_small_index_takes_few_bytes() -> None:
    assert [len(index_key(index)) for index in (0, 1, 255, 256, 10**9, 10**40)] == [2, 3, 3, 4, 6, 19]


@pytest.mark.parametrize("index", [INDEX_MAX + 1, 10**5_000], ids=["one more", "many more"])
def test_an_index_of_more_than_4000_digits_is_refused(index: int) -> None:
    with pytest.raises(InvalidField, match="4,000 digits"):
        index_key(index)


@given(st.binary(max_size=12))
@example(b"\0\1\0")
@example(b"\0\2\0\1")
def test_bytes_that_are_no_key_are_refused(key: bytes) -> None:
    try:
        index = index_of(key)
    except ValueError:
        return
    assert index_key(index) == key
