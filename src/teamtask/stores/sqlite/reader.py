"""`SqliteReader`: a consistent view of the state file, from its `with` to the end of it."""

from __future__ import annotations

import sqlite3
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NoReturn, Self

from teamtask.stores.checks import SEQ_MAX, check_text, is_text, rows_max
from teamtask.stores.sql_reader import SqlReader
from teamtask.stores.sqlite.failures import SQL_ERRORS, damaged
from teamtask.stores.sqlite.sql_files import QUERIES
from teamtask.stores.store import AuditEntry, Clock, Document, Journal, ListGone, ListRecord, ResultRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from teamtask.ledger.errors import TeamtaskError
    from teamtask.ledger.ids import ListId
    from teamtask.stores.sqlite.database import Database

_PAGE_ROWS = (8, 256)  # of results, looked up at a time: at first, at most; their payloads are read one by one

_DOCUMENTS = 64  # read at a time

# What the columns of a query must be; SQLite keeps any kind of value in any column, and so does a damaged file.
_RECORD = (str, str, bytes, float)
_HEAD = (int, int, int)
_VERSION = (int, bytes)
_RESULTS = (int, bytes, bytes, int, int, str, bytes)
_JOURNAL = QUERIES["journal"]
_RESULTS_BY_INDEX = QUERIES["results_by_index"]
_RESULTS_BY_SEQ = QUERIES["results_by_seq"]
_RESULTS_ROW = QUERIES["results_row"]


