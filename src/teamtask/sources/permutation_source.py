"""`Permutations`: every order of the items, lexicographic by position: abc acb bac bca cab cba.

The factorial number system (Lehmer code; Knuth, The Art of Computer Programming, volume 2, 4.1, and 4A,
7.2.1.2) turns an index into the order at it. From there itertools walks the last positions.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict, deque
from itertools import chain, islice, permutations
from typing import TYPE_CHECKING

from teamtask.sources.item_values import made_of, value_key
from teamtask.sources.limits import ITEMS_MAX, check_count, check_size, check_size_estimate, check_values
from teamtask.sources.source import IndexedSource, ItemNotFound, fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_GROUP_POSITIONS = 6  # 720 orders: soon skipped into, and long enough to make what is done once a group small


class Permutations(IndexedSource[str | list[object]]):
    """The orders of a string's characters, as strings, or of a list's values, as lists.

    Equal items are items of their own: "aab" has six orders. `index_of` gives the lowest that fits.
    """

    kind = "permutations"

    def __init__(self, items: str | Sequence[object]) -> None:
        """Raise InvalidSource for no items, values that are not JSON, or more than 10^4000 orders."""
        check_count(len(items), ITEMS_MAX, "items", "items")
        check_size_estimate(math.lgamma(len(items) + 1), "items")
        check_values([items] if isinstance(items, str) else items, "items")
        self._values = list(items)
        self._made = made_of(items)
        self._text = isinstance(items, str)
        self.size = math.factorial(len(items))
        check_size(self.size, "items")
        self.fingerprint = fingerprint_of(self.definition())

    def _item(self, index: int) -> str | list[object]:
        front, _ = self._split(index, 0)
        return self._made([self._values[position] for position in front])

    def _split(self, number: int, rest: int) -> tuple[list[int], list[int]]:
        """Return the positions of the `number`th front, and the `rest` positions it leaves, ascending."""
        places = []
        for base in range(rest + 1, len(self._values) + 1):
            number, place = divmod(number, base)
            places.append(place)
        free = list(range(len(self._values)))
        return [free.pop(place) for place in reversed(places)], free

    def _items(self, index: int, size: int) -> Iterator[str | list[object]]:
        return map(self._made, chain.from_iterable(self._groups(index, size)))

    def _groups(self, index: int, size: int) -> Iterator[Iterator[tuple[object, ...]]]:
        rest = min(_GROUP_POSITIONS, len(self._values))
        group = math.factorial(rest)
        number, offset = divmod(index, group)
        front, free = self._split(number, rest)
        while True:
            # itertools keeps the order of its pool, so the first `group` orders have this front.
            orders = permutations([self._values[position] for position in (*front, *free)])
            count = min(size, group - offset)
            yield islice(orders, offset, offset + count)
            size -= count
            if not size:
                return
            offset = 0
            _advance(front, free)

    def index_of(self, item: object) -> int:
        """Return the lowest index of this order. Raises ItemNotFound."""
        hint = f"Items are the {len(self._values)} {'characters' if self._text else 'values'} in any order."
        if not isinstance(item, str if self._text else list) or len(item) != len(self._values):
            raise ItemNotFound(hint=hint)
        positions: defaultdict[bytes, deque[int]] = defaultdict(deque)
        for position, value in enumerate(self._values):
            positions[value_key(value)].append(position)
        free, index = list(range(len(self._values))), 0
        for value in item:
            known = positions[value_key(value)]
            if not known:
                raise ItemNotFound(hint=hint)
            place = bisect_right(free, known.popleft()) - 1
            index = index * len(free) + place
            del free[place]
        return index

    def definition(self) -> dict[str, object]:
        """Return kind and items."""
        return {"kind": self.kind, "items": self._made(self._values)}


def _advance(front: list[int], free: list[int]) -> None:
    """Go to the next front, in place; `free` stays ascending (Knuth 7.2.1.2, algorithm L, for the front alone)."""
    rest = len(free)
    while front[-1] > free[-1]:
        free.append(front.pop())
    larger = bisect_right(free, front[-1])
    front[-1], free[larger] = free[larger], front[-1]
    front.extend(free[: len(free) - rest])
    del free[: len(free) - rest]
