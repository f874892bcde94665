"""`IntervalSet`: a set of integers kept as its sorted, disjoint, never touching ranges [start, stop)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class IntervalSet:
    """Integers of any size; as large in memory as it has gaps.

    Finding is O(log n), changing O(n) with the constant of a memmove; siblings merge as they touch.
    """

    __slots__ = ("size", "starts", "stops")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        """Make the union of ranges [start, stop), in any order."""
        self.starts: list[int] = []
        self.stops: list[int] = []
        self.size = 0  # how many integers
        for start, stop in ranges:
            self.add(start, stop)

    @classmethod
    def of(cls, start: int, stop: int) -> IntervalSet:
        """Make the set of one range; start < stop."""
        made = cls.__new__(cls)
        made.starts = [start]
        made.stops = [stop]
        made.size = stop - start
        return made

    def add(self, start: int, stop: int) -> None:
        """Put [start, stop) in, whatever of it was there before."""
        if start >= stop:
            return
        starts, stops = self.starts, self.stops
        after = bisect_right(starts, start)  # the first range that begins behind `start`
        before_ends = stops[after - 1] if after else start - 1
        after_begins = starts[after] if after < len(starts) else stop + 1
        if before_ends > start or after_begins < stop:
            self._add_over(start, stop)
            return
        self.size += stop - start
        if before_ends == start:
            if after_begins == stop:  # siblings on both sides: the three are one
                stops[after - 1] = stops.pop(after)
                del starts[after]
            else:
                stops[after - 1] = stop
        elif after_begins == stop:
            starts[after] = start
        else:
            starts.insert(after, start)
            stops.insert(after, stop)

    def _add_over(self, start: int, stop: int) -> None:
        """Put in a range some of which is there."""
        starts, stops = self.starts, self.stops
        first = bisect_left(stops, start)  # the first range that ends at start or later: it touches or follows
        last = bisect_right(starts, stop)  # one past the last range that begins at stop or earlier
        self.size -= sum(stops[first:last]) - sum(starts[first:last])
        start, stop = min(start, starts[first]), max(stop, stops[last - 1])
        starts[first:last] = [start]
        stops[first:last] = [stop]
        self.size += stop - start

    def remove(self, start: int, stop: int) -> None:
        """Take [start, stop) out, whatever of it was there."""
        if start >= stop:
            return
        starts, stops = self.starts, self.stops
        first = bisect_right(stops, start)  # the first range that reaches past start
        last = bisect_left(starts, stop)  # one past the last range that begins before stop
        if first >= last:
            return
        kept_starts, kept_stops = [], []
        if starts[first] < start:
            kept_starts.append(starts[first])
            kept_stops.append(start)
        if stops[last - 1] > stop:
            kept_starts.append(stop)
            kept_stops.append(stops[last - 1])
        self.size -= sum(stops[first:last]) - sum(starts[first:last])
        self.size += sum(kept_stops) - sum(kept_starts)
        starts[first:last] = kept_starts
        stops[first:last] = kept_stops

    def within(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Give the ranges of the intersection with [start, stop), in order."""
        starts, stops = self.starts, self.stops
        first = bisect_right(stops, start)
        last = bisect_left(starts, stop)
        if first >= last:
            return []
        found = list(zip(starts[first:last], stops[first:last], strict=True))
        found[0] = (max(found[0][0], start), found[0][1])
        found[-1] = (found[-1][0], min(found[-1][1], stop))
        return found

    def intersection(self, other: IntervalSet) -> IntervalSet:
        """Give what is in both."""
        few, many = (self, other) if len(self.starts) <= len(other.starts) else (other, self)
        return IntervalSet(part for start, stop in few for part in many.within(start, stop))

    def difference(self, other: IntervalSet) -> IntervalSet:
        """Give what is here and not in the other."""
        left = self.copy()
        for start, stop in other:
            left.remove(start, stop)
        return left

    def covers(self, start: int, stop: int) -> bool:
        """Tell whether all of [start, stop) is in; true of an empty range."""
        if start >= stop:
            return True
        at = bisect_right(self.starts, start) - 1
        return at >= 0 and self.stops[at] >= stop

    def covers_all(self, other: IntervalSet) -> bool:
        """Tell whether every integer of the other is in."""
        return all(self.covers(start, stop) for start, stop in other)

    def first_gap(self, start: int) -> int:
        """Give the lowest integer from `start` on that is not in."""
        at = bisect_right(self.starts, start) - 1
        return self.stops[at] if at >= 0 and self.stops[at] > start else start

    def copy(self) -> IntervalSet:
        """Give a set of its own with the same integers."""
        made = IntervalSet.__new__(IntervalSet)
        made.starts, made.stops, made.size = self.starts.copy(), self.stops.copy(), self.size
        return made

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Go through the ranges (start, stop) in order."""
        return iter(zip(self.starts, self.stops, strict=True))

    def __len__(self) -> int:
        """Count the ranges (`size` counts the integers)."""
        return len(self.starts)

    def __contains__(self, integer: int) -> bool:
        """Tell whether this integer is in."""
        return self.covers(integer, integer + 1)

    def __eq__(self, other: object) -> bool:
        """Tell whether both hold the same integers."""
        return isinstance(other, IntervalSet) and self.starts == other.starts and self.stops == other.stops

    __hash__ = None  # type: ignore[assignment]  # it changes, so it is no key

    def __repr__(self) -> str:
        """Show the ranges as a reader of code writes them."""
        return f"IntervalSet({list(self)})"
