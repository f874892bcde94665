"""Values inside items: how they are put together and told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teamtask.sources.source import canonical_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def made_of(items: str | Sequence[object]) -> Callable[[Iterable[object]], str | list[object]]:
    """Return what makes an item of chosen parts: a string's characters make a string, a list's values a list."""
    join: Callable[[Iterable[object]], str | list[object]] = "".join  # type: ignore[assignment]  # a string's parts are text
    return join if isinstance(items, str) else list


def value_key(value: object) -> bytes:
    """Return a key that equal JSON values share, and only they: 1, 1.0, true and "1" differ. b"" for no JSON."""
    try:
        return canonical_json(value)
    except (TypeError, ValueError, RecursionError):
        return b""
