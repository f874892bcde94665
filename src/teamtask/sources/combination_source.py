"""`Combinations`: every choice of k items, in their order, lexicographic by position: ab ac ad bc bd cd.

The combinatorial number system (Knuth, The Art of Computer Programming, volume 4A, 7.2.1.3) turns an index
into the choice at it. From there itertools walks whole branches of the tree of choices, each as
large as a group may be.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import cached_property, lru_cache
from itertools import chain, combinations, islice
from typing import TYPE_CHECKING

from teamtask.ledger.errors import InvalidSource
from teamtask.sources.item_values import made_of, value_key
from teamtask.sources.limits import (
    GROUP_SIZE_MAX,
    ITEMS_MAX,
    check_count,
    check_size,
    check_size_estimate,
    check_values,
    shown,
)
from teamtask.sources.source import IndexedSource, ItemNotFound, fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Combinations(IndexedSource[str | list[object]]):
    """The choices of k of a string's characters, as strings, or of a list's values, as lists.

    Equal items are items of their own: two of "aab" are aa, ab, ab. `index_of` gives the lowest that fits.
    """

    kind = "combinations"

    def __init__(self, items: str | Sequence[object], k: int) -> None:
        """Raise InvalidSource for no items, values that are not JSON, a bad k, or more than 10^4000 choices."""
        n = len(items)
        check_count(n, ITEMS_MAX, "items", "items")
        if not 1 <= k <= n:
            message = f"{n:,} items cannot be chosen {shown(k)} at a time."
            raise InvalidSource(message, field="k", hint=f"Give a k of 1 to {n:,}.")
        check_size_estimate(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1), "k")
        check_values([items] if isinstance(items, str) else items, "items")
        self.k = k
        self._values = list(items)
        self._made = made_of(items)
        self._text = isinstance(items, str)
        self.size = math.comb(n, k)
        check_size(self.size, "k")
        self.fingerprint = fingerprint_of(self.definition())
        # Searching takes k log n binomials of up to k factors each, walking takes n short steps.
        self._few = k * n.bit_length() * (k + 8) < 8 * n

    def _item(self, index: int) -> str | list[object]:
        return self._made([self._values[position] for position in self._positions(index)])

    def _positions(self, index: int) -> list[int]:
        return _searched(len(self._values), self.k, index) if self._few else _walked(len(self._values), self.k, index)

    def _items(self, index: int, size: int) -> Iterator[str | list[object]]:
        return map(self._made, chain.from_iterable(self._groups(index, size)))

    def _groups(self, index: int, size: int) -> Iterator[Iterator[tuple[object, ...]]]:
        chosen = self._positions(index)
        front: list[int] = []
        while len(front) < self.k - 1 and self._after(front) > _widest(self.k - len(front)):
            front.append(chosen[len(front)])
        after = len(self._values) - self._after(front)
        offset = _rank(self._after(front), [position - after for position in chosen[len(front) :]])
        while True:
            count = min(size, math.comb(self._after(front), self.k - len(front)) - offset)
            yield self._branch(front, offset, count)
            size -= count
            if not size:
                return
            offset = 0
            self._advance(front)

    def _after(self, front: list[int]) -> int:
        """Return how many items may still follow."""
        return len(self._values) - (front[-1] + 1 if front else 0)

    def _branch(self, front: list[int], offset: int, count: int) -> Iterator[tuple[object, ...]]:
        """Iterate [offset, offset + count) of the choices that begin with `front`.

        itertools keeps the order of its pool, so those come first when the pool begins with `front`.
        """
        tail = len(self._values) - self._after(front)
        head = [self._values[position] for position in front]
        if len(front) == self.k - 1:
            return islice(combinations(head + self._values[tail + offset : tail + offset + count], self.k), count)
        return islice(combinations(head + self._values[tail:], self.k), offset, offset + count)

    def _advance(self, front: list[int]) -> None:
        last = len(self._values) - self.k - 1
        while front[-1] == last + len(front):
            front.pop()
        front[-1] += 1
        while len(front) < self.k - 1 and self._after(front) > _widest(self.k - len(front)):
            front.append(front[-1] + 1)

    @cached_property
    def _keys(self) -> list[object]:
        return self._values if self._text else [value_key(value) for value in self._values]

    def index_of(self, item: object) -> int:
        """Return the lowest index of this choice. Raises ItemNotFound."""
        what = "characters" if self._text else "values"
        hint = f"Items are {self.k} of the {len(self._values)} {what}, in their order."
        if not isinstance(item, str if self._text else list) or len(item) != self.k:
            raise ItemNotFound(hint=hint)
        chosen, start = [], 0
        for part in item:
            try:
                chosen.append(self._keys.index(part if self._text else value_key(part), start))
            except ValueError:
                raise ItemNotFound(hint=hint) from None
            start = chosen[-1] + 1
        return (_rank if self._few else _rank_walked)(len(self._values), chosen)

    def definition(self) -> dict[str, object]:
        """Return kind, items and k."""
        return {"kind": self.kind, "items": self._made(self._values), "k": self.k}


def _walked(n: int, k: int, index: int) -> list[int]:
    """Return the positions of a choice by asking each position in turn: n steps, a binomial carried along."""
    chosen = []
    begun = math.comb(n - 1, k - 1)  # choices that take `position` next
    for position in range(n):
        after = n - position - 1
        if index < begun:
            chosen.append(position)
            k -= 1
            if not k:
                break
            begun = begun * k // after
        else:
            index -= begun
            begun = begun * (after - k + 1) // after
    return chosen


def _searched(n: int, k: int, index: int) -> list[int]:
    """Return the positions of a choice by bisection, from the end of the list: C(m, k) choices need only the last m."""
    left, after, chosen = math.comb(n, k) - 1 - index, n, []
    for wanted in range(k, 0, -1):
        after = bisect_right(range(after), left, key=lambda m: math.comb(m, wanted)) - 1
        chosen.append(n - 1 - after)
        left -= math.comb(after, wanted)
    return chosen


def _rank(n: int, chosen: list[int]) -> int:
    """Return the index of a choice among `n` items, binomial by binomial; fast while they are small or few."""
    k = len(chosen)
    later = sum(math.comb(n - 1 - position, k - taken) for taken, position in enumerate(chosen))
    return math.comb(n, k) - 1 - later


def _rank_walked(n: int, chosen: list[int]) -> int:
    """Return the index of a choice; `_walked` the other way round."""
    k, index = len(chosen), 0
    begun = math.comb(n - 1, k - 1)
    for position in range(n):
        after = n - position - 1
        if position == chosen[-k]:
            k -= 1
            if not k:
                break
            begun = begun * k // after
        else:
            index += begun
            begun = begun * (after - k + 1) // after
    return index


@lru_cache(maxsize=1024)
def _widest(k: int) -> int:
    """Return of how many items at most there is a group or less of choices of k."""
    if k == 1 or k >= GROUP_SIZE_MAX:
        return max(k, GROUP_SIZE_MAX)
    n = k
    while math.comb(n + 1, k) <= GROUP_SIZE_MAX:
        n += 1
    return n
