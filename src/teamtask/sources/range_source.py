"""`Range`: integers from start to stop, stop excluded, as Python's range but of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teamtask.ledger.errors import InvalidSource
from teamtask.sources.limits import check_number, check_size, shown
from teamtask.sources.source import IndexedSource, ItemNotFound, fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Iterator


class Range(IndexedSource[int]):
    """start, start + step, ... below stop (above it when step is negative).

    The fingerprint leaves `stop` out: a range that grows keeps it, and every item its index.
    """

    kind = "range"

    def __init__(self, start: int, stop: int, step: int = 1) -> None:
        """Raise InvalidSource for a step of 0, an empty range or more than 4,000 digits."""
        for field, number in (("start", start), ("stop", stop), ("step", step)):
            check_number(number, field)
        if step == 0:
            raise InvalidSource("A range cannot have a step of 0.", field="step", hint="Give 1, or -1 to count down.")
        if (stop - start) * step <= 0:
            message = f"The list is empty: steps of {shown(step)} from {shown(start)} never lead to {shown(stop)}."
            hint = "The stop itself is not in the range." if stop == start else "Swap start and stop, or negate step."
            raise InvalidSource(message, field="stop", hint=hint)
        self.start, self.stop, self.step = start, stop, step
        self.size = -((start - stop) // step)  # the quotient, rounded up
        check_size(self.size, "stop")
        self.fingerprint = fingerprint_of({"kind": self.kind, "start": start, "step": step})

    def _item(self, index: int) -> int:
        return self.start + index * self.step

    def _items(self, index: int, size: int) -> Iterator[int]:
        return iter(range(self._item(index), self._item(index + size), self.step))

    def index_of(self, item: object) -> int:
        """Return the index of a number. Raises ItemNotFound."""
        if isinstance(item, int) and not isinstance(item, bool):
            index, remainder = divmod(item - self.start, self.step)
            if remainder == 0 and 0 <= index < self.size:
                return index
        raise ItemNotFound(hint=f"Items are whole numbers from {shown(self.start)} on, {shown(self.step)} apart.")

    def definition(self) -> dict[str, object]:
        """Return kind, start, stop and step."""
        return {"kind": self.kind, "start": self.start, "stop": self.stop, "step": self.step}
