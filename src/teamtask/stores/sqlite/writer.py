"""`SqliteWriter`: a transaction on the state file; the lock is held from the start of its `with` to the commit."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Any, Self

from teamtask.stores.checks import (
    SEQ_MAX,
    check_audit,
    check_document,
    check_key,
    check_marks,
    check_record,
    check_results,
    check_text,
    check_value,
    is_text,
    rows_max,
)
from teamtask.stores.index_key import index_key
from teamtask.stores.line_chunks import chunks_of
from teamtask.stores.sqlite.failures import SQL_ERRORS
from teamtask.stores.sqlite.machine import this_process
from teamtask.stores.sqlite.reader import SqliteReader
from teamtask.stores.sqlite.sql_files import QUERIES
from teamtask.stores.store import LinesNotAdjacent, NameTaken, StaleVersion, UnknownUpload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from teamtask.ledger.errors import TeamtaskError
    from teamtask.ledger.ids import ListId, UploadId
    from teamtask.stores.sqlite.database import Database
    from teamtask.stores.store import AuditEntry, Clock, Document, ListRecord, ResultRow, Withdrawn

_INSERT_EVENTS = QUERIES["insert_events"]
_INSERT_RESULTS = QUERIES["insert_results"]


class _Known:
    """What this transaction has learnt of a list, so that it need not ask twice."""

    __slots__ = ("no", "version", "widest_bits")

    def __init__(self, no: int, widest_bits: int, version: int | None = None) -> None:
        self.no = no
        self.widest_bits = widest_bits
        self.version = version


class SqliteWriter(SqliteReader):
    """BEGIN IMMEDIATE, which is the lock on every list; COMMIT when the `with` ends well."""

    __slots__ = ("_failure", "_known", "_locked", "_written_bytes")

    def __init__(self, database: Database, clock: Callable[[], Clock], list_ids: Sequence[ListId]) -> None:
        super().__init__(database, clock)
        self._locked = set(list_ids)
        self._known: dict[ListId, _Known] = {}
        self._failure: TeamtaskError | None = None
        self._written_bytes = 0

    def __enter__(self) -> Self:
        self._connection = self._database.begin_writing()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection, self._connection = self._connection, None
        assert connection is not None
        broken = True
        try:
            if kind is None and self._failure is None:
                connection.execute("COMMIT")
            elif connection.in_transaction:
                connection.execute("ROLLBACK")
            broken = self._failure is not None
        except sqlite3.Error as failure:
            if kind is None and self._failure is None:  # else what went wrong first matters more
                raise self._database.failed(failure) from failure
        finally:
            self._database.end_writing(broken=broken, written_bytes=self._written_bytes)
        if kind is None and self._failure is not None:
            raise self._failure

    def create_list(self, record: ListRecord) -> None:
        """See Writer."""
        check_record(record)
        row = (record.id, record.name, record.definition, record.created_at)
        if not self._change(QUERIES["insert_list"], *row):
            message = f"There is a list named {record.name!r} already."
            raise NameTaken(message, field="name")
        self._written_bytes += len(record.definition)
        self._locked.add(record.id)

    def replace_definition(self, list_id: ListId, definition: bytes) -> None:
        """See Writer."""
        check_value(definition, "definition")
        self._change(QUERIES["replace_definition"], definition, self._mine(list_id).no)
        self._written_bytes += len(definition)

    def delete_list(self, list_id: ListId) -> None:
        """See Writer."""
        no = self._mine(list_id).no
        self._change(QUERIES["remember_deleted"], no)
        self._change(QUERIES["delete_list"], no)
        del self._known[list_id]

    def append(self, list_id: ListId, version: int, events: bytes) -> None:
        """See Writer."""
        check_value(events, "events")
        known = self._mine(list_id)
        latest = self._latest(known)
        if version != latest + 1:
            raise self._failed(StaleVersion(f"Version {version} cannot follow version {latest}."))
        self._change(_INSERT_EVENTS, known.no, version, events)
        known.version = version
        self._written_bytes += len(events)

    def put_snapshot(self, list_id: ListId, version: int, state: bytes) -> None:
        """See Writer."""
        assert 0 <= version <= SEQ_MAX, version
        check_value(state, "snapshot")
        known = self._mine(list_id)
        latest = self._latest(known)
        if not self._change(QUERIES["put_snapshot"], known.no, version, state):
            raise self._failed(StaleVersion("There is a later snapshot already."))
        self._change(QUERIES["delete_journal_upto"], known.no, version)
        known.version = max(latest, version)
        self._written_bytes += len(state)

    def put_results(self, list_id: ListId, rows: Sequence[ResultRow]) -> None:
        """See Writer."""
        check_results(rows)
        self._insert_results(self._mine(list_id), rows)

    def withdraw_results(self, list_id: ListId, marks: Sequence[Withdrawn]) -> None:
        """See Writer."""
        check_marks(marks)
        self._change_many(QUERIES["insert_mark"], _mark_rows(self._mine(list_id).no, marks))
        self._written_bytes += 64 * len(marks)

    def replace_results(self, list_id: ListId, seq: int, rows: Sequence[ResultRow]) -> None:
        """See Writer."""
        check_results(rows)
        known = self._mine(list_id)
        if not self._change(QUERIES["delete_results_of_seq"], known.no, seq):
            raise self._failed(StaleVersion(f"There are no results of seq {seq}."))
        self._insert_results(known, rows)

    def forget_withdrawn(self, list_id: ListId, marks: Sequence[Withdrawn]) -> None:
        """See Writer."""
        self._change_many(QUERIES["delete_mark"], _mark_rows(self._mine(list_id).no, marks))

    def put_lines(self, upload: UploadId, index: int, lines: Sequence[bytes]) -> None:
        """See Writer."""
        check_text(upload, "upload")
        chunks = list(chunks_of(lines))
        now = self.clock()
        found = self._run(QUERIES["find_upload"], upload)
        if not found:
            if index:
                raise UnknownUpload
            self._change(QUERIES["insert_upload"], upload, now.now, now.epoch, this_process())
            found = self._run(QUERIES["find_upload"], upload)
        no, list_no, size = found[0]
        if list_no is not None:
            raise UnknownUpload
        if index != size:
            raise LinesNotAdjacent(f"The upload has {size:,} lines; the next one is not {index:,}.")
        rows = []
        for count, chunk in chunks:
            rows.append((no, size, count, chunk))
            size += count
            self._written_bytes += len(chunk)
        self._change_many(QUERIES["insert_chunk"], rows)
        self._change(QUERIES["touch_upload"], size, now.now, now.epoch, this_process(), no)

    def attach_lines(self, list_id: ListId, upload: UploadId, index: int) -> None:
        """See Writer."""
        known = self._mine(list_id)
        found = self._run(QUERIES["find_upload"], upload) if is_text(upload) else []
        if not found or found[0][1] is not None:
            raise UnknownUpload
        sizes = self._rows((int,), QUERIES["lines_size"], known.no)
        size = sizes[0][0] if sizes else 0
        if index != size:
            raise LinesNotAdjacent(f"The list has {size:,} lines; the next one is not {index:,}.")
        self._change(QUERIES["attach_upload"], known.no, index, found[0][0])

    def put_document(self, kind: str, key: str, value: bytes) -> None:
        """See Writer."""
        check_document(kind, key, value)
        self._change(QUERIES["put_document"], kind, key, value, time.time())
        self._written_bytes += len(value)

    def delete_document(self, kind: str, key: str) -> bool:
        """See Writer."""
        check_key(kind, key)
        return self._change(QUERIES["delete_document"], kind, key) > 0

    def forget_documents(self, kind: str, before: float, limit: int) -> int:
        """See Writer."""
        check_text(kind, "kind")
        return self._change(QUERIES["forget_documents"], kind, before, rows_max(limit))

    def restore_documents(self, documents: Iterable[Document]) -> None:
        """Put documents of another store, with their dates."""
        self._change_many(QUERIES["put_document"], documents)

    def add_audit(self, date: float, entry: bytes) -> None:
        """See Writer."""
        check_audit(date, entry)
        self._change(QUERIES["add_audit"], None, date, entry)
        self._written_bytes += len(entry)

    def forget_audit(self, before_date: float, limit: int) -> int:
        """See Writer."""
        return self._change(QUERIES["forget_audit"], before_date, rows_max(limit))

    def restore_audit(self, entries: Iterable[AuditEntry]) -> None:
        """Add entries of another store's audit trail, with their numbers."""
        self._change_many(QUERIES["add_audit"], entries)

    def _mine(self, list_id: ListId) -> _Known:
        assert list_id in self._locked, f"list {list_id} was changed without its lock"
        known = self._known.get(list_id)
        if known is None:
            known = self._known[list_id] = _Known(*self._list(list_id))
        return known

    def _journal_rows(self, list_id: ListId, after: int) -> list[Any]:
        rows = super()._journal_rows(list_id, after)
        no, widest_bits, snapshot_version, version, _events = rows[-1]
        if version is None and snapshot_version >= after:
            version = snapshot_version
        self._known[list_id] = _Known(no, widest_bits, version)
        return rows

    def _latest(self, known: _Known) -> int:
        if known.version is None:
            ((known.version,),) = self._rows((int,), QUERIES["latest_version"], known.no)
        return known.version

    def _insert_results(self, known: _Known, rows: Sequence[ResultRow]) -> None:
        if not rows:
            return
        self._change_many(_INSERT_RESULTS, _result_rows(known.no, rows))
        widest = max(row.size for row in rows).bit_length()
        if widest > known.widest_bits:
            self._change(QUERIES["widen_list"], widest, known.no)
            known.widest_bits = widest
        self._written_bytes += sum(len(row.payload) + 128 for row in rows)

    def _change(self, sql: str, *values: object) -> int:
        connection = self._connection
        assert connection is not None, "a transaction was used after its with"
        try:
            return connection.execute(sql, values).rowcount
        except SQL_ERRORS as error:
            raise self._failed(self._database.failed(error)) from error

    def _change_many(self, sql: str, rows: Iterable[tuple[object, ...]]) -> None:
        connection = self._connection
        assert connection is not None, "a transaction was used after its with"
        try:
            connection.executemany(sql, rows)
        except SQL_ERRORS as error:
            raise self._failed(self._database.failed(error)) from error

    def _failed(self, failure: TeamtaskError) -> TeamtaskError:
        self._failure = failure
        return failure


def _result_rows(no: int, rows: Sequence[ResultRow]) -> Iterable[tuple[object, ...]]:
    for seq, index, size, count, failed, worker, payload in rows:
        yield no, seq, index_key(index), index_key(index + size), count, failed, worker, payload


def _mark_rows(no: int, marks: Sequence[Withdrawn]) -> Iterable[tuple[object, ...]]:
    for index, size, before_seq in marks:
        yield no, index_key(index), index_key(index + size), before_seq
