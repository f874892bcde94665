"""`Rows`: the product of several `:::` lists of a run; an item is a list with one text of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from teamtask.sources.source import IndexedSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.sources.source import Source


class Rows(IndexedSource[list[str]]):
    """A product whose items lost the names of their axes."""

    kind = "product"

    def __init__(self, product: Source[dict[str, Any]]) -> None:
        self._product = product
        self.size, self.fingerprint = product.size, product.fingerprint

    def index_of(self, item: object) -> int:
        """Give the index of a row. Raises ItemNotFound."""
        named = {str(at + 1): value for at, value in enumerate(item)} if isinstance(item, list) else item
        return self._product.index_of(named)

    def definition(self) -> dict[str, object]:
        """Give the product's definition."""
        return self._product.definition()

    def _item(self, index: int) -> list[str]:
        return list(self._product.item(index).values())

    def _items(self, index: int, size: int) -> Iterator[list[str]]:
        return (list(item.values()) for item in self._product.items(index, size))


def product_of(arguments: tuple[tuple[str, ...], ...]) -> dict[str, Any]:
    """Give the definition of the product of several lists of arguments: its axes are named 1, 2, ..."""
    return {"kind": "product", "axes": [[str(at + 1), list(values)] for at, values in enumerate(arguments)]}


def arguments_of(definition: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    """Give the lists whose product this is, as `product_of` has made it; none for anything else."""
    axes = definition.get("axes", [])
    numbered = len(axes) > 1 and all(name == str(at) for at, (name, _) in enumerate(axes, 1))
    return tuple(tuple(values) for _, values in axes) if numbered else ()
