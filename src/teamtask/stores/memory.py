"""`MemoryStore`: a store for tests and simulations, gone with its process, with the semantics of the lasting ones."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from teamtask.stores.checks import (
    UPLOAD_SECONDS_MAX,
    check_audit,
    check_document,
    check_key,
    check_marks,
    check_process,
    check_record,
    check_results,
    check_text,
    check_value,
    rows_max,
)
from teamtask.stores.copying import copy_to_file
from teamtask.stores.memory_reader import KeptList, MemoryReader, State, Upload, empty_state
from teamtask.stores.sorted_runs import SortedRuns
from teamtask.stores.store import (
    AuditEntry,
    Clock,
    Document,
    LinesNotAdjacent,
    ListRecord,
    NameTaken,
    ResultRow,
    StaleVersion,
    StoreUnavailable,
    UnknownUpload,
    Withdrawn,
)
from teamtask.stores.verifying import verify_contents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from teamtask.ledger.ids import ListId, UploadId


def _monotonic() -> Clock:
    return Clock(time.monotonic(), "memory")


class MemoryWriter(MemoryReader):
    """A transaction: it works on a state of its own, which becomes the store's when it ends well."""

    def __init__(self, state: State, clock: Callable[[], Clock], locked: Sequence[ListId]) -> None:
        super().__init__(state._replace(lists=dict(state.lists), uploads=dict(state.uploads)), clock)
        self._locked = set(locked)
        self.failure: StaleVersion | None = None

    def create_list(self, record: ListRecord) -> None:
        """See Writer."""
        check_record(record)
        lists = self._now().lists
        if record.id in lists or self.list_named(record.name):
            message = f"There is a list named {record.name!r} already."
            raise NameTaken(message, field="name")
        chunks: SortedRuns[tuple[int, tuple[bytes, ...]]] = SortedRuns(_first)
        lists[record.id] = KeptList(
            record, None, SortedRuns(_first), SortedRuns(_by_index), SortedRuns(_by_seq), frozenset(), chunks, 0
        )
        self._locked.add(record.id)

    def replace_definition(self, list_id: ListId, definition: bytes) -> None:
        """See Writer."""
        check_value(definition, "definition")
        found = self._mine(list_id)
        self._put(found._replace(record=found.record._replace(definition=definition)))

    def delete_list(self, list_id: ListId) -> None:
        """See Writer."""
        self._mine(list_id)
        del self._now().lists[list_id]

    def append(self, list_id: ListId, version: int, events: bytes) -> None:
        """See Writer."""
        check_value(events, "events")
        found = self._mine(list_id)
        if version != found.version() + 1:
            raise self._failed(StaleVersion(f"Version {version} cannot follow version {found.version()}."))
        self._put(found._replace(journal=found.journal.plus([(version, events)])))

    def put_snapshot(self, list_id: ListId, version: int, state: bytes) -> None:
        """See Writer."""
        check_value(state, "snapshot")
        found = self._mine(list_id)
        if found.snapshot and version < found.snapshot[0]:
            raise self._failed(StaleVersion(f"There is a snapshot of version {found.snapshot[0]} already."))
        later = SortedRuns[tuple[int, bytes]](_first).plus(found.journal.since(version + 1))
        self._put(found._replace(snapshot=(version, state), journal=later))

    def put_results(self, list_id: ListId, rows: Sequence[ResultRow]) -> None:
        """See Writer."""
        check_results(rows)
        found = self._mine(list_id)
        seqs = {row.seq for row in rows}
        if len(seqs) < len(rows) or any(_has(found.by_seq, seq) for seq in seqs):
            raise self._failed(StaleVersion("There are results of that seq already."))
        self._put(found._replace(by_index=found.by_index.plus(rows), by_seq=found.by_seq.plus(rows)))

    def withdraw_results(self, list_id: ListId, marks: Sequence[Withdrawn]) -> None:
        """See Writer."""
        check_marks(marks)
        found = self._mine(list_id)
        self._put(found._replace(marks=found.marks.union(marks)))

    def replace_results(self, list_id: ListId, seq: int, rows: Sequence[ResultRow]) -> None:
        """See Writer."""
        check_results(rows)
        found = self._mine(list_id)
        old = next((row for row in found.by_seq.since(seq) if row.seq == seq), None)
        if old is None:
            raise self._failed(StaleVersion(f"There are no results of seq {seq}."))
        by_index, by_seq = found.by_index.without(_by_index(old)), found.by_seq.without(seq)
        self._put(found._replace(by_index=by_index, by_seq=by_seq))
        self.put_results(list_id, rows)

    def forget_withdrawn(self, list_id: ListId, marks: Sequence[Withdrawn]) -> None:
        """See Writer."""
        found = self._mine(list_id)
        self._put(found._replace(marks=found.marks.difference(marks)))

    def put_lines(self, upload: UploadId, index: int, lines: Sequence[bytes]) -> None:
        """See Writer."""
        check_text(upload, "upload")
        for line in lines:
            check_value(line, "lines")
        uploads = self._now().uploads
        old = uploads[upload] if upload in uploads else Upload(SortedRuns(_first), 0, self.clock())
        if old is None or (upload not in uploads and index):
            raise UnknownUpload
        if index != old.size:
            raise LinesNotAdjacent(f"The upload has {old.size:,} lines; the next one is not {index:,}.")
        chunks = old.chunks.plus([(index, tuple(lines))] if lines else ())
        uploads[upload] = Upload(chunks, index + len(lines), self.clock())

    def attach_lines(self, list_id: ListId, upload: UploadId, index: int) -> None:
        """See Writer."""
        found = self._mine(list_id)
        uploads = self._now().uploads
        lines = uploads.get(upload)
        if lines is None:
            raise UnknownUpload
        if index != found.size:
            raise LinesNotAdjacent(f"The list has {found.size:,} lines; the next one is not {index:,}.")
        moved = ((index + at, chunk) for at, chunk in lines.chunks)
        self._put(found._replace(chunks=found.chunks.plus(moved), size=index + lines.size))
        uploads[upload] = None

    def put_document(self, kind: str, key: str, value: bytes) -> None:
        """See Writer."""
        check_document(kind, key, value)
        document = Document(kind, key, value, time.time())
        self._put_documents(kind, {**self._now().documents.get(kind, {}), key: document})

    def delete_document(self, kind: str, key: str) -> bool:
        """See Writer."""
        check_key(kind, key)
        documents = dict(self._now().documents.get(kind, {}))
        was_there = documents.pop(key, None) is not None
        self._put_documents(kind, documents)
        return was_there

    def forget_documents(self, kind: str, before: float, limit: int) -> int:
        """See Writer."""
        check_text(kind, "kind")
        documents = dict(self._now().documents.get(kind, {}))
        old = sorted((document.put_at, key) for key, document in documents.items() if document.put_at < before)
        gone = old[: rows_max(limit)]
        for _put_at, key in gone:
            del documents[key]
        self._put_documents(kind, documents)
        return len(gone)

    def add_audit(self, date: float, entry: bytes) -> None:
        """See Writer."""
        check_audit(date, entry)
        state = self._now()
        no = state.audit_no + 1
        self._state = state._replace(audit=state.audit.plus([AuditEntry(no, date, entry)]), audit_no=no)

    def forget_audit(self, before_date: float, limit: int) -> int:
        """See Writer."""
        state = self._now()
        old = sorted((entry.date, entry.no) for entry in state.audit if entry.date < before_date)
        gone = {no for _date, no in old[: rows_max(limit)]}
        kept = empty_state().audit.plus(entry for entry in state.audit if entry.no not in gone)
        self._state = state._replace(audit=kept)
        return len(gone)

    def drop_abandoned(self) -> None:
        """Forget the uploads that got nothing for UPLOAD_SECONDS_MAX."""
        now = self.clock()
        uploads = self._now().uploads
        for upload_id, upload in list(uploads.items()):
            if upload and (upload.touched.epoch != now.epoch or now.now - upload.touched.now > UPLOAD_SECONDS_MAX):
                del uploads[upload_id]

    def ended(self) -> State:
        """The state that the transaction led to; raises what went wrong in it."""
        if self.failure:
            raise self.failure
        return self._now()

    def _mine(self, list_id: ListId) -> KeptList:
        assert list_id in self._locked, f"list {list_id} was changed without its lock"
        return self._list(list_id)

    def _put(self, changed: KeptList) -> None:
        self._now().lists[changed.record.id] = changed

    def _put_documents(self, kind: str, documents: dict[str, Document]) -> None:
        state = self._now()
        self._state = state._replace(documents={**state.documents, kind: documents})

    def _failed(self, failure: StaleVersion) -> StaleVersion:
        self.failure = failure
        return failure


