"""`PostgresReader`: a consistent view of the database, from its `with` to the end of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Self

import psycopg

from teamtask.stores.checks import SEQ_MAX, check_text, is_text, rows_max
from teamtask.stores.postgres.connecting import READER_IDLE_SECONDS
from teamtask.stores.postgres.failures import SQL_ERRORS, damaged, translated
from teamtask.stores.postgres.sql_files import QUERIES
from teamtask.stores.postgres.view import COMMIT, Statement, View, send
from teamtask.stores.sql_reader import SqlReader
from teamtask.stores.store import AuditEntry, Document, Journal, ListGone, ListRecord, ResultRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from teamtask.ledger.ids import ListId

_PAGE_ROWS = (8, 256)  # of results, looked up at a time: at first, at most
_PAGE_BYTES = 1 << 20  # of their payloads, read at a time, unless a single one is longer
_DOCUMENTS = 64  # read at a time
_BEGIN: list[Statement] = [
    (b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", ()),
    (b"SET LOCAL idle_in_transaction_session_timeout = '%ds'" % READER_IDLE_SECONDS, ()),
]


class PostgresReader(SqlReader, View):
    """A read transaction: REPEATABLE READ, and a first query that fixes what is seen."""

    __slots__ = ()

    def __enter__(self) -> Self:
        self._begin(_BEGIN, writes=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        taken, self._taken = self._taken, None
        if taken is None:
            return
        broken = True
        try:
            # Not ROLLBACK, after which psycopg would forget what is prepared; when it fails, nothing is lost.
            broken = send(taken.connection, [COMMIT])[0].statusmessage != "COMMIT"
        except psycopg.Error:
            pass
        finally:
            self._pool.give_back(taken, broken=broken)

    def lists(self, after: str = "", limit: int | None = None) -> list[ListRecord]:
        """See Reader."""
        check_text(after, "after")
        after_name = ("lists_after", after) if after else ("all_lists",)
        return [ListRecord(*row) for row in self._run(*after_name, rows_max(limit))]

    def list_named(self, name: str) -> ListRecord | None:
        """See Reader."""
        rows = self._run("list_named", name) if is_text(name) else []
        return ListRecord(*rows[0]) if rows else None

    def list_by_id(self, list_id: ListId) -> ListRecord:
        """See Reader."""
        rows = self._run("list_by_id", list_id) if is_text(list_id) else []
        if not rows:
            raise ListGone
        return ListRecord(*rows[0])

    def journal(self, list_id: ListId, after: int) -> Journal:
        """See Reader."""
        after = min(max(after, -1), SEQ_MAX)
        rows = self._tail(list_id, after)
        no, snapshot_version = rows[0][:2]
        snapshot = self._run("snapshot", no)[0] if snapshot_version > after else None
        return Journal(snapshot, [row[2:] for row in rows if row[3] is not None])

    def every_document(self) -> Iterator[Document]:
        """See Reader."""
        at = ("", "")
        while page := self._run("every_document", *at, _DOCUMENTS):
            for row in page:
                yield Document(*row)
            at = page[-1][:2]

    def audit(self, before: int | None, limit: int) -> list[AuditEntry]:
        """See Reader."""
        below = SEQ_MAX if before is None else max(0, min(before, SEQ_MAX))
        return [AuditEntry(*row) for row in self._run("audit", below, rows_max(limit))]

    def select(self, name: str, *values: object) -> list[Any]:
        """Return the rows of a query that changes nothing (for upkeep)."""
        return self._run(name, *values)

    def each(self, name: str, *values: object) -> Iterator[Any]:
        """Give the rows of such a query one by one; a bounded number in memory."""
        assert self._taken is not None, "a view was used after its with"
        try:
            with psycopg.RawServerCursor(self._taken.connection, name) as cursor:
                yield from cursor.execute(QUERIES[name], values, binary=True)
        except SQL_ERRORS as error:
            raise self._failed(translated(error)) from error

    def _tail(self, list_id: ListId, after: int) -> list[Any]:
        """Rows of (list's number, version of its snapshot, version, events or None): one at least."""
        rows = self._run("tail", list_id, after) if is_text(list_id) else []
        if not rows:
            raise ListGone
        return rows

    def _asked(self, kinds: tuple[type, ...], name: str, *values: object) -> list[Any]:  # noqa: ARG002 - the database sees to them
        return self._run(name, *values)

    def _results(self, no: int, first: bytes, beyond: bytes) -> Iterator[ResultRow]:
        key, seq = first, -1
        rows, rows_max_ = _PAGE_ROWS
        while page := self._run("results_by_index", no, key, seq, beyond, rows):
            rows = min(2 * rows, rows_max_)
            yield from self._with_payloads(page)
            key, seq = page[-1][2:]

    def _results_since(self, no: int, seq: int) -> Iterator[ResultRow]:
        before = self._run("last_seq_before", no, seq)
        at = before[0][0] - 1 if before else seq - 1
        rows, rows_max_ = _PAGE_ROWS
        while page := self._run("results_by_seq", no, at, rows):
            rows = min(2 * rows, rows_max_)
            for row in self._with_payloads(page):
                if row.seq + row.count > seq:
                    yield row
            at = page[-1][2]

    def _with_payloads(self, page: Sequence[Any]) -> Iterator[ResultRow]:
        """Give the rows that a page names, in its order, as far as they are still there."""
        numbers: list[int] = []
        size = 0
        for no, payload_bytes, *_place in page:
            if numbers and size + payload_bytes > _PAGE_BYTES:
                yield from self._result_rows(numbers)
                numbers, size = [], 0
            numbers.append(no)
            size += payload_bytes
        yield from self._result_rows(numbers)

    def _result_rows(self, numbers: list[int]) -> Iterator[ResultRow]:
        found = {row[0]: row[1:] for row in self._run("results_rows", numbers)}
        for no in numbers:
            if no in found:
                seq, key, end, count, failed, worker, payload = found.pop(no)
                yield ResultRow(seq, *self._span(key, end), count, failed, worker, payload)

    def _damaged(self, what: str) -> NoReturn:
        raise damaged(f"is damaged ({what})")
