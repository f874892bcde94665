"""`Items`: all that whoever works a list must know of its items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Items(Protocol):
    """The items of a list by its indices: a source, or a list on a server."""

    def items(self, index: int, size: int) -> Iterator[Any]:
        """Give the items of [index, index + size), in order."""
        ...