def _first(item: tuple[int, object]) -> int:
    return item[0]


def _by_index(row: ResultRow) -> tuple[int, int]:
    return row.index, row.seq


def _by_seq(row: ResultRow) -> int:
    return row.seq


def _has(rows: SortedRuns[ResultRow], seq: int) -> bool:
    found = rows.before(seq + 1)
    return found is not None and found.seq == seq


class MemoryStore:
    """Lists kept in memory. `clock` may be a fake one; writers wait `busy_seconds` for one another."""

    def __init__(self, *, clock: Callable[[], Clock] | None = None, busy_seconds: float = 30.0) -> None:
        self.url = "memory:"
        self._clock = clock or _monotonic
        self._busy_seconds = busy_seconds
        self._lock = Lock()
        self._state = empty_state()
        self._process: int | None = os.getpid()  # None: closed

    @contextmanager
    def read(self) -> Iterator[MemoryReader]:
        """See Store."""
        check_process(self._process)
        reader = MemoryReader(self._state, self._clock)
        try:
            yield reader
        finally:
            reader.end()

    @contextmanager
    def write(self, list_ids: Sequence[ListId] = ()) -> Iterator[MemoryWriter]:
        """See Store."""
        check_process(self._process)
        if not self._lock.acquire(timeout=self._busy_seconds):
            raise StoreUnavailable(f"Another writer held the store for {self._busy_seconds:g} seconds.")
        try:
            writer = MemoryWriter(self._state, self._clock, list_ids)
            try:
                yield writer
                self._state = writer.ended()
            finally:
                writer.end()
        finally:
            self._lock.release()

    def compact(self) -> None:
        """See Store."""
        with self.write() as writer:
            writer.drop_abandoned()

    def backup(self, path: str) -> None:
        """See Store."""
        with self.read() as reader:
            copy_to_file(reader, path)

    def verify(self) -> list[str]:
        """See Store."""
        with self.read() as reader:
            return verify_contents(reader)

    def close(self) -> None:
        """See Store."""
        self._process = None
        self._state = empty_state()
