"""`Product`: every choice of one value for each named axis, as an object, the last axis fastest."""

from __future__ import annotations

from functools import cached_property
from itertools import chain, islice, product, repeat
from typing import TYPE_CHECKING

from teamtask.ledger.errors import InvalidSource
from teamtask.sources.item_values import value_key
from teamtask.sources.limits import AXES_MAX, ITEMS_MAX, bounded_product, check_count, check_values, quoted
from teamtask.sources.mixed_bases import digits_of, group_start
from teamtask.sources.source import IndexedSource, ItemNotFound, fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class Product(IndexedSource[dict[str, object]]):
    """{"rate": 0.1, "depth": 1}, {"rate": 0.1, "depth": 2}, ...; equal values of an axis are values of their own.

    Items share the values: whoever changes one in place changes it for all (as with itertools).
    """

    kind = "product"

    def __init__(self, axes: Sequence[tuple[str, Sequence[object]]]) -> None:
        """Raise InvalidSource for no axes or values, a name used twice, values not JSON, or more than 10^4000 items."""
        check_count(len(axes), AXES_MAX, "axes", "axes")
        weight = 0
        for name, values in axes:
            check_count(len(values), ITEMS_MAX, "axes", f"values of the axis {quoted(name)}")
            weight = check_values([name, *values], "axes", weight=weight)
        self._names = [name for name, _ in axes]
        if len({*self._names}) < len(axes):
            twice = next(name for name in self._names if self._names.count(name) > 1)
            message = f"Two axes have the name {quoted(twice)}."
            raise InvalidSource(message, field="axes", hint="Give each axis a name of its own.")
        self._axes = [list(values) for _, values in axes]
        self._bases = [len(values) for values in self._axes]
        self.size = bounded_product(self._bases, "axes")
        self.fingerprint = fingerprint_of(self.definition())
        self._split = group_start(self._bases)

    def _item(self, index: int) -> dict[str, object]:
        return dict(zip(self._names, self._chosen(self._bases, index), strict=True))

    def _chosen(self, bases: Sequence[int], number: int) -> list[object]:
        digits = digits_of(number, bases)
        return [self._axes[axis][digit] for axis, digit in enumerate(digits)]

    def _items(self, index: int, size: int) -> Iterator[dict[str, object]]:
        pairs = map(zip, repeat(self._names), chain.from_iterable(self._groups(index, size)))
        return map(dict, pairs)

    def _groups(self, index: int, size: int) -> Iterator[Iterable[tuple[object, ...]]]:
        bases, inner = self._bases[: self._split], self._axes[self._split :]
        group = bounded_product(self._bases[self._split :], "axes")
        number, offset = divmod(index, group)
        while size:
            front = [[value] for value in self._chosen(bases, number)]
            count = min(size, group - offset)
            if len(inner) == 1:  # this one may be long, so it is cut, not skipped into
                yield product(*front, inner[0][offset : offset + count])
            else:
                yield islice(product(*front, *inner), offset, offset + count)
            number, offset, size = number + 1, 0, size - count

    @cached_property
    def _digits(self) -> list[dict[bytes, int]]:
        # Backwards, so that of equal values the first stays.
        return [{value_key(values[digit]): digit for digit in range(len(values) - 1, -1, -1)} for values in self._axes]

    def index_of(self, item: object) -> int:
        """Return the lowest index of this choice, in whatever order the names are. Raises ItemNotFound."""
        hint = "Items are objects with one value of each axis."
        if not isinstance(item, dict) or item.keys() != {*self._names}:
            raise ItemNotFound(hint=hint)
        index = 0
        for name, base, digits in zip(self._names, self._bases, self._digits, strict=True):
            digit = digits.get(value_key(item[name]))
            if digit is None:
                raise ItemNotFound(f"The axis {quoted(name)} has no such value.", hint=hint)
            index = index * base + digit
        return index

    def definition(self) -> dict[str, object]:
        """Return kind and axes."""
        axes = [[name, list(values)] for name, values in zip(self._names, self._axes, strict=True)]
        return {"kind": self.kind, "axes": axes}
