"""`batch_of`: [[index, value], [index, value, ok], ...] into a ResultBatch, each value the very bytes that came.

`rows_of` writes a batch so.
"""

from __future__ import annotations

import json
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, Raw, Struct

from teamtask.ledger.big_numbers import shown
from teamtask.ledger.errors import InvalidField, TooMany
from teamtask.ledger.rules import NUMBER_END
from teamtask.wire.exchange_fields import whole_number
from teamtask.wire.limits import RESULT_BYTES_MAX, RESULT_DEPTH_MAX, RESULTS_MAX
from teamtask.wire.requests import Integer
from teamtask.wire.result_batch import JSON, ResultBatch, pack_encoded
from teamtask.wire.result_lines import shown_by_python
from teamtask.wire.views import wire_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FIELD = "results"
_decode = msgspec.json.Decoder().decode
_raw_values = msgspec.json.Decoder(list[Raw]).decode


class ResultBody(Struct, frozen=True, array_like=True):
    """[index, value] or [index, value, ok]; `more` is there to be refused, as msgspec would not say where it is."""

    index: Integer
    value: Raw
    ok: bool = True
    more: Any = UNSET


def batch_of(results: Sequence[ResultBody]) -> ResultBatch | None:
    """Give a JSON batch in order of index, None for no results.

    Raises InvalidField for an index twice or a value that could not be read again, TooMany.
    """
    if not results:
        return None
    if len(results) > RESULTS_MAX:
        message = f"A report carries {RESULTS_MAX:,} results at most, not {len(results):,}."
        raise TooMany(message, field=_FIELD, hint="Send several reports of the same lease.")
    pairs = [(_index_of(result, position), result) for position, result in enumerate(results)]
    pairs.sort(key=itemgetter(0))
    indices = [index for index, _ in pairs]
    values = [bytes(result.value) for _, result in pairs]
    _check_values(indices, values)
    text = b"[" + b",".join(values) + b"]"
    try:
        _decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _unreadable(indices, values) from None
    return pack_encoded(indices, text, failed=[at for at, (_, result) in enumerate(pairs) if not result.ok])


def _index_of(result: ResultBody, position: int) -> int:
    if result.more is not UNSET:
        message = "A result is [index, value] or [index, value, ok]."
        raise InvalidField(message, field=f"{_FIELD}[{position}]")
    index = result.index  # mostly it is fine, and its place need not be put in words
    if type(index) is int and 0 <= index < NUMBER_END:
        return index
    return whole_number(index, f"{_FIELD}[{position}][0]")


def rows_of(batch: ResultBatch) -> Any:  # noqa: ANN401 - tuples: msgspec would write all four fields of ResultBody
    """Give the results as [index, value] or [index, value, false]; the seconds stay behind.

    Raises InvalidField that names the index of a value that JSON cannot say, or that is too large.
    """
    indices = batch.indices()
    if batch.codec == JSON:
        values = [bytes(raw) for raw in _raw_values(batch.values)]
    else:
        values = [_as_json(index, value) for index, value in zip(indices, batch.decoded(), strict=True)]
    _check_values(indices, values)
    rows: list[Any] = [(wire_integer(index), Raw(value)) for index, value in zip(indices, values, strict=True)]
    for position in batch.failed:
        rows[position] = (*rows[position], False)
    return rows


def _as_json(index: int, value: Any) -> bytes:  # noqa: ANN401 - what a function returned
    """Write a value as `plain` would show it, if it can be."""
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        message = f"The result of index {shown(index)} is nothing that JSON can say: {shown_by_python(value):.80}"
        raise InvalidField(
            message, field=_FIELD, hint="Give numbers, text, true, false, null, lists or objects."
        ) from error


def _check_values(indices: Sequence[int], values: Sequence[bytes]) -> None:
    """Refuse a value that is too large or nested too deeply to be read by everybody."""
    if max(map(len, values)) <= 2 * RESULT_DEPTH_MAX:
        return
    for index, value in zip(indices, values, strict=True):
        if len(value) > RESULT_BYTES_MAX:
            message = f"The result of index {shown(index)} has {len(value):,} bytes; {RESULT_BYTES_MAX:,} are the most."
            raise InvalidField(message, field=_FIELD, hint="Keep it elsewhere, and give its place as the result.")
        # Without so many brackets it cannot be so deep, and counting them is quick.
        if value.count(b"[") + value.count(b"{") > RESULT_DEPTH_MAX:
            _check_depth(index, value)


def _check_depth(index: int, value: bytes) -> None:
    try:
        level = [_decode(value)]
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _unreadable([index], [value]) from None
    except RecursionError:
        raise _too_deep(index) from None
    for _ in range(RESULT_DEPTH_MAX):
        level = [inner for outer in level for inner in _inside(outer)]
    if any(isinstance(part, (list, dict)) for part in level):
        raise _too_deep(index)


def _inside(value: Any) -> Iterable[Any]:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _too_deep(index: int) -> InvalidField:
    message = f"The result of index {shown(index)} is nested more than {RESULT_DEPTH_MAX} levels deep."
    return InvalidField(message, field=_FIELD, hint="Give it as text, or flatten it.")


def _unreadable(indices: Sequence[int], values: Sequence[bytes]) -> InvalidField:
    """Say which value cannot be read, although its brackets and quotes are right."""
    for index, value in zip(indices, values, strict=True):
        try:
            _decode(value)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return InvalidField(f"The result of index {shown(index)} cannot be kept: {error}.", field=_FIELD)
    return InvalidField("The results cannot be kept.", field=_FIELD)
