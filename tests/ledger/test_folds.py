"""Folds merge in any order and grouping to what one fold of everything would be."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.ledger.errors import InvalidField
from teamtask.ledger.folds import check_fold, check_fold_rule, check_merged_fold, fold_of, merge_folds

RULES: list[Any] = ["count", "sum", "min", "max", "any", "all", {"top": 3}, {"histogram": [-2, 0, 5.5]}]
HUGE = 10**3_999
integers = st.integers(-HUGE, HUGE) | st.integers(-9, 9)
parts = st.lists(st.lists(integers, min_size=1, max_size=5), min_size=1, max_size=5)


@pytest.mark.parametrize("rule", RULES, ids=str)
@given(parts=parts, data=st.data())
def test_folds_of_parts_merge_to_the_fold_of_all(rule: Any, parts: list[list[int]], data: st.DataObject) -> None:
    check_fold_rule(rule)
    values = [fold_of(rule, part) for part in parts]
    for value in values:
        check_fold(rule, value)
    shuffled = data.draw(st.permutations(values))
    while len(shuffled) > 1:  # in any grouping: any two become one
        one = shuffled.pop(data.draw(st.integers(0, len(shuffled) - 1)))
        other = shuffled.pop(data.draw(st.integers(0, len(shuffled) - 1)))
        assert merge_folds(rule, one, other) == merge_folds(rule, other, one)
        shuffled.append(merge_folds(rule, one, other))
    whole = [integer for part in parts for integer in part]
    assert shuffled == [fold_of(rule, whole)]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_nothing_is_the_value_of_an_empty_range(rule: Any) -> None:
    value = fold_of(rule, [1, 2])
    assert merge_folds(rule, None, value) == merge_folds(rule, value, None) == value
    check_fold(rule, None)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8))
def test_sums_of_floats_are_the_same_up_to_rounding(values: list[float]) -> None:
    merged = None
    for value in values:
        merged = merge_folds("sum", merged, fold_of("sum", [value]))
    assert math.isclose(merged, math.fsum(values), rel_tol=1e-9, abs_tol=1e-6)


@pytest.mark.parametrize(
    "rule",
    [
        "median", "", 3, [], {}, {"top": 0}, {"top": 1_001}, {"top": True}, {"top": "3"}, {"top": 1, "histogram": [1]},
        {"histogram": []}, {"histogram": [2, 1]}, {"histogram": [1, 1]}, {"histogram": list(range(1_000))},
        {"histogram": [1, math.nan]}, {"histogram": [1, math.inf]}, {"histogram": ["1"]}, {"bins": [1]},
    ],
    ids=repr,
)  # fmt: skip
def test_a_fold_that_there_is_not_is_refused_with_those_there_are(rule: Any) -> None:
    with pytest.raises(InvalidField) as caught:
        check_fold_rule(rule)
    assert "histogram" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("count", -1), ("count", 1.5), ("count", True), ("sum", "1"), ("sum", True), ("sum", math.nan),
        ("sum", math.inf), ("sum", 10**4_000), ("sum", [1]), ("min", {}), ("any", 1), ("all", "true"),
        ({"top": 2}, 1), ({"top": 2}, [3, 2, 1]), ({"top": 2}, ["x"]), ({"histogram": [1]}, [1]),
        ({"histogram": [1]}, [1, -1]), ({"histogram": [1]}, [1, 1.5]), ({"histogram": [1]}, 3),
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_value_of_the_fold_is_refused(rule: Any, value: Any) -> None:
    with pytest.raises(InvalidField):
        check_fold(rule, value)


@pytest.mark.parametrize(
    ("one", "other"),
    [(10**4_000 - 1, 1), (1.7e308, 1.7e308), (10**400, 0.5), (0.5, 10**400)],
    ids=["too many digits", "no finite float", "too large for a float", "too large to be added to a float"],
)
def test_a_sum_that_would_be_no_number_is_refused(one: Any, other: Any) -> None:
    check_fold("sum", other)
    with pytest.raises(InvalidField):
        check_merged_fold("sum", one, other)


def test_a_fold_larger_than_64_kib_is_refused() -> None:
    many = [10**3_000] * 30
    check_fold({"top": 1_000}, many)
    check_merged_fold({"top": 20}, many[:20], many[:20])
    with pytest.raises(InvalidField, match="64 KiB"):
        check_merged_fold({"top": 1_000}, many, many)


def test_a_list_without_a_fold_takes_none() -> None:
    check_fold(None, None)
    with pytest.raises(InvalidField):
        check_fold(None, 3)
