"""`pickled` and `portable_error`: what a function returned or raised, as another process can read it."""

from __future__ import annotations

import pickle
import traceback
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH_BYTES_MAX: Final = 1 << 26  # of results that travel and are kept together
RESULT_BYTES_MAX: Final = 1 << 27  # of one result
TRACE_CHARACTERS_MAX: Final = 4_000
_TEXT_CHARACTERS_MAX = 1_000

Batch = tuple[int, int, bytes, tuple[int, ...]]  # first and last position, the values, positions that are not ok


def dumped(value: object) -> bytes:
    """Pickle. Raises whatever the value's class does."""
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def pickled(values: list[Any], failed: list[int], *, strict: bool = False) -> Iterator[Batch]:
    """Give values as pickled lists, one if they are not large; `failed` are the positions that are not ok.

    A value that cannot be pickled, or takes more than 128 MiB, becomes an error that says so, and is not ok; with
    `strict` the former raises whatever its class does.
    """
    try:
        text = dumped(values)
    except Exception:  # pickling runs the values' own code
        if strict:
            raise
        values, failed = _without_unpicklable(values, failed)
        text = dumped(values)
    yield from _divided(values, failed, text, 0)


def _divided(values: list[Any], failed: list[int], text: bytes, first: int) -> Iterator[Batch]:
    last = first + len(values)
    own = tuple(position - first for position in failed if first <= position < last)
    if len(values) == 1 and len(text) > RESULT_BYTES_MAX:
        error = ValueError(f"The result takes {len(text):,} bytes; {RESULT_BYTES_MAX:,} can be kept.")
        yield first, last, dumped([error]), (0,)
    elif len(values) == 1 or len(text) <= BATCH_BYTES_MAX:
        yield first, last, text, own
    else:
        middle = len(values) // 2
        yield from _divided(values[:middle], failed, dumped(values[:middle]), first)
        yield from _divided(values[middle:], failed, dumped(values[middle:]), first + middle)


def _without_unpicklable(values: list[Any], failed: list[int]) -> tuple[list[Any], list[int]]:
    values, not_ok = values.copy(), set(failed)
    for position, value in enumerate(values):
        try:
            dumped(value)
        except Exception as error:  # noqa: BLE001 - as above
            kind = type(value).__name__
            values[position] = TypeError(f"The result, of type {kind}, cannot be pickled: {text_of_error(error)}")
            not_ok.add(position)
    return values, sorted(not_ok)


def portable_error(error: BaseException) -> BaseException:
    """Give an exception that can be pickled, with the traceback as a note: itself if possible, else a RuntimeError."""
    trace = _trace(error)
    try:
        found = pickle.loads(dumped(error))  # noqa: S301 - ours, and many that can be written cannot be read
        if isinstance(found, BaseException):
            found.add_note(trace)
            return found
    except Exception:  # noqa: BLE001, S110 - pickling runs the exception's own code
        pass
    other = RuntimeError(text_of_error(error))
    other.add_note(trace)
    return other


def text_of_error(error: BaseException) -> str:
    """Give the kind and the text of an exception, in one line where it has one."""
    kind = type(error).__qualname__
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the exception's own code
        text = ""
    return f"{kind}: {text[:_TEXT_CHARACTERS_MAX]}" if text else kind


def _trace(error: BaseException) -> str:
    try:
        first = error.__traceback__  # the first frame is ours: the call
        lines = traceback.format_exception(type(error), error, first.tb_next if first else None)
    except Exception:  # noqa: BLE001 - the exception's own code
        return ""
    return "In the process that worked the item:\n" + "".join(lines)[-TRACE_CHARACTERS_MAX:].rstrip()
