"""`SqlReader`: what the readers of SQL stores share: their queries have the same names, and give the same rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, NoReturn

from teamtask.stores.checks import SEQ_MAX, check_key, check_text, is_text, rows_max
from teamtask.stores.index_key import index_key, index_of
from teamtask.stores.line_chunks import lines_in
from teamtask.stores.store import ListGone, Withdrawn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.ledger.ids import ListId
    from teamtask.stores.store import ResultRow

_WIDEST_BITS: Final = 8 * 1_664  # more than the widest row of results has


class SqlReader(ABC):
    """A subclass carries out the queries."""

    __slots__ = ()

    @abstractmethod
    def _asked(self, kinds: tuple[type, ...], name: str, *values: object) -> list[Any]:
        """Carry out a query; its rows, whose columns are of these kinds."""

    @abstractmethod
    def _results(self, no: int, first: bytes, beyond: bytes) -> Iterator[ResultRow]:
        """Rows of a list from the key `first` on that reach beyond the key `beyond`."""

    @abstractmethod
    def _results_since(self, no: int, seq: int) -> Iterator[ResultRow]:
        """Rows of a list with a result of `seq` or later."""

    @abstractmethod
    def _damaged(self, what: str) -> NoReturn:
        """Raise StoreDamaged."""

    def results(self, list_id: ListId, *, index: int = 0) -> Iterator[ResultRow]:
        """See Reader."""
        no, widest_bits = self._list(list_id)
        # A row that begins before `index` and reaches it begins no further before it than the widest row is wide.
        first = index_key(max(index - (1 << min(widest_bits, _WIDEST_BITS)), 0))
        return self._results(no, first, index_key(index))

    def results_since(self, list_id: ListId, seq: int) -> Iterator[ResultRow]:
        """See Reader."""
        return self._results_since(self._list(list_id)[0], min(seq, SEQ_MAX))

    def withdrawn(self, list_id: ListId) -> list[Withdrawn]:
        """See Reader."""
        rows = self._asked((bytes, bytes, int), "marks", self._list(list_id)[0])
        return [Withdrawn(*self._span(index, end), before_seq) for index, end, before_seq in rows]

    def lines(self, list_id: ListId, index: int, size: int) -> Iterator[bytes]:
        """See Reader."""
        return self._lines(self._list(list_id)[0], index, index + size)

    def document(self, kind: str, key: str) -> bytes | None:
        """See Reader."""
        check_key(kind, key)
        rows = self._asked((bytes,), "document", kind, key)
        return rows[0][0] if rows else None

    def documents(self, kind: str, after: str = "", limit: int | None = None) -> list[tuple[str, bytes]]:
        """See Reader."""
        check_text(kind, "kind")
        check_text(after, "after")
        return self._asked((str, bytes), "documents", kind, after, rows_max(limit))

    def _list(self, list_id: ListId) -> tuple[int, int]:
        """Give the number of a list, and how many bits the widest of its rows of results has."""
        rows = self._asked((int, int), "find_list", list_id) if is_text(list_id) else []
        if not rows:
            raise ListGone
        no, widest_bits = rows[0]
        return no, widest_bits

    def _span(self, key: bytes, end: bytes) -> tuple[int, int]:
        try:
            index = index_of(key)
            return index, index_of(end) - index
        except ValueError as error:
            self._damaged(str(error))

    def _lines(self, no: int, index: int, stop: int) -> Iterator[bytes]:
        while index < stop and index <= SEQ_MAX:
            uploads = self._asked((int, int, int), "upload_at", no, index)
            if not uploads or index >= uploads[0][1] + uploads[0][2]:
                return
            upload_no, first, size = uploads[0]
            end = min(stop, first + size)
            while index < end:
                lines = self._lines_of_chunk(upload_no, index - first, end - first)
                yield from lines
                index += len(lines)

    def _lines_of_chunk(self, upload_no: int, start: int, stop: int) -> list[bytes]:
        """Lines of an upload from `start` on, to the end of their chunk or to `stop`: at least one."""
        chunks = self._asked((int, int, bytes), "chunk_at", upload_no, start)
        if not chunks or start >= chunks[0][0] + chunks[0][1]:
            self._damaged(f"line {start} of upload {upload_no} is missing")
        first, count, chunk = chunks[0]
        try:
            return lines_in(chunk, count, start - first, min(stop - first, count))
        except ValueError as error:
            self._damaged(f"upload {upload_no}: {error}")
