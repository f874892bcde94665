"""The fields of an exchange, read with their checks and written: integers, ranges, texts, folds.

What is wrong is an InvalidField, or TooMany, with the path of the field.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from msgspec import Meta

from teamtask.ledger.big_numbers import check_number
from teamtask.ledger.errors import InvalidField, TeamtaskError, TooMany
from teamtask.ledger.rules import NUMBER_END, RANGES_MAX
from teamtask.wire.limits import ERROR_TEXT_BYTES_MAX, ID_CHARACTERS_MAX, WORKER_CHARACTERS_MAX
from teamtask.wire.requests import Integer, integer
from teamtask.wire.views import wire_integer, wire_integers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from teamtask.wire.messages import IndexSize

Pairs = tuple[tuple[Integer, Integer], ...]
# For the document of the API; `check_text` refuses the others.
_NO_CONTROLS = {"minLength": 1, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$"}
WorkerName = Annotated[str, Meta(extra_json_schema=_NO_CONTROLS | {"maxLength": WORKER_CHARACTERS_MAX})]
Id = Annotated[str, Meta(extra_json_schema=_NO_CONTROLS | {"maxLength": ID_CHARACTERS_MAX})]

_T = TypeVar("_T")
_Part = TypeVar("_Part")
_control = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]").search
_decimal = re.compile(r"-?[0-9]+").fullmatch


def each(convert: Callable[[_Part], _T], parts: Sequence[_Part], name: str) -> tuple[_T, ...]:
    """Convert every part; an error in one names its place."""
    made = []
    for at, part in enumerate(parts):
        try:
            made.append(convert(part))
        except TeamtaskError as error:
            error.field = f"{name}[{at}].{error.field}"
            raise
    return tuple(made)


def whole_number(value: Integer, name: str) -> int:
    """Give an index or a size: 0 or more, 4,000 digits at most."""
    if type(value) is int and 0 <= value < NUMBER_END:
        return value
    number = integer(value, name, low=0)
    check_number(number, name)
    return number


def optional_number(value: Integer | None, name: str) -> int | None:
    """Give a whole number, or None for none."""
    return None if value is None else whole_number(value, name)


def optional_wire(number: int | None) -> Integer | None:
    """Give a number for JSON, or None for none."""
    return None if number is None else wire_integer(number)


def ranges_of(pairs: Pairs, name: str) -> tuple[IndexSize, ...]:
    """Give ranges [index, size]."""
    return tuple(
        (whole_number(index, f"{name}[{at}][0]"), whole_number(size, f"{name}[{at}][1]"))
        for at, (index, size) in enumerate(pairs)
    )


def wire_ranges(ranges: Sequence[IndexSize]) -> Pairs:
    """Give ranges [index, size] for JSON."""
    return tuple((wire_integer(index), wire_integer(size)) for index, size in ranges)


def failed_of(pairs: Sequence[tuple[Integer, str]]) -> tuple[tuple[int, str], ...]:
    """Give the indices that could not be worked, with the reason of each."""
    return tuple(
        (whole_number(index, f"failed[{at}][0]"), error_text(message, f"failed[{at}][1]"))
        for at, (index, message) in enumerate(pairs)
    )


def limited(parts: tuple[_Part, ...], name: str) -> tuple[_Part, ...]:
    """Give the ranges, or the failed indices, if they are not more than one report carries."""
    if len(parts) > RANGES_MAX:
        message = f"`{name}` of a report has {RANGES_MAX:,} entries at most, not {len(parts):,}."
        raise TooMany(message, field=name, hint="Send several reports of the same lease.")
    return parts


def check_text(text: str, name: str, characters_max: int) -> None:
    """Refuse a name or an id that is empty, too long, or not all of characters that can be shown and kept."""
    if 0 < len(text) <= characters_max and (text.isprintable() or not _control(text)):
        return
    message = f"It has 1 to {characters_max} characters, none of them a control character or half a surrogate pair."
    raise InvalidField(message, field=name)


def error_text(text: str, name: str) -> str:
    """Give the text of an error, if it is not too long."""
    if len(text.encode()) > ERROR_TEXT_BYTES_MAX:
        message = f"The text of an error has {ERROR_TEXT_BYTES_MAX:,} bytes at most."
        raise InvalidField(message, field=name, hint="Cut it; what is kept of it is shorter still.")
    return text


def fold_of(read: Any) -> Any:  # noqa: ANN401 - any JSON
    """Give a fold with our integers as such.

    Every fold that there is over the wire is a number, a boolean (`any`, `all`) or a list of numbers (`top`,
    `histogram`), never text: so decimal text that is the fold, or stands in a list that is, is an integer. Anything
    else stays what it is, and the ledger refuses it where it does not fit the list.
    """
    return [_fold_number(part) for part in read] if isinstance(read, list) else _fold_number(read)


def _fold_number(read: Any) -> Any:  # noqa: ANN401 - any JSON
    if type(read) is str and _decimal(read):
        read = integer(read, "fold")
    if type(read) is int:
        check_number(read, "fold")
    return read


def wire_fold(fold: Any) -> Any:  # noqa: ANN401 - any JSON
    """Give a fold for JSON. What JSON would turn into null is refused: the fold would be lost without a word."""
    for part in fold if isinstance(fold, list) else (fold,):
        if type(part) is int:
            check_number(part, "fold")
        elif type(part) is float and not isfinite(part):
            raise InvalidField(f"A fold is made of finite numbers, not {part}.", field="fold")
    return wire_integers(fold)
