"""`Source`: the pure function index -> item behind a list, with a size and a fingerprint."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from teamtask.ledger.errors import InvalidField, TeamtaskError
from teamtask.sources.limits import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

T_co = TypeVar("T_co", covariant=True)


class ItemNotFound(TeamtaskError):
    """The list has no such item."""

    code = "item_not_found"


class Source(Protocol[T_co]):
    """A list's items, by index. Never changes, holds a bounded amount of memory, safe for threads.

    `size` is the number of items: 1 at least, 4,000 decimal digits at most. Block sizes are rounded up
    to a multiple of `alignment`. Two sources with the same `fingerprint` have the same item at every
    index that both have; it never changes from one version of Teamtask to the next.
    """

    @property
    def kind(self) -> str:
        """The word for this kind of source."""
        ...

    @property
    def size(self) -> int:
        """How many items there are."""
        ...

    @property
    def alignment(self) -> int:
        """A block that starts and ends at multiples of this is the cheapest to iterate; 1 or more."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash of the rule, as text."""
        ...

    def item(self, index: int) -> T_co:
        """Return the item at `index`. Raises InvalidField when there is none."""
        ...

    def items(self, index: int, size: int) -> Iterator[T_co]:
        """Iterate the items of [index, index + size). Raises InvalidField, at once, past the end."""
        ...

    def items_at(self, indices: Iterator[int]) -> Iterator[T_co]:
        """Iterate the items at these indices, in that order; indices may be drawn ahead. Raises InvalidField."""
        ...

    def index_of(self, item: object) -> int:
        """Return the lowest index that has this item. Raises ItemNotFound."""
        ...

    def definition(self) -> dict[str, object]:
        """Return the source as the web API spells it, ready for JSON."""
        ...


class IndexedSource(ABC, Generic[T_co]):
    """What all sources share: blocks are checked here, once, and the definition is the rule that is hashed."""

    kind: str
    size: int
    # Every source here starts anywhere for about the price of one item, so none asks for rounding:
    # a first probe of one slow item stays one item.
    alignment: int = 1
    fingerprint: str

    def item(self, index: int) -> T_co:
        """Return the item at `index`. Raises InvalidField when there is none."""
        if not 0 <= index < self.size:
            self._raise_outside(index, None)
        return self._item(index)

    def items(self, index: int, size: int) -> Iterator[T_co]:
        """Iterate the items of [index, index + size). Raises InvalidField, at once, past the end."""
        if index < 0 or size < 0 or index + size > self.size:
            self._raise_outside(index, size)
        return self._items(index, size) if size else iter(())

    def items_at(self, indices: Iterator[int]) -> Iterator[T_co]:
        """Iterate the items at these indices, in their order. Raises InvalidField as `item`."""
        return map(self.item, indices)

    @abstractmethod
    def index_of(self, item: object) -> int:
        """Return the lowest index that has this item. Raises ItemNotFound."""

    @abstractmethod
    def definition(self) -> dict[str, object]:
        """Return the source as the web API spells it, ready for JSON."""

    @abstractmethod
    def _item(self, index: int) -> T_co: ...

    @abstractmethod
    def _items(self, index: int, size: int) -> Iterator[T_co]: ...

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {shown(self.size)} items>"

    def _raise_outside(self, index: int, size: int | None) -> None:
        what = "item" if size is None else f"block of {shown(size)}"
        message = f"A list of {shown(self.size)} has no {what} at index {shown(index)}."
        field = "size" if 0 <= index < self.size else "index"
        raise InvalidField(message, field=field, hint=f"Its indices go from 0 to {shown(self.size - 1)}.")


def canonical_json(value: object) -> bytes:
    """Return the one JSON text of a JSON value: keys sorted, no blanks, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def fingerprint_of(rule: dict[str, object]) -> str:
    """Return 32 hex digits of BLAKE2b (RFC 7693) over the rule's canonical JSON."""
    return hashlib.blake2b(canonical_json(rule), digest_size=16, person=b"teamtask source").hexdigest()
