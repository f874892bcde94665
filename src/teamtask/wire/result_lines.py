"""`ResultLine`: a result as it is given away, and how it is written: `ndjson_line`, `csv_line`."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import msgspec

from teamtask.wire.result_batch import PICKLE
from teamtask.wire.views import wire_integer, wire_item

CSV_HEADER = b"index,item,ok,result,worker,seq\n"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with these a spreadsheet begins to compute (OWASP, CSV injection)
_to_be_quoted = re.compile(r'[",\r\n]').search

_encode = msgspec.json.Encoder().encode


class ResultLine(NamedTuple):
    """A result with its item; `item` is None where the list does not keep its items, `codec` is that of the value."""

    seq: int
    index: int  # type: ignore[assignment] # the glossary's word outweighs tuple's method
    item: Any
    result: Any
    ok: bool
    worker: str
    codec: str


def ndjson_line(line: ResultLine) -> bytes:
    """Write {"seq", "index", "item", "result", "ok", "worker"} and a newline."""
    return json_bytes(as_json(line)) + b"\n"


def csv_line(line: ResultLine) -> bytes:
    """Write the line of a CSV file: text as it is, other values as JSON.

    Text that a spreadsheet would take for a formula gets an apostrophe before it; numbers are no formulas.
    Bytes of an item that are no UTF-8 stay what they are.
    """
    cells = (
        str(line.index),
        _csv_cell(line.item),
        "true" if line.ok else "false",
        _csv_cell(plain(line.result, line.codec)),
        _csv_cell(line.worker),
        str(line.seq),
    )
    text = ",".join(cells) + "\n"
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a surrogate pair, from a function that returned it
        return text.encode("utf-8", "backslashreplace")


def as_json(line: ResultLine) -> dict[str, Any]:
    """Give the line as the API shows it."""
    return {
        "seq": wire_integer(line.seq),
        "index": wire_integer(line.index),
        "item": wire_item(line.item),
        "result": plain(line.result, line.codec),
        "ok": line.ok,
        "worker": line.worker,
    }


def json_bytes(value: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Write JSON; bytes in an item that are no UTF-8 are escaped as Python does (PEP 383), so that it stays JSON."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def plain(value: Any, codec: str) -> Any:  # noqa: ANN401 - what a function returned
    """Give a result as JSON can carry it: as it is if it can be, else as Python shows it."""
    if codec != PICKLE or value is None or type(value) in (bool, str):
        return value
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return shown_by_python(value)


def shown_by_python(value: object) -> str:
    """Give `repr` of a value whose class may not even be able to do that."""
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - foreign code
        return f"<{type(value).__name__}>"


def _csv_cell(value: Any) -> str:  # noqa: ANN401 - any JSON
    if value is None:
        return ""
    if isinstance(value, str):
        text = "'" + value if value.startswith(_FORMULA) else value
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        text = json_bytes(value).decode()
    else:
        return str(value) if isinstance(value, int) else repr(value)
    return '"' + text.replace('"', '""') + '"' if _to_be_quoted(text) else text
