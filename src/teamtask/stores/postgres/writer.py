"""`PostgresWriter`: a transaction; the lists' locks are held from the start of its `with` to the commit.

What is written waits here until something is read, or the commit: a group commit of a server takes two round trips, one
that locks the lists and reads what others have written since, and one that appends, keeps the results and commits. So
what only the database can refuse (a seq that is there already) may be raised as late as at the end of the `with`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Self

import psycopg

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
from teamtask.stores.postgres.failures import SQL_ERRORS, is_over, translated
from teamtask.stores.postgres.reader import PostgresReader
from teamtask.stores.postgres.sql_files import QUERIES
from teamtask.stores.postgres.view import COMMIT, Statement, send
from teamtask.stores.store import (
    LinesNotAdjacent,
    ListGone,
    NameTaken,
    StaleVersion,
    StoreUnavailable,
    UnknownUpload,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from psycopg.errors import Diagnostic

    from teamtask.ledger.errors import TeamtaskError
    from teamtask.ledger.ids import ListId, UploadId
    from teamtask.stores.postgres.pool import Pool
    from teamtask.stores.store import AuditEntry, Clock, Document, ListRecord, ResultRow, Withdrawn

_BEGIN: Final[Statement] = (b"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", ())
_ROLLBACK: Final[Statement] = (b"ROLLBACK", ())
_WAITING_BYTES_MAX: Final = 4 << 20  # of what is written and waits here
_WAITING_MAX: Final = 256  # statements that wait here
_SEEN_MAX: Final = 100_000  # lists whose versions are remembered


class _Known:
    """What this transaction has learnt of a list that it locked, so that it need not ask twice."""

    __slots__ = ("changed", "no", "snapshot_version", "version", "widest_bits")

    def __init__(self, no: int, widest_bits: int, version: int | None = None) -> None:
        self.no = no
        self.widest_bits = widest_bits
        self.version = version  # the latest
        self.snapshot_version = version
        self.changed = False


class PostgresWriter(PostgresReader):
    """BEGIN, the lists' rows FOR UPDATE in order of id, and what follows the versions in `seen`; COMMIT at the end.

    `seen` has number and version of lists as this store's last transactions saw them: what is asked for next, mostly.
    """

    __slots__ = (
        "_events", "_failure", "_known", "_list_ids", "_locked", "_results_waiting", "_seen", "_tails", "_waiting",
        "_waiting_bytes",
    )  # fmt: skip

    def __init__(
        self,
        pool: Pool,
        clock: Callable[[], Clock] | None,
        list_ids: Sequence[ListId],
        seen: dict[ListId, tuple[int, int]],
    ) -> None:
        super().__init__(pool, clock)
        self._locked = set(list_ids)
        self._list_ids = sorted(filter(is_text, self._locked))
        self._seen = seen
        self._known: dict[ListId, _Known] = {}
        self._tails: dict[ListId, tuple[int, list[Any]]] = {}  # the version they follow, and rows as of `_tail`
        self._failure: TeamtaskError | None = None
        self._waiting: list[Statement] = []
        self._events: list[tuple[int, int, bytes]] = []
        self._results_waiting: list[tuple[object, ...]] = []
        self._waiting_bytes = 0

    def __enter__(self) -> Self:
        if not self._list_ids:
            self._begin([_BEGIN], writes=True)
            return self
        # Looked up once: other threads go on remembering and forgetting.
        asked = {list_id: seen for list_id in self._list_ids if (seen := self._seen.get(list_id))}
        lock: Statement = (QUERIES["lock_lists"], [self._list_ids])
        recent: Statement = (QUERIES["recent"], _columns([*asked.values()]) or [[], []])
        _begun, locked, rows = self._begin([_BEGIN, lock, recent], writes=True)
        self._known = {list_id: _Known(no, widest_bits) for list_id, no, widest_bits in locked}
        by_no: dict[int, list[Any]] = {}
        for no, version, events in sorted(rows):
            by_no.setdefault(no, []).append((no, -1, version, events))
        for list_id, known in self._known.items():
            _no, after = asked.get(list_id, (known.no, -1))
            tail = by_no.get(known.no)
            if tail and tail[0][2] == after:
                self._tails[list_id] = after, tail
                known.version = tail[-1][2]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        taken, self._taken = self._taken, None
        assert taken is not None
        keeps = kind is None and self._failure is None
        broken = True
        try:
            if keeps:
                self._commit(taken.connection)
                broken = False
            elif not is_over(taken.connection):
                send(taken.connection, [_ROLLBACK])
                broken = False
        except psycopg.Error:
            pass  # it was to be rolled back, and a connection that is closed is
        finally:
            self._remember(kept=keeps and not broken)
            self._pool.give_back(taken, broken=broken)
        if kind is None and self._failure is not None:
            raise self._failure

    def create_list(self, record: ListRecord) -> None:
        """See Writer."""
        check_record(record)
        found = self._run("insert_list", record.id, record.name, record.definition, record.created_at)
        if not found:
            message = f"There is a list named {record.name!r} already."
            raise NameTaken(message, field="name")
        self._locked.add(record.id)
        self._known[record.id] = _Known(found[0][0], 0, -1)

    def replace_definition(self, list_id: ListId, definition: bytes) -> None:
        """See Writer."""
        check_value(definition, "definition")
        self._write("replace_definition", definition, self._mine(list_id).no, size=len(definition))

    def delete_list(self, list_id: ListId) -> None:
        """See Writer."""
        no = self._mine(list_id).no
        self._write("remember_deleted", no)
        self._write("delete_list", no)
        del self._known[list_id]
        self._tails.pop(list_id, None)

    def append(self, list_id: ListId, version: int, events: bytes) -> None:
        """See Writer."""
        check_value(events, "events")
        known = self._mine(list_id)
        latest = self._latest(known)
        if version != latest + 1:
            raise self._failed(StaleVersion(f"Version {version} cannot follow version {latest}."))
        self._changes(list_id, known)
        self._events.append((known.no, version, events))
        known.version = version
        self._waits(len(events))

    def put_snapshot(self, list_id: ListId, version: int, state: bytes) -> None:
        """See Writer."""
        assert 0 <= version <= SEQ_MAX, version
        check_value(state, "snapshot")
        known = self._mine(list_id)
        latest, snapshot_version = self._both_versions(known)
        if version < snapshot_version:
            raise self._failed(StaleVersion("There is a later snapshot already."))
        self._changes(list_id, known)
        self._write("put_snapshot", known.no, version, state, size=len(state))
        self._write("delete_journal_upto", known.no, version)
        known.version = max(latest, version)
        known.snapshot_version = version

    def put_results(self, list_id: ListId, rows: Sequence[ResultRow]) -> None:
        """See Writer."""
        check_results(rows)
        self._insert_results(self._mine(list_id), rows)

    def withdraw_results(self, list_id: ListId, marks: Sequence[Withdrawn]) -> None:
        """See Writer."""
        check_marks(marks)
        self._write_marks("insert_marks", list_id, marks)

    def replace_results(self, list_id: ListId, seq: int, rows: Sequence[ResultRow]) -> None:
        """See Writer."""
        check_results(rows)
        known = self._mine(list_id)
        if not self.change("delete_results_of_seq", known.no, seq):
            raise self._failed(StaleVersion(f"There are no results of seq {seq}."))
        self._insert_results(known, rows)

    def forget_withdrawn(self, list_id: ListId, marks: Sequence[Withdrawn]) -> None:
        """See Writer."""
        self._write_marks("delete_marks", list_id, marks)

    def put_lines(self, upload: UploadId, index: int, lines: Sequence[bytes]) -> None:
        """See Writer."""
        check_text(upload, "upload")
        chunks = list(chunks_of(lines))
        now = self.clock()
        found = self._run("find_upload", upload)
        if not found and index:
            raise UnknownUpload
        no, list_no, size = found[0] if found else (None, None, 0)
        if list_no is not None:
            raise UnknownUpload
        if index != size:
            raise LinesNotAdjacent(f"The upload has {size:,} lines; the next one is not {index:,}.")
        if no is None:
            ((no,),) = self._run("insert_upload", upload, now.now, now.epoch)
        for count, chunk in chunks:
            self._write("insert_chunk", no, size, count, chunk, size=len(chunk))
            size += count
        self._write("touch_upload", size, now.now, now.epoch, no)

    def attach_lines(self, list_id: ListId, upload: UploadId, index: int) -> None:
        """See Writer."""
        known = self._mine(list_id)
        found = self._run("find_upload", upload) if is_text(upload) else []
        if not found or found[0][1] is not None:
            raise UnknownUpload
        sizes = self._run("lines_size", known.no)
        size = sizes[0][0] if sizes else 0
        if index != size:
            raise LinesNotAdjacent(f"The list has {size:,} lines; the next one is not {index:,}.")
        self._write("attach_upload", known.no, index, found[0][0])

    def put_document(self, kind: str, key: str, value: bytes) -> None:
        """See Writer."""
        check_document(kind, key, value)
        self._write("put_document", kind, key, value, time.time(), size=len(value))

    def delete_document(self, kind: str, key: str) -> bool:
        """See Writer."""
        check_key(kind, key)
        return self.change("delete_document", kind, key) > 0

    def forget_documents(self, kind: str, before: float, limit: int) -> int:
        """See Writer."""
        check_text(kind, "kind")
        return self.change("forget_documents", kind, before, rows_max(limit))

    def restore_documents(self, documents: Iterable[Document]) -> None:
        """Put documents of another store, with their dates."""
        for document in documents:
            self._write("put_document", *document, size=len(document.value))

    def add_audit(self, date: float, entry: bytes) -> None:
        """See Writer."""
        check_audit(date, entry)
        self._write("add_audit", date, entry, size=len(entry))

    def forget_audit(self, before_date: float, limit: int) -> int:
        """See Writer."""
        return self.change("forget_audit", before_date, rows_max(limit))

    def restore_audit(self, entries: Iterable[AuditEntry]) -> None:
        """Add entries of another store's audit trail, with their numbers."""
        latest = 0
        for entry in entries:
            self._write("restore_audit", *entry, size=len(entry.entry))
            latest = max(latest, entry.no)
        if latest:
            self._run("skip_audit", latest)

    def change(self, name: str, *values: object) -> int:
        """Carry out a statement at once; how many rows it changed."""
        return self._send((QUERIES[name], values))[-1].rowcount

    def _commit(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        warnings: list[str] = []

        def hears(notice: Diagnostic) -> None:  # which is gone after this call
            if notice.severity_nonlocalized == "WARNING":
                warnings.append(f"{notice.message_primary}. {notice.message_detail or ''}".strip(" ."))

        connection.add_notice_handler(hears)
        try:
            self._gather()
            done = send(connection, [*self._waiting, COMMIT])[-1].statusmessage
        except SQL_ERRORS as error:
            raise self._failed(translated(error)) from error
        finally:
            connection.remove_notice_handler(hears)
        if done != "COMMIT":
            raise self._failed(StoreUnavailable("PostgreSQL did not keep the transaction."))
        if warnings:  # of a synchronous standby that may not have it, and this server may yet be lost
            raise self._failed(StoreUnavailable(f"PostgreSQL committed, but warns: {warnings[0]}."))

    def _remember(self, *, kept: bool) -> None:
        seen = self._seen
        if len(seen) > _SEEN_MAX:
            seen.clear()
        for list_id in self._list_ids:
            known = self._known.get(list_id)
            if known is None or (known.changed and not kept):
                seen.pop(list_id, None)
            elif known.version is not None:
                seen[list_id] = known.no, known.version

    def _changes(self, list_id: ListId, known: _Known) -> None:
        known.changed = True
        self._tails.pop(list_id, None)

    def _mine(self, list_id: ListId) -> _Known:
        assert list_id in self._locked, f"list {list_id} was changed without its lock"
        known = self._known.get(list_id)
        if known is None:
            raise ListGone
        return known

    def _list(self, list_id: ListId) -> tuple[int, int]:
        known = self._known.get(list_id)
        return (known.no, known.widest_bits) if known else super()._list(list_id)

    def _tail(self, list_id: ListId, after: int) -> list[Any]:
        asked, rows = self._tails.pop(list_id, (None, []))
        if asked == after:
            return rows
        rows = super()._tail(list_id, after)
        if known := self._known.get(list_id):
            _no, known.snapshot_version, version, _events = rows[-1]
            if version is not None:
                known.version = version
            elif known.snapshot_version >= after:
                known.version = known.snapshot_version
        return rows

    def _latest(self, known: _Known) -> int:
        return self._both_versions(known)[0] if known.version is None else known.version

    def _both_versions(self, known: _Known) -> tuple[int, int]:
        """Give the latest version, and that of the snapshot."""
        if known.version is None or known.snapshot_version is None:
            ((version, snapshot_version),) = self._run("latest_version", known.no)
            known.version, known.snapshot_version = max(version, snapshot_version), snapshot_version
        return known.version, known.snapshot_version

    def _insert_results(self, known: _Known, rows: Sequence[ResultRow]) -> None:
        if not rows:
            return
        for seq, index, size, count, failed, worker, payload in rows:
            key, end = index_key(index), index_key(index + size)
            self._results_waiting.append((known.no, seq, key, end, count, failed, worker, payload))
            self._waits(len(payload) + 2 * len(key))
        widest = max(row.size for row in rows).bit_length()
        if widest > known.widest_bits:
            self._write("widen_list", widest, known.no)
            known.widest_bits = widest

    def _write_marks(self, name: str, list_id: ListId, marks: Sequence[Withdrawn]) -> None:
        no = self._mine(list_id).no
        for start in range(0, len(marks), 1_000):
            part = marks[start : start + 1_000]
            keys = [index_key(mark.index) for mark in part]
            ends = [index_key(mark.index + mark.size) for mark in part]
            size = sum(map(len, keys)) + sum(map(len, ends))
            self._write(name, no, keys, ends, [mark.before_seq for mark in part], size=size)

    def _write(self, name: str, *values: object, size: int = 0) -> None:
        """Have a statement carried out after what waits already."""
        self._gather()
        self._waiting.append((QUERIES[name], values))
        self._waits(size)

    def _waits(self, size: int) -> None:
        self._waiting_bytes += size
        if self._waiting_bytes > _WAITING_BYTES_MAX or len(self._waiting) > _WAITING_MAX:
            self._send()

    def _gather(self) -> None:
        """Make statements of the rows that wait."""
        if self._events:
            self._waiting.append((QUERIES["insert_events"], _columns(self._events)))
            self._events = []
        if self._results_waiting:
            self._waiting.append((QUERIES["insert_results"], _columns(self._results_waiting)))
            self._results_waiting = []

    def _send(self, *statements: Statement) -> list[psycopg.Cursor[tuple[Any, ...]]]:
        if self._failure is not None:
            raise self._failure
        self._gather()
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        return super()._send(*waiting, *statements)

    def _failed(self, failure: TeamtaskError) -> TeamtaskError:
        self._failure = failure
        return failure


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
