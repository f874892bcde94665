"""Sources: pure functions index -> item, of any size, that start anywhere; one constructor for each kind.

`teamtask.lines(path)` is made elsewhere, where files are read.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, TypeVar, cast, overload

from teamtask.ledger.errors import InvalidSource
from teamtask.sources.limits import ITEMS_MAX
from teamtask.sources.lines_source import (
    Lines,
    LinesFingerprint,
    line_bytes,
    lines_in_memory,
    prefix_count,
)
from teamtask.sources.object_source import Objects
from teamtask.sources.parse import source_from_definition
from teamtask.sources.range_source import Range
from teamtask.sources.shuffled_source import Shuffled
from teamtask.sources.source import IndexedSource, ItemNotFound, Source

__all__ = [
    "ItemNotFound",
    "Lines",
    "LinesFingerprint",
    "Objects",
    "Shuffled",
    "Source",
    "as_source",
    "combinations",
    "line_bytes",
    "lines_in_memory",
    "mask",
    "permutations",
    "prefix_count",
    "product",
    "range",
    "shuffled",
    "source_from_definition",
    "strings",
]

T = TypeVar("T")

OBJECTS_MAX = 10_000_000  # what an iterable may give before it is taken for endless


def range(start: int, stop: int | None = None, step: int = 1) -> Source[int]:  # noqa: A001 - teamtask.range, by design
    """Whole numbers as Python's range gives them, of any size; one argument is the stop, as there.

    Raises InvalidSource when there are none, or for numbers of more than 4,000 digits.
    """
    first, last = (0, start) if stop is None else (start, stop)
    return source_from_definition({"kind": "range", "start": first, "stop": last, "step": step})


def strings(
    alphabet: str, *, length: int | None = None, min_length: int | None = None, max_length: int | None = None
) -> Source[str]:
    """All strings of `length` characters of the alphabet, or of min_length (1) to max_length, shortest first.

    Raises InvalidSource for a character that is in the alphabet twice, or lengths beyond 20,000.
    """
    lengths = {"length": length, "min_length": min_length, "max_length": max_length}
    return source_from_definition({"kind": "strings", "alphabet": alphabet, **lengths})


def mask(*alphabets: str) -> Source[str]:
    """All strings with one character of each alphabet; "AB" and "01" give A0, A1, B0, B1.

    Raises InvalidSource for an empty alphabet, or a character that is in one twice.
    """
    return source_from_definition({"kind": "mask", "alphabets": [*alphabets]})


@overload
def permutations(items: str) -> Source[str]: ...  # type: ignore[overload-overlap]  # text before other iterables
@overload
def permutations(items: Iterable[T]) -> Source[list[T]]: ...
def permutations(items: str | Iterable[object]) -> Source[Any]:
    """Every order of the items, by position: abc acb bac bca cab cba. A string gives strings, others give lists.

    Raises InvalidSource for no items, values that JSON cannot carry, or orders beyond 10^4000.
    """
    return source_from_definition({"kind": "permutations", "items": _listed(items)})


@overload
def combinations(items: str, k: int) -> Source[str]: ...  # type: ignore[overload-overlap]  # text before others
@overload
def combinations(items: Iterable[T], k: int) -> Source[list[T]]: ...
def combinations(items: str | Iterable[object], k: int) -> Source[Any]:
    """Every choice of k items in their order: ab ac bc. A string gives strings, others give lists.

    Raises InvalidSource for a k beyond the number of items, values that JSON cannot carry, or choices beyond 10^4000.
    """
    return source_from_definition({"kind": "combinations", "items": _listed(items), "k": k})


def product(
    axes: Mapping[str, Iterable[object]] | Iterable[tuple[str, Iterable[object]]] | None = None,
    /,
    **named: Iterable[object],
) -> Source[dict[str, object]]:
    """Every choice of one value for each axis, as a dict, the last axis fastest.

    Axes come by name (rate=[0.1, 0.2], depth=[1, 2, 3]), as a dict, or as pairs of a name and values.
    Raises InvalidSource for an axis without values, a name used twice, or values that JSON cannot carry.
    """
    pairs = axes.items() if isinstance(axes, Mapping) else _listed(() if axes is None else axes)
    if not isinstance(pairs, Iterable):
        return source_from_definition({"kind": "product", "axes": pairs})
    listed = [[*map(_listed, pair)] if isinstance(pair, (tuple, list)) else pair for pair in [*pairs, *named.items()]]
    return source_from_definition({"kind": "product", "axes": listed})


def shuffled(source: Source[T], seed: int | str) -> Source[T]:
    """Return the same items in an order that the seed decides; costs microseconds an item and no memory.

    Raises InvalidSource for a source that is shuffled already, or a seed that is no number or text.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, str)):
        message = f"A seed is a number or text, not of type {type(seed).__name__}."
        raise InvalidSource(message, field="shuffle", hint="Give for example 1.")
    return Shuffled(source, seed)


def as_source(source_or_iterable: Source[T] | Iterable[T]) -> Source[T]:
    """Return a source as it is, a Python range as a range, and any other iterable as objects in memory.

    Raises InvalidSource for an iterable that gives nothing, more than 10,000,000 objects, or what cannot be pickled.
    """
    if isinstance(source_or_iterable, IndexedSource):
        return cast("Source[T]", source_or_iterable)
    if isinstance(source_or_iterable, builtins.range):
        bounds = source_or_iterable
        return cast("Source[T]", Range(bounds.start, bounds.stop, bounds.step))
    if not isinstance(source_or_iterable, Iterable):
        message = f"Of type {type(source_or_iterable).__name__} come no items."
        raise InvalidSource(message, field="items", hint="Give a source, a list or anything else that can be iterated.")
    objects = list(islice(source_or_iterable, OBJECTS_MAX + 1))
    if len(objects) > OBJECTS_MAX:
        message = f"The iterable gives more than {OBJECTS_MAX:,} items, or never ends."
        raise InvalidSource(message, field="items", hint="Give a source, or put the items into a file, one a line.")
    return Objects(objects)


def _listed(items: object) -> object:
    """Return an iterable as the list that a definition has; text, and what is no iterable, as it is."""
    if isinstance(items, (str, list)) or not isinstance(items, Iterable):
        return items
    return list(islice(items, ITEMS_MAX + 1))  # one too many is enough to be refused
