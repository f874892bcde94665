"""`MemoryReader`: a view of a memory store, and the state that it looks at, which is never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from teamtask.stores.checks import check_key, check_text, rows_max
from teamtask.stores.index_key import index_key
from teamtask.stores.sorted_runs import SortedRuns
from teamtask.stores.store import AuditEntry, Clock, Document, Journal, ListGone, ListRecord, ResultRow, Withdrawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from teamtask.ledger.ids import ListId, UploadId

_Item = TypeVar("_Item")


class Upload(NamedTuple):
    """Lines that belong to no list yet."""

    chunks: SortedRuns[tuple[int, tuple[bytes, ...]]]  # (index in the upload, lines)
    size: int
    touched: Clock


class KeptList(NamedTuple):
    """A list and all that belongs to it."""

    record: ListRecord
    snapshot: tuple[int, bytes] | None
    journal: SortedRuns[tuple[int, bytes]]
    by_index: SortedRuns[ResultRow]
    by_seq: SortedRuns[ResultRow]
    marks: frozenset[Withdrawn]
    chunks: SortedRuns[tuple[int, tuple[bytes, ...]]]  # (index, lines)
    size: int  # of the lines

    def version(self) -> int:
        """Give the latest version, -1 for none."""
        last = self.journal.last()
        return max(last[0] if last else -1, self.snapshot[0] if self.snapshot else -1)


class State(NamedTuple):
    """All that a store holds at one moment."""

    lists: dict[ListId, KeptList]
    uploads: dict[UploadId, Upload | None]  # None: attached
    documents: dict[str, dict[str, Document]]  # by kind and key; who puts one replaces the dicts
    audit: SortedRuns[AuditEntry]
    audit_no: int  # of the last entry that there ever was


def empty_state() -> State:
    """Make the state of a store in which nothing is kept."""
    return State({}, {}, {}, SortedRuns(_audit_no), 0)


class MemoryReader:
    """A view of one moment: nothing that it reaches is ever changed."""

    def __init__(self, state: State, clock: Callable[[], Clock]) -> None:
        self._state: State | None = state
        self._clock = clock

    def clock(self) -> Clock:
        """See Reader."""
        return self._clock()

    def lists(self, after: str = "", limit: int | None = None) -> list[ListRecord]:
        """See Reader."""
        check_text(after, "after")
        records = [found.record for found in self._now().lists.values() if not after or found.record.name > after]
        return sorted(records, key=lambda record: record.name)[: rows_max(limit)]

    def list_named(self, name: str) -> ListRecord | None:
        """See Reader."""
        return next((found.record for found in self._now().lists.values() if found.record.name == name), None)

    def list_by_id(self, list_id: ListId) -> ListRecord:
        """See Reader."""
        return self._list(list_id).record

    def journal(self, list_id: ListId, after: int) -> Journal:
        """See Reader."""
        found = self._list(list_id)
        snapshot = found.snapshot if found.snapshot and found.snapshot[0] > after else None
        return Journal(snapshot, list(found.journal.since(max(after, snapshot[0] if snapshot else -1) + 1)))

    def results(self, list_id: ListId, *, index: int = 0) -> Iterator[ResultRow]:
        """See Reader."""
        index_key(index)
        return self._while_open(row for row in self._list(list_id).by_index if row.index + row.size > index)

    def results_since(self, list_id: ListId, seq: int) -> Iterator[ResultRow]:
        """See Reader."""
        rows = self._list(list_id).by_seq
        first = rows.before(seq)
        return self._while_open(rows.since(first.seq if first and first.seq + first.count > seq else seq))

    def withdrawn(self, list_id: ListId) -> list[Withdrawn]:
        """See Reader."""
        return sorted(self._list(list_id).marks)

    def lines(self, list_id: ListId, index: int, size: int) -> Iterator[bytes]:
        """See Reader."""
        return self._while_open(_lines(self._list(list_id).chunks, index, index + size))

    def document(self, kind: str, key: str) -> bytes | None:
        """See Reader."""
        check_key(kind, key)
        found = self._now().documents.get(kind, {}).get(key)
        return found.value if found else None

    def documents(self, kind: str, after: str = "", limit: int | None = None) -> list[tuple[str, bytes]]:
        """See Reader."""
        check_text(kind, "kind")
        check_text(after, "after")
        found = self._now().documents.get(kind, {}).values()
        return sorted((document.key, document.value) for document in found if document.key > after)[: rows_max(limit)]

    def every_document(self) -> Iterator[Document]:
        """See Reader."""
        return self._while_open(
            document
            for _kind, found in sorted(self._now().documents.items())
            for _key, document in sorted(found.items())
        )

    def audit(self, before: int | None, limit: int) -> list[AuditEntry]:
        """See Reader."""
        state = self._now()
        no = state.audit_no + 1 if before is None else before
        entries: list[AuditEntry] = []
        while len(entries) < rows_max(limit) and (entry := state.audit.before(no)):
            entries.append(entry)
            no = entry.no
        return entries

    def end(self) -> None:
        """Make the view unusable, as a lasting store's is after its `with`."""
        self._state = None

    def _now(self) -> State:
        assert self._state is not None, "a view was used after its with"
        return self._state

    def _list(self, list_id: ListId) -> KeptList:
        found = self._now().lists.get(list_id)
        if found is None:
            raise ListGone
        return found

    def _while_open(self, items: Iterator[_Item]) -> Iterator[_Item]:
        self._now()
        for item in items:
            yield item
            self._now()


def _lines(chunks: SortedRuns[tuple[int, tuple[bytes, ...]]], start: int, stop: int) -> Iterator[bytes]:
    first = chunks.before(start + 1)
    for at, lines in chunks.since(first[0] if first else 0):
        if at >= stop:
            return
        yield from lines[max(start - at, 0) : stop - at]


def _audit_no(entry: AuditEntry) -> int:
    return entry.no
