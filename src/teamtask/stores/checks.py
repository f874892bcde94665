"""What every store asks of the values it is given, so that no store takes what another refuses."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from teamtask.ledger.errors import InvalidField, TooMany
from teamtask.stores.index_key import index_key
from teamtask.stores.store import DOCUMENT_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from teamtask.stores.store import ListRecord, ResultRow, Withdrawn

SEQ_MAX = (1 << 63) - 1
UPLOAD_SECONDS_MAX = 86_400.0  # an upload that got nothing for so long is abandoned


def check_process(opened_by: int | None) -> None:
    """Refuse a store that is closed (`opened_by` None) or was opened by another process than this."""
    if opened_by is None:
        message = "This store has been closed."
        raise StoreUnavailable(message, hint="Open it again.")
    if opened_by != os.getpid():
        message = "This store was opened before a fork, by another process."
        raise StoreUnavailable(message, hint="Open a store in the new process.")


def check_value(value: bytes, field: str, bytes_max: int = VALUE_BYTES_MAX) -> None:
    """Refuse what is longer than `bytes_max`, with TooMany."""
    if len(value) > bytes_max:
        message = f"{len(value):,} bytes of {field} are too many; {bytes_max:,} can be kept."
        raise TooMany(message, field=field)


def is_text(text: str) -> bool:
    """Tell whether every database can keep this text; what none keeps need not be looked for."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_text(text: str, field: str) -> None:
    """Refuse text that not every database can keep, with InvalidField."""
    if not is_text(text):
        message = f"{text!r} contains a NUL character." if "\0" in text else f"{text!r} is not valid Unicode."
        raise InvalidField(message, field=field)


def check_record(record: ListRecord) -> None:
    """Refuse a list that cannot be kept."""
    check_text(record.id, "id")
    check_text(record.name, "name")
    check_value(record.definition, "definition")


def check_key(kind: str, key: str) -> None:
    """Refuse what no document has for its kind and key."""
    for text, field in ((kind, "kind"), (key, "key")):
        check_text(text, field)
        check_value(text.encode(), field, KEY_BYTES_MAX)
    if not key:
        raise InvalidField("A key has one character at least.", field="key")


def check_document(kind: str, key: str, value: bytes) -> None:
    """Refuse a document that cannot be kept."""
    check_key(kind, key)
    check_value(value, "document", DOCUMENT_BYTES_MAX)


def check_audit(date: float, entry: bytes) -> None:
    """Refuse an entry of the audit trail that cannot be kept."""
    assert math.isfinite(date), date
    check_value(entry, "entry", DOCUMENT_BYTES_MAX)


def rows_max(limit: int | None) -> int:
    """Give a limit (0 or more, None for no limit) as a number that every database takes."""
    assert limit is None or limit >= 0, limit
    return SEQ_MAX if limit is None else min(limit, SEQ_MAX)


def check_results(rows: Sequence[ResultRow]) -> None:
    """Refuse rows that cannot be kept; what the ledger never writes meets an assert."""
    for row in rows:
        assert row.index >= 0, row
        assert 0 <= row.failed <= row.count <= row.size, row
        assert row.count > 0, row
        assert 0 <= row.seq <= SEQ_MAX - row.count, row
        check_text(row.worker, "worker")
        check_value(row.payload, "results")
        index_key(row.index + row.size)


def check_marks(marks: Sequence[Withdrawn]) -> None:
    """Refuse marks that cannot be kept."""
    for mark in marks:
        assert mark.index >= 0, mark
        assert mark.size > 0, mark
        assert 0 <= mark.before_seq <= SEQ_MAX, mark
        index_key(mark.index + mark.size)
