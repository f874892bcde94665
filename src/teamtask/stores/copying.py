"""`copy_to_file`: everything that a view of any store shows, as a new SQLite state file."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

from teamtask.ledger.ids import UploadId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.stores.store import AuditEntry, ListRecord, Reader, Writer

_ROWS = 1_000  # of results, or lines, copied at a time
_ENTRIES = 100  # of the audit trail, read at a time


def copy_to_file(reader: Reader, path: str) -> None:
    """Write what `reader` shows to a file that must not exist yet. Raises StoreNotWritable, StoreFull."""
    from teamtask.stores.sqlite.new_file import new_file
    from teamtask.stores.sqlite.sqlite_store import SqliteStore

    with new_file(path) as unfinished, closing(SqliteStore(unfinished)) as copy:
        for record in reader.lists():
            with copy.write() as writer:
                copy_list(reader, writer, record)
        with copy.write() as writer:
            writer.restore_documents(reader.every_document())
            writer.restore_audit(audit_trail(reader))


def audit_trail(reader: Reader) -> Iterator[AuditEntry]:
    """Give the whole audit trail, newest first; a bounded number in memory."""
    before = None
    while entries := reader.audit(before, _ENTRIES):
        yield from entries
        before = entries[-1].no


def copy_list(reader: Reader, writer: Writer, record: ListRecord) -> None:
    """Copy a list of `reader` with all that belongs to it."""
    writer.create_list(record)
    journal = reader.journal(record.id, -1)
    if journal.snapshot:
        writer.put_snapshot(record.id, *journal.snapshot)
    for version, events in journal.rows:
        writer.append(record.id, version, events)
    results = reader.results(record.id)
    while rows := list(islice(results, _ROWS)):
        writer.put_results(record.id, rows)
    writer.withdraw_results(record.id, reader.withdrawn(record.id))
    upload = UploadId(f"copy of {record.id}")
    copied = 0
    lines = reader.lines(record.id, 0, 1 << 62)
    while batch := list(islice(lines, _ROWS)):
        writer.put_lines(upload, copied, batch)
        copied += len(batch)
    if copied:
        writer.attach_lines(record.id, upload, 0)
