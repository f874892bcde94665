"""`Outcome`: what came of an item, as `teamtask.map` yields it."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct

from teamtask.ledger.errors import TeamtaskError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from teamtask.wire.result_batch import ResultBatch

Item = TypeVar("Item")
Returned = TypeVar("Returned")


class ItemParked(TeamtaskError):
    """The item could not be worked: its process died each time, and it was set aside."""

    code = "item_parked"


class UnreadableResult(TeamtaskError):
    """A result that was kept cannot be read."""

    code = "unreadable_result"
    hint = "What the function returned needs the same classes as then, under the same names; or start with fresh=True."


class Outcome(Struct, Generic[Item, Returned], frozen=True):
    """The `index`-th item and what the function returned for it, or the exception that it raised.

    `seconds` is how long the call took; among many quick ones it is their mean. None when nobody took the time.
    """

    index: int
    item: Item
    result: Returned
    error: BaseException | None = None
    seconds: float | None = None

    @property
    def ok(self) -> bool:
        """Whether there is a result."""
        return self.error is None


def outcomes_of(batch: ResultBatch, items: Iterable[Any]) -> Iterator[Outcome[Any, Any]]:
    """Give the outcomes of adjacent results, with their items. Raises UnreadableResult."""
    indices = range(batch.index, batch.index + batch.count)
    try:
        values = batch.decoded()
    except Exception as error:  # reading them runs code of their classes
        raise UnreadableResult(
            f"The results from index {batch.index} on cannot be read: {type(error).__name__}: {error}"
        ) from error
    times = batch.times() or repeat(None)
    if not batch.failed:
        return map(Outcome, indices, items, values, repeat(None), times)
    errors: list[BaseException | None] = [None] * batch.count
    for position in batch.failed:
        raised = values[position]
        errors[position] = raised if isinstance(raised, BaseException) else RuntimeError(repr(raised))
        values[position] = None
    return map(Outcome, indices, items, values, errors, times)


def parked_outcome(index: int, item: object, message: str) -> Outcome[Any, Any]:
    """Give the outcome of an item that was set aside."""
    return Outcome(index, item, None, ItemParked(message), None)