class SqliteReader(SqlReader):
    """A read transaction (BEGIN deferred, and a first read that fixes what is seen)."""

    __slots__ = ("_clock", "_connection", "_database")

    def __init__(self, database: Database, clock: Callable[[], Clock]) -> None:
        self._database = database
        self._clock = clock
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        try:
            self._connection = self._database.take_reader()
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT 1 FROM deleted_lists LIMIT 1").fetchall()
        except SQL_ERRORS as error:
            self._leave(broken=True)
            raise self._database.failed(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(broken=False)

    def clock(self) -> Clock:
        """See Reader."""
        return self._clock()

    def lists(self, after: str = "", limit: int | None = None) -> list[ListRecord]:
        """See Reader."""
        check_text(after, "after")
        if after:
            rows = self._rows(_RECORD, QUERIES["lists_after"], after, rows_max(limit))
        else:
            rows = self._rows(_RECORD, QUERIES["all_lists"], rows_max(limit))
        return [ListRecord(*row) for row in rows]

    def list_named(self, name: str) -> ListRecord | None:
        """See Reader."""
        rows = self._rows(_RECORD, QUERIES["list_named"], name) if is_text(name) else []
        return ListRecord(*rows[0]) if rows else None

    def list_by_id(self, list_id: ListId) -> ListRecord:
        """See Reader."""
        rows = self._rows(_RECORD, QUERIES["list_by_id"], list_id) if is_text(list_id) else []
        if not rows:
            raise ListGone
        return ListRecord(*rows[0])

    def journal(self, list_id: ListId, after: int) -> Journal:
        """See Reader."""
        after = max(after, -1)
        rows = self._journal_rows(list_id, after)
        no, _widest_bits, snapshot_version = rows[0][:3]
        snapshot = self._rows(_VERSION, QUERIES["snapshot"], no)[0] if snapshot_version > after else None
        return Journal(snapshot, self._checked(_VERSION, [row[3:] for row in rows if row[4] is not None]))

    def every_document(self) -> Iterator[Document]:
        """See Reader."""
        at = ("", "")
        while page := self._rows((str, str, bytes, float), QUERIES["every_document"], *at, _DOCUMENTS):
            for row in page:
                yield Document(*row)
            if page[-1][:2] <= at:
                self._damaged("documents are out of order")
            at = page[-1][:2]

    def audit(self, before: int | None, limit: int) -> list[AuditEntry]:
        """See Reader."""
        below = SEQ_MAX if before is None else max(0, min(before, SEQ_MAX))
        rows = self._rows((int, float, bytes), QUERIES["audit"], below, rows_max(limit))
        if any(later <= no for later, no in pairwise([below, *(row[0] for row in rows)])):
            self._damaged("the audit trail is out of order")
        return [AuditEntry(*row) for row in rows]

    def select(self, sql: str, *values: object) -> list[Any]:
        """Return the rows of a statement that changes nothing (for upkeep)."""
        return self._run(sql, *values)

    def each(self, sql: str, *values: object) -> Iterator[Any]:
        """Give the rows of a statement that changes nothing one by one; they must all be taken (for upkeep)."""
        assert self._connection is not None
        try:
            yield from self._connection.execute(sql, values)
        except SQL_ERRORS as error:
            raise self._failed(self._database.failed(error)) from error

    def _journal_rows(self, list_id: ListId, after: int) -> list[Any]:
        """Rows of (list's number, its widest_bits, version of its snapshot, version, events or None)."""
        after = min(after, SEQ_MAX)
        rows = self._run(_JOURNAL, after, after, list_id) if is_text(list_id) else []
        if not rows:
            raise ListGone
        self._checked(_HEAD, [rows[0][:3]])
        return rows

    def _asked(self, kinds: tuple[type, ...], name: str, *values: object) -> list[Any]:
        return self._rows(kinds, QUERIES[name], *values)

    def _results(self, no: int, first: bytes, beyond: bytes) -> Iterator[ResultRow]:
        key, seq = first, -1
        rows, rows_max = _PAGE_ROWS
        while page := self._rows((int, bytes, int), _RESULTS_BY_INDEX, no, key, seq, beyond, rows):
            rows = min(2 * rows, rows_max)
            for row_no, _key, _seq in page:
                yield from self._row(row_no)
            if page[-1][1:] <= (key, seq):
                self._damaged("results are out of order")
            _row_no, key, seq = page[-1]

    def _results_since(self, no: int, seq: int) -> Iterator[ResultRow]:
        before = self._rows((int,), QUERIES["last_seq_before"], no, seq)
        at = before[0][0] - 1 if before else seq - 1
        rows, rows_max = _PAGE_ROWS
        while page := self._rows((int, int), _RESULTS_BY_SEQ, no, at, rows):
            rows = min(2 * rows, rows_max)
            for row_no, _seq in page:
                for row in self._row(row_no):
                    if row.seq + row.count > seq:
                        yield row
            if page[-1][1] <= at:
                self._damaged("results are out of order")
            _row_no, at = page[-1]

    def _row(self, row_no: int) -> Iterator[ResultRow]:
        for seq, key, end, count, failed, worker, payload in self._rows(_RESULTS, _RESULTS_ROW, row_no):
            yield ResultRow(seq, *self._span(key, end), count, failed, worker, payload)

    def _damaged(self, what: str) -> NoReturn:
        raise damaged(self._database.path, f"is damaged ({what})")

    def _rows(self, kinds: tuple[type, ...], sql: str, *values: object) -> list[Any]:
        return self._checked(kinds, self._run(sql, *values))

    def _checked(self, kinds: tuple[type, ...], rows: list[Any]) -> list[Any]:
        for row in rows:
            if tuple(map(type, row)) != kinds:
                self._damaged("a row holds values of the wrong kind")
        return rows

    def _run(self, sql: str, *values: object) -> list[Any]:
        connection = self._connection
        assert connection is not None, "a view was used after its with"
        try:
            return connection.execute(sql, values).fetchall()
        except SQL_ERRORS as error:
            raise self._failed(self._database.failed(error)) from error

    def _failed(self, failure: TeamtaskError) -> TeamtaskError:
        return failure

    def _leave(self, *, broken: bool) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if not broken:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            broken = True
        if broken:
            connection.close()
        else:
            self._database.give_back(connection)
