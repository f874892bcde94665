"""A product of lists of arguments is told from every other product, and its items are lists."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from teamtask.sources import source_from_definition
from teamtask.sources.rows import Rows, arguments_of, product_of

arguments = st.lists(st.lists(st.text(max_size=3), min_size=1, max_size=4).map(tuple), min_size=2, max_size=3).map(
    tuple
)


@given(arguments)
def test_the_lists_are_found_again_and_items_are_their_product(lists: tuple[tuple[str, ...], ...]) -> None:
    definition = product_of(lists)
    assert arguments_of(definition) == lists
    rows = Rows(source_from_definition(definition))
    assert list(rows.items(0, rows.size)) == [list(row) for row in itertools.product(*lists)]


@given(arguments, st.integers())
def test_shuffled_they_are_the_same_lists(lists: tuple[tuple[str, ...], ...], seed: int) -> None:
    assert arguments_of(product_of(lists) | {"shuffle": seed}) == lists


def test_nothing_else_is_taken_for_them() -> None:
    for definition in (
        {"kind": "range", "start": 0, "stop": 2},
        {"kind": "product", "axes": [["rate", [1]], ["depth", [2]]]},
        {"kind": "product", "axes": [["2", [1]], ["1", [2]]]},
        {"kind": "product", "axes": [["1", [1]]]},
    ):
        assert arguments_of(definition) == ()
