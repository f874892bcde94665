"""`FoldOfResults`: the fold of what a function returned, and of two such folds; the rule is a list's, or one's own."""

from __future__ import annotations

import math
import operator
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

from teamtask.ledger.errors import TeamtaskError
from teamtask.ledger.folds import check_fold, fold_of, merge_folds

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.ledger.folds import FoldRule

_TRUTHS = ("count", "any", "all")  # folds of whether results are true; the others take numbers


class NoNumber(TypeError):
    """The fold takes numbers."""


class FoldOfResults(NamedTuple):
    """Folds by a built-in `rule`, or by `merge(one, other)`, an associative function of one's own."""

    rule: FoldRule | None = None
    merge: Callable[[Any, Any], Any] | None = None

    def of(self, values: list[Any]) -> tuple[Any, list[tuple[int, Exception]]]:
        """Give the fold of results, None for none, and which (by position) it cannot take, with the reason.

        Raises whatever `merge` does.
        """
        if self.merge is not None:
            return reduce(self.merge, values), []
        assert self.rule is not None, "a fold has a rule or a function"
        try:
            fold = _plain(fold_of(self.rule, values))
            check_fold(self.rule, fold)
        except (TypeError, ValueError, ArithmeticError, TeamtaskError):
            return self._of_each(self.rule, values)
        return fold, []

    def merged(self, one: Any, other: Any) -> Any:  # noqa: ANN401 - a fold is any value
        """Join the folds of two ranges, the second behind the first; None is the fold of nothing."""
        if one is None or other is None:
            return other if one is None else one
        return merge_folds(self.rule, one, other) if self.merge is None else self.merge(one, other)

    def _of_each(self, rule: FoldRule, values: list[Any]) -> tuple[Any, list[tuple[int, Exception]]]:
        good: list[Any] = []
        bad: list[tuple[int, Exception]] = []
        convert = bool if rule in _TRUTHS else _number
        for position, value in enumerate(values):
            try:
                good.append(convert(value))
            except Exception as error:  # noqa: BLE001 - foreign code: a class may define its truth or number
                bad.append((position, error))
        return (fold_of(rule, good) if good else None), bad


def _plain(fold: Any) -> Any:  # noqa: ANN401 - a fold is any JSON
    """Turn the numbers of numpy and the like into Python's own."""
    if type(fold) in (int, float, bool):
        return fold
    return [_number(one) for one in fold] if isinstance(fold, list) else _number(fold)


def _number(value: Any) -> int | float:  # noqa: ANN401 - whatever a function returned
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return value
    try:
        return int(operator.index(value))
    except TypeError:
        pass
    if isinstance(value, (str, bytes, bytearray)) or not hasattr(value, "__float__"):
        raise NoNumber(f"The fold takes numbers, and the function returned one of type {type(value).__name__}.")
    number = float(value)
    if not math.isfinite(number):
        raise NoNumber(f"The fold takes finite numbers, and the function returned {number}.")
    return number
