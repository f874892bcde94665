"""`result_lines`: the results of a list with their items, one after the other, however many there are."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from teamtask.ledger.errors import TeamtaskError
from teamtask.service.results import results_by_index, results_since
from teamtask.wire.result_lines import ResultLine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.service.results import Recorded
    from teamtask.service.service import ListView
    from teamtask.sources.source import Source

_SKIPPED = 64  # items that are passed over rather than begun behind


class UnreadableResult(TeamtaskError):
    """A result cannot be read."""

    code = "unreadable_result"


class Wanted(NamedTuple):
    """Which results: by index from `index` on, or in order of arrival from `since` on; with `ok` only those."""

    index: int = 0  # type: ignore[assignment] # the glossary's word outweighs tuple's method
    since: int | None = None
    ok: bool | None = None


def result_lines(view: ListView, source: Source[Any] | None, wanted: Wanted) -> Iterator[ResultLine]:
    """Give the results that are wanted, within the view; a bounded number is in memory.

    Raises UnreadableResult where a class is missing that a function's result needs.
    """
    items = _Items(source, view.ledger.start)
    for recorded in _readable(_recorded(view, wanted), view):
        if wanted.ok is None or recorded.ok is wanted.ok:
            yield ResultLine(
                recorded.seq,
                recorded.index,
                items.at(recorded.index),
                recorded.value,
                recorded.ok,
                recorded.worker,
                recorded.codec,
            )


@contextmanager
def any_digits() -> Iterator[None]:
    """Let numbers of any length become text: a function may have returned one."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(before)


class _Items:
    """Finds the item of one index after the other, going on from where the last one was found if that is near."""

    def __init__(self, source: Source[Any] | None, start: int) -> None:
        self._source, self._start = source, start
        self._items: Iterator[Any] = iter(())
        self._next = -1 - _SKIPPED  # the index of the next item of `_items`

    def at(self, index: int) -> Any:  # noqa: ANN401 - an item is any JSON
        if self._source is None:
            return None
        if not 0 <= index - self._next <= _SKIPPED:
            first = index - self._start
            self._items = iter(self._source.items(first, self._source.size - first))
            self._next = index
        for _ in range(index - self._next):
            next(self._items)
        self._next = index + 1
        return next(self._items)


def _recorded(view: ListView, wanted: Wanted) -> Iterator[Recorded]:
    if wanted.since is not None:
        return results_since(view.reader, view.record.id, wanted.since)
    return results_by_index(view.reader, view.record.id, index=wanted.index, ok=wanted.ok)


def _readable(recorded: Iterator[Recorded], view: ListView) -> Iterator[Recorded]:
    folder = view.definition.local.folder if view.definition.local else str(Path.cwd())
    with _importable(folder):
        while True:
            try:
                result = next(recorded, None)
            except (ImportError, AttributeError) as error:
                raise UnreadableResult(
                    f"A result needs what cannot be imported any more: {error}.",
                    hint="Give the same command where the function's module can be imported (PYTHONPATH).",
                ) from error
            if result is None:
                return
            yield result


@contextmanager
def _importable(folder: str) -> Iterator[None]:
    """Let what a function returned find its classes: in the modules of the folder where it was run."""
    sys.path.append(folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
