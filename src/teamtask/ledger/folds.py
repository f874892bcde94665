"""Folds: summaries that merge, associative and commutative; one value a list, JSON, 64 KiB at most.

`check_fold` is for what a worker sends, `fold_of` makes the value of results, `merge_folds` joins two values. Sums of
floats are associative up to rounding only.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from teamtask.ledger.errors import InvalidField
from teamtask.ledger.rules import DIGITS_MAX, FOLD_BYTES_MAX, NUMBER_END

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FoldRule = str | dict[str, int | list[float]]

NAMES = ("count", "sum", "min", "max", "any", "all")
BUCKETS_MAX = 1_000
_FOLD_HINT = 'Known are count, sum, min, max, any, all, {"top": k} and {"histogram": [edges]}.'


def check_fold_rule(rule: FoldRule | None) -> None:
    """Refuse a fold that there is not. Raises InvalidField."""
    if rule is None or (isinstance(rule, str) and rule in NAMES):
        return
    if isinstance(rule, dict) and len(rule) == 1:
        name, value = next(iter(rule.items()))
        if name == "top" and type(value) is int and 1 <= value <= BUCKETS_MAX:
            return
        if name == "histogram" and isinstance(value, list) and 1 <= len(value) < BUCKETS_MAX:
            numbers = all(_is_number(edge) for edge in value)
            if numbers and all(low < high for low, high in pairwise(value)):
                return
    raise InvalidField(f"There is no fold {rule!r:.80}.", field="fold", hint=_FOLD_HINT)


def check_fold(rule: FoldRule | None, value: Any) -> None:  # noqa: ANN401 - it comes from outside
    """Refuse a value that is not one of this fold; None is no value. Raises InvalidField."""
    if value is None:
        return
    if rule is None:
        raise InvalidField("This list has no fold.", field="fold")
    if isinstance(rule, dict):
        good = isinstance(value, list) and len(value) <= BUCKETS_MAX and all(map(_is_number, value))
        good = good and _is_list_of(rule, value)
    elif rule in ("any", "all"):
        good = type(value) is bool
    else:
        good = _is_number(value) and (rule != "count" or (type(value) is int and value >= 0))
    if not good:
        raise InvalidField(f"That is no value of the fold {rule!r:.80}.", field="fold")


def _is_list_of(rule: dict[str, Any], values: list[Any]) -> bool:
    if "top" in rule:
        return len(values) <= _top(rule)
    edges: list[float] = rule["histogram"]
    return len(values) == len(edges) + 1 and all(type(n) is int and n >= 0 for n in values)


def _is_number(value: Any) -> bool:  # noqa: ANN401 - it comes from outside
    if type(value) is int:
        return bool(-NUMBER_END < value < NUMBER_END)
    return type(value) is float and math.isfinite(value)  # others are no JSON


def check_merged_fold(rule: FoldRule | None, one: Any, other: Any) -> None:  # noqa: ANN401 - a fold is any JSON
    """Refuse to merge values into one that is too large to be kept. Raises InvalidField."""
    if rule is None or other is None:
        return
    try:
        merged = merge_folds(rule, one, other)
        check_fold(rule, merged)
    except (OverflowError, InvalidField) as error:
        message = (
            f"With this the fold of the list would leave the numbers: {DIGITS_MAX:,} digits, or what a float holds."
        )
        raise InvalidField(message, field="fold") from error
    if len(msgspec.json.encode(merged)) > FOLD_BYTES_MAX:
        raise InvalidField("With this the fold of the list would be larger than 64 KiB.", field="fold")


def merge_folds(rule: FoldRule | None, one: Any, other: Any) -> Any:  # noqa: ANN401 - a fold is any JSON
    """Join the values of two disjoint ranges; None is the value of an empty one."""
    if one is None:
        return other
    if other is None:
        return one
    if isinstance(rule, dict):
        if "top" in rule:
            return heapq.nlargest(_top(rule), [*one, *other])
        return [left + right for left, right in zip(one, other, strict=True)]
    return _MERGE[str(rule)](one, other)


_MERGE: dict[str, Callable[[Any, Any], Any]] = {
    "count": lambda one, other: one + other,
    "sum": lambda one, other: one + other,
    "min": min,
    "max": max,
    "any": lambda one, other: one or other,
    "all": lambda one, other: one and other,
}


def fold_of(rule: FoldRule, results: Iterable[Any]) -> Any:  # noqa: ANN401 - a fold is any JSON
    """Give the fold of results: `count` counts those that are true, the others take numbers.

    Raises TypeError for a result that the fold cannot take.
    """
    if isinstance(rule, dict):
        if "top" in rule:
            return heapq.nlargest(_top(rule), results)
        edges: Any = rule["histogram"]
        buckets = [0] * (len(edges) + 1)
        for result in results:
            buckets[bisect_right(edges, result)] += 1
        return buckets
    return _FOLD[rule](results)


_FOLD: dict[str, Callable[[Iterable[Any]], Any]] = {
    "count": lambda results: sum(map(bool, results)),
    "sum": sum,
    "min": min,
    "max": max,
    "any": any,
    "all": all,
}


def _top(rule: dict[str, Any]) -> int:
    return int(rule["top"])
