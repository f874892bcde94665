"""`verify_contents`: whether what a store holds is what a store must hold, whichever store it is."""

from __future__ import annotations

import math
from itertools import chain, islice
from typing import TYPE_CHECKING

from teamtask.ledger.errors import InvalidField, TooMany
from teamtask.stores.checks import check_document
from teamtask.stores.copying import audit_trail
from teamtask.stores.store import DOCUMENT_BYTES_MAX, ListGone, StoreDamaged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.ledger.ids import ListId
    from teamtask.stores.store import Reader, ResultRow

FINDINGS_MAX = 100
_EVERY_LINE = 1 << 62


def verify_contents(reader: Reader) -> list[str]:
    """Say what is wrong, in FINDINGS_MAX sentences at most; reads everything once."""
    checks = (_wrong_in_lists, _wrong_in_documents, _wrong_in_audit)
    return list(islice(chain.from_iterable(_until_damaged(check(reader)) for check in checks), FINDINGS_MAX))


def _until_damaged(findings: Iterator[str]) -> Iterator[str]:
    try:
        yield from findings
    except StoreDamaged as damage:
        yield damage.message


def _wrong_in_lists(reader: Reader) -> Iterator[str]:
    for record in reader.lists():
        try:
            for finding in _until_damaged(_wrong_in(reader, record.id)):
                yield f"list {record.name!r}: {finding}"
        except ListGone:
            yield f"list {record.name!r} is not found by its id"


def _wrong_in(reader: Reader, list_id: ListId) -> Iterator[str]:
    yield from _wrong_in_journal(reader, list_id)
    yield from _wrong_in_results(reader, list_id)
    for mark in reader.withdrawn(list_id):
        if mark.size < 1 or mark.before_seq < 0:
            yield f"the mark {mark} withdraws nothing"
    for _line in reader.lines(list_id, 0, _EVERY_LINE):
        pass  # reading them is the check: a damaged chunk raises


def _wrong_in_journal(reader: Reader, list_id: ListId) -> Iterator[str]:
    journal = reader.journal(list_id, -1)
    version = journal.snapshot[0] if journal.snapshot else -1
    for found, _events in journal.rows:
        if found != version + 1:
            yield f"journal version {version} is followed by version {found}"
        version = found


def _wrong_in_results(reader: Reader, list_id: ListId) -> Iterator[str]:
    in_order = 0
    before = (-1, -1)
    for row in reader.results(list_id):
        in_order += 1
        if (row.index, row.seq) <= before:
            yield f"{_named(row)} do not stand in order of index"
        if not 0 <= row.failed <= row.count <= row.size or row.count < 1:
            yield f"{_named(row)} say {row.count} results, {row.failed} failed, for {row.size} indices"
        before = (row.index, row.seq)
    by_seq = 0
    free = 0  # the lowest seq that the next row may have
    for row in reader.results_since(list_id, 0):
        by_seq += 1
        if row.seq < free:
            yield f"{_named(row)} share a seq with the row before them"
        free = row.seq + row.count
    if by_seq != in_order:
        yield f"{in_order} rows of results are found by index, {by_seq} by seq"


def _wrong_in_documents(reader: Reader) -> Iterator[str]:
    for kind, key, value, _put_at in reader.every_document():
        try:
            check_document(kind, key, value)
            if reader.document(kind, key) != value:
                yield f"the document {key!r} of kind {kind!r} is not found by its key"
        except (InvalidField, TooMany) as error:
            yield f"a document {key!r:.80} of kind {kind!r:.80}: {error.message}"


def _wrong_in_audit(reader: Reader) -> Iterator[str]:
    for no, date, entry in audit_trail(reader):
        if not math.isfinite(date) or len(entry) > DOCUMENT_BYTES_MAX:
            yield f"entry {no} of the audit trail has {len(entry):,} bytes and the date {date}"


def _named(row: ResultRow) -> str:
    return f"the results of seq {row.seq}"
