"""Every source gives what Python's own itertools give, item by item, block by block, and back."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask import sources

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamtask.sources import Source

LETTERS = "abcdefghijklmnopqrstuvwxyzäöü😀"


def check_whole(source: Source[Any], expected: Iterable[object]) -> None:
    """Compare the whole list, and a step through its single items."""
    items = list(expected)
    assert source.size == len(items)
    assert list(source.items(0, source.size)) == items
    step = max(1, len(items) // 200)
    for index in range(0, len(items), step):
        assert source.item(index) == items[index]
        assert source.index_of(items[index]) == items.index(items[index])


def joined(tuples: Iterable[tuple[str, ...]]) -> Iterable[str]:
    return map("".join, tuples)


def test_the_three_letters_of_the_authors_post_come_in_his_order() -> None:
    assert list(sources.strings("abc", length=3).items(0, 3)) == ["aaa", "aab", "aac"]
    assert list(sources.permutations("abc").items(0, 6)) == ["abc", "acb", "bac", "bca", "cab", "cba"]


@pytest.mark.parametrize(
    ("start", "stop", "step"), [(0, 10, 1), (2, 11, 3), (5, -6, -2), (-3, -2, 7), (0, 5_000, 2), (10, 9, -1)]
)
def test_a_range_is_pythons_range(start: int, stop: int, step: int) -> None:
    check_whole(sources.range(start, stop, step), range(start, stop, step))


def test_a_range_with_one_number_starts_at_zero() -> None:
    check_whole(sources.range(7), range(7))


# 2, 7, 17 and 28 letters to the power of these lengths lie on both sides of the size of a group (4,096).
@pytest.mark.parametrize(
    ("letters", "length"), [(1, 1), (1, 9), (2, 1), (2, 12), (2, 13), (7, 5), (17, 3), (28, 2), (28, 3)]
)
def test_strings_of_one_length_are_a_product(letters: int, length: int) -> None:
    alphabet = LETTERS[:letters]
    check_whole(sources.strings(alphabet, length=length), joined(itertools.product(alphabet, repeat=length)))


@pytest.mark.parametrize(("letters", "shortest", "longest"), [(1, 0, 9), (1, 2, 30), (2, 0, 13), (5, 1, 6), (28, 2, 3)])
def test_strings_of_several_lengths_come_shortest_first(letters: int, shortest: int, longest: int) -> None:
    alphabet = LETTERS[:letters]
    lengths = range(shortest, longest + 1)
    expected = itertools.chain.from_iterable(joined(itertools.product(alphabet, repeat=n)) for n in lengths)
    check_whole(sources.strings(alphabet, min_length=shortest, max_length=longest), expected)


def test_strings_start_at_one_character_when_only_the_longest_length_is_given() -> None:
    assert list(sources.strings("ab", max_length=2).items(0, 6)) == ["a", "b", "aa", "ab", "ba", "bb"]


def test_an_alphabet_longer_than_a_group_still_counts_on() -> None:
    alphabet = "".join(map(chr, range(0x4E00, 0x4E00 + 5_000)))
    source = sources.strings(alphabet, length=2)
    pairs = joined(itertools.product(alphabet, repeat=2))
    assert list(source.items(4_990, 6_000)) == list(itertools.islice(pairs, 4_990, 10_990))


@pytest.mark.parametrize(
    "alphabets", [["abc"], ["A", "B"], ["ab", "0123456789", "xyz"], ["01"] * 14, ["a", LETTERS, LETTERS, LETTERS]]
)
def test_a_mask_is_a_product_of_alphabets(alphabets: list[str]) -> None:
    check_whole(sources.mask(*alphabets), joined(itertools.product(*alphabets)))


@pytest.mark.parametrize("n", range(1, 9))
def test_permutations_of_text_are_text_and_of_a_list_are_lists(n: int) -> None:
    letters = LETTERS[:n]
    check_whole(sources.permutations(letters), joined(itertools.permutations(letters)))
    check_whole(sources.permutations(range(n)), map(list, itertools.permutations(range(n))))


def test_equal_items_are_items_of_their_own() -> None:
    check_whole(sources.permutations("aabb"), joined(itertools.permutations("aabb")))
    check_whole(sources.combinations("aab", 2), ["aa", "ab", "ab"])
    check_whole(sources.product(a=[1, 1], b=[2]), [{"a": 1, "b": 2}] * 2)


# The sizes lie on both sides of a group, few of many and many of few.
@pytest.mark.parametrize(
    ("n", "k"), [(1, 1), (5, 1), (5, 5), (6, 3), (16, 8), (28, 3), (28, 25), (28, 27), (100, 2), (5_000, 1), (95, 2)]
)
def test_combinations_of_text_are_text_and_of_a_list_are_lists(n: int, k: int) -> None:
    letters = "".join(map(chr, range(0x100, 0x100 + n)))
    check_whole(sources.combinations(letters, k), joined(itertools.combinations(letters, k)))
    check_whole(sources.combinations(range(n), k), map(list, itertools.combinations(range(n), k)))


@pytest.mark.parametrize("counts", [[1], [5_000], [2, 3], [3, 1, 4], [1, 5_000], [17, 17, 17], [2] * 13])
def test_a_product_gives_a_dict_for_each_choice(counts: list[int]) -> None:
    axes = {f"axis {number}": [*range(count)] for number, count in enumerate(counts)}
    expected = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    check_whole(sources.product(axes), expected)


def test_the_axes_of_a_product_come_by_name_as_a_dict_or_as_pairs() -> None:
    expected = {"kind": "product", "axes": [["rate", [0.1, 0.2]], ["depth", [1, 2]]]}
    assert sources.product(rate=[0.1, 0.2], depth=(1, 2)).definition() == expected
    assert sources.product({"rate": [0.1, 0.2], "depth": range(1, 3)}).definition() == expected
    assert sources.product([("rate", [0.1, 0.2]), ("depth", iter([1, 2]))]).definition() == expected
    assert sources.product({"rate": [0.1, 0.2]}, depth=[1, 2]).definition() == expected


def test_values_inside_an_item_keep_their_type() -> None:
    values = [1, 1.0, True, "1", None, [1], {"a": 1}]
    source = sources.product(value=values)
    assert [source.index_of({"value": value}) for value in values] == [*range(7)]
    assert [type(item["value"]) for item in source.items(0, 7)] == [type(value) for value in values]


@given(st.data())
def test_a_block_may_start_and_end_anywhere(data: st.DataObject) -> None:
    alphabet = LETTERS[: data.draw(st.integers(1, 6))]
    n = data.draw(st.integers(1, 12))
    k = data.draw(st.integers(1, n))
    source, expected = data.draw(
        st.sampled_from(
            [
                (sources.strings(alphabet, min_length=0, max_length=6), None),
                (sources.permutations(LETTERS[: min(n, 7)]), joined(itertools.permutations(LETTERS[: min(n, 7)]))),
                (sources.combinations(range(n), k), map(list, itertools.combinations(range(n), k))),
                (sources.mask(alphabet, "01", alphabet), joined(itertools.product(alphabet, "01", alphabet))),
            ]
        )
    )
    items = list(expected if expected is not None else source.items(0, source.size))
    index = data.draw(st.integers(0, source.size))
    size = data.draw(st.integers(0, source.size - index))
    assert list(source.items(index, size)) == items[index : index + size]
