"""A sorted collection that never changes: adding makes a new one that shares nearly everything with the old.

The logarithmic method (Bentley and Saxe, Decomposable searching problems, 1980): a few sorted tuples, of which two
of like length are merged into one. n additions cost O(n log n) together, a view of any moment costs nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from heapq import merge
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")


class SortedRuns(Generic[T]):
    """Items in order of `key(item)`, which is different for each of them."""

    __slots__ = ("_key", "_runs")

    def __init__(self, key: Callable[[T], Any], runs: tuple[tuple[T, ...], ...] = ()) -> None:
        self._key = key
        self._runs = runs

    def plus(self, items: Iterable[T]) -> SortedRuns[T]:
        """These items and more."""
        new = tuple(sorted(items, key=self._key))
        if not new:
            return self
        runs = list(self._runs)
        while runs and len(runs[-1]) <= 2 * len(new):
            new = tuple(sorted(runs.pop() + new, key=self._key))  # two sorted halves: Timsort merges them
        return SortedRuns(self._key, (*runs, new))

    def without(self, wanted: Any) -> SortedRuns[T]:  # noqa: ANN401 - whatever the key gives
        """These items but the one whose key is `wanted`."""
        runs = []
        for run in self._runs:
            at = bisect_left(run, wanted, key=self._key)
            found = at < len(run) and self._key(run[at]) == wanted
            runs.append(run[:at] + run[at + 1 :] if found else run)
        return SortedRuns(self._key, tuple(filter(None, runs)))

    def since(self, first: Any) -> Iterator[T]:  # noqa: ANN401 - as above
        """Items whose key is `first` or more, in order."""
        parts = []
        for run in self._runs:
            at = bisect_left(run, first, key=self._key)
            if at < len(run):
                parts.append(run[at:])
        return iter(parts[0]) if len(parts) == 1 else merge(*parts, key=self._key)

    def before(self, first: Any) -> T | None:  # noqa: ANN401 - as above
        """The last item whose key is less than `first`."""
        last: list[T] = []
        for run in self._runs:
            at = bisect_left(run, first, key=self._key)
            if at:
                last.append(run[at - 1])
        return max(last, key=self._key, default=None)

    def last(self) -> T | None:
        """The item with the greatest key."""
        return max((run[-1] for run in self._runs), key=self._key, default=None)

    def __iter__(self) -> Iterator[T]:
        """Every item, in order."""
        return iter(self._runs[0]) if len(self._runs) == 1 else merge(*self._runs, key=self._key)
