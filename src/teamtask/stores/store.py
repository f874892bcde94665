"""`Store`: what a place that keeps lists must be able to do, for one process or for many at once.

A store knows nothing of what it keeps: events, snapshots and results reach it as bytes, with the few
numbers that it needs to find them again. Whoever decides does so inside `Store.write`, which holds
the lock of the lists concerned from the first read to the commit. (Design: a journal and a snapshot.)

Every method that is given a list raises ListGone when the view has no such list. A value of more than
VALUE_BYTES_MAX bytes is refused with TooMany, text that no store can keep (NUL, lone surrogates) with
InvalidField; then nothing has changed and the transaction may go on.

Beside lists a store keeps documents, small values by kind and key, and the audit trail. Neither needs a list's
lock: when two transactions put the same document, the later commit stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from teamtask.ledger.errors import TeamtaskError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from teamtask.ledger.ids import ListId, UploadId


VALUE_BYTES_MAX = 1 << 28  # of one line, definition, snapshot, or row of events or results
DOCUMENT_BYTES_MAX = 1 << 16  # of one document, or entry of the audit trail
KEY_BYTES_MAX = 1_024  # of a document's kind, and of its key, in UTF-8: both fit into an index of any database


class StoreUnavailable(TeamtaskError):
    """The store did not answer, or nobody knows whether the commit arrived."""

    code = "store_unavailable"
    hint = "Nothing that was acknowledged is lost; try again."


class StoreFull(StoreUnavailable):
    """The disk of the store is full."""

    code = "store_full"
    hint = "Free some space and give the same command again; it goes on where it stopped."


class StoreDamaged(TeamtaskError):
    """The state file is damaged or is no state file of Teamtask."""

    code = "store_damaged"


class StoreTooNew(TeamtaskError):
    """The state file was written by a newer version of Teamtask."""

    code = "store_too_new"
    hint = "Install the newer version of Teamtask and try again."


class StoreNotWritable(TeamtaskError):
    """The state file cannot be created or written."""

    code = "store_not_writable"


class NameTaken(TeamtaskError):
    """There is a list of that name already."""

    code = "name_taken"


class ListGone(TeamtaskError):
    """The list has been deleted."""

    code = "list_gone"


class StaleVersion(TeamtaskError):
    """The list has moved on since it was read."""

    code = "stale_version"
    hint = "Read the list again and decide anew."


class UnknownUpload(TeamtaskError):
    """There is no unfinished upload of that id: it was attached before, or removed because it was abandoned."""

    code = "unknown_upload"
    hint = "Upload the lines again from the beginning."


class LinesNotAdjacent(TeamtaskError):
    """Lines can only follow where the lines before them end."""

    code = "lines_not_adjacent"


class ListRecord(NamedTuple):
    """A list as the store knows it: `definition` is what it was created with, JSON."""

    id: ListId
    name: str
    definition: bytes
    created_at: float  # seconds since the epoch, for people; never compared with `Clock.now`


class Clock(NamedTuple):
    """The one clock that counts: `now` in seconds, comparable only within one `epoch`."""

    now: float
    epoch: str  # changes when the clock starts anew (a restart of the machine)


class Journal(NamedTuple):
    """What was written since a version: maybe a snapshot, then the events after it, oldest first."""

    snapshot: tuple[int, bytes] | None  # (version, state), only when rows after the asked version are gone
    rows: list[tuple[int, bytes]]  # (version, events): all after the asked version, and after the snapshot if given


class ResultRow(NamedTuple):
    """The results of one report: as many as `count` of them, for indices of [index, index + size)."""

    seq: int  # of its first result; the others follow in order of index
    index: int  # type: ignore[assignment] # up to 4,000 digits; the glossary's word outweighs tuple's method
    size: int
    count: int  # type: ignore[assignment] # as index
    failed: int  # how many of them are not ok
    worker: str
    payload: bytes


class Withdrawn(NamedTuple):
    """Results of [index, index + size) with a lower seq than `before_seq` no longer count."""

    index: int  # type: ignore[assignment] # as in ResultRow
    size: int
    before_seq: int


class Document(NamedTuple):
    """A small value of the site: an API token, say, by its hash."""

    kind: str
    key: str
    value: bytes
    put_at: float  # when it was last put, seconds since 1970 by the clock of who put it


class AuditEntry(NamedTuple):
    """What somebody did."""

    no: int  # from 1; rises, maybe with gaps, and is never used again
    date: float  # seconds since 1970
    entry: bytes


class Reader(Protocol):
    """One consistent view of the store; what others commit meanwhile is not seen.

    It ends with its `with`, and so do the iterators that it gave. One thread uses it at a time.
    """

    def clock(self) -> Clock:
        """The store's clock, now."""
        ...

    def lists(self, after: str = "", limit: int | None = None) -> list[ListRecord]:
        """Lists by name, in order of code points: those after a name ("": from the first), `limit` (0 or more) at most.

        Raises InvalidField for an `after` that is no name.
        """
        ...

    def list_named(self, name: str) -> ListRecord | None:
        """The list of that name."""
        ...

    def list_by_id(self, list_id: ListId) -> ListRecord:
        """The list of that id."""
        ...

    def journal(self, list_id: ListId, after: int) -> Journal:
        """What a working ledger of version `after` lacks; `after` is -1 for one that knows nothing."""
        ...

    def results(self, list_id: ListId, *, index: int = 0) -> Iterator[ResultRow]:
        """Rows that reach beyond `index` (index + size > `index`), by (index, seq); a bounded number in memory.

        A Writer may meanwhile replace the row that it was given last, and may or may not be given the new ones.
        """
        ...

    def results_since(self, list_id: ListId, seq: int) -> Iterator[ResultRow]:
        """Rows with a result of `seq` or later, by seq."""
        ...

    def withdrawn(self, list_id: ListId) -> list[Withdrawn]:
        """The marks that `Writer.withdraw_results` left and `Writer.forget_withdrawn` has not taken away."""
        ...

    def lines(self, list_id: ListId, index: int, size: int) -> Iterator[bytes]:
        """The lines of [index, index + size) in order, as far as there are; a bounded number in memory."""
        ...

    def document(self, kind: str, key: str) -> bytes | None:
        """The document of that kind and key. Raises InvalidField, TooMany for what is neither kind nor key."""
        ...

    def documents(self, kind: str, after: str = "", limit: int | None = None) -> list[tuple[str, bytes]]:
        """Documents of a kind, (key, value) by key in order of code points: those after a key, `limit` at most.

        Raises InvalidField.
        """
        ...

    def every_document(self) -> Iterator[Document]:
        """Every document of every kind, by (kind, key); a bounded number in memory."""
        ...

    def audit(self, before: int | None, limit: int) -> list[AuditEntry]:
        """Read the audit trail, newest first: entries whose `no` is less than `before` (None: all), `limit` at most."""
        ...


class Writer(Reader, Protocol):
    """A transaction: all of it is kept when the `with` ends, or none.

    It reads what it wrote. It may change only the lists that were named to `Store.write` or that it created.
    After StaleVersion or StoreUnavailable it can only be rolled back: whoever catches them inside gets them
    again when the `with` ends.
    """

    def create_list(self, record: ListRecord) -> None:
        """Add a list without any events. Raises NameTaken (for an id that is in use too)."""
        ...

    def replace_definition(self, list_id: ListId, definition: bytes) -> None:
        """Put another definition in the place of the list's."""
        ...

    def delete_list(self, list_id: ListId) -> None:
        """Forget a list at once; `Store.compact` removes what it left."""
        ...

    def append(self, list_id: ListId, version: int, events: bytes) -> None:
        """Add a journal row; versions of a list rise by one, the first is 0. Raises StaleVersion."""
        ...

    def put_snapshot(self, list_id: ListId, version: int, state: bytes) -> None:
        """Replace the journal rows up to `version` by the state that they lead to.

        The rows need not have been written: a state may also stand in for rows after the last. A version
        below the last snapshot's raises StaleVersion.
        """
        ...

    def put_results(self, list_id: ListId, rows: Sequence[ResultRow]) -> None:
        """Keep the results of reports; a seq that the list has already raises StaleVersion."""
        ...

    def withdraw_results(self, list_id: ListId, marks: Sequence[Withdrawn]) -> None:
        """Mark older results as withdrawn; whoever reads leaves them out."""
        ...

    def replace_results(self, list_id: ListId, seq: int, rows: Sequence[ResultRow]) -> None:
        """Put `rows` (maybe none) in the place of the row with that seq. Raises StaleVersion if it is gone."""
        ...

    def forget_withdrawn(self, list_id: ListId, marks: Sequence[Withdrawn]) -> None:
        """Take marks away whose results have been removed."""
        ...

    def put_lines(self, upload: UploadId, index: int, lines: Sequence[bytes]) -> None:
        """Keep lines of an upload; index 0 first, each call where the last one ended.

        A call makes at least one chunk of its own, so give it many lines (a megabyte, say) at a time. The id
        is new, never used before. Raises UnknownUpload, LinesNotAdjacent.
        """
        ...

    def attach_lines(self, list_id: ListId, upload: UploadId, index: int) -> None:
        """Make the upload's lines those of the list from `index` on (0, or its line count when it grows).

        Raises UnknownUpload (also when it was attached before), LinesNotAdjacent.
        """
        ...

    def put_document(self, kind: str, key: str, value: bytes) -> None:
        """Keep a document, in the place of the one of that kind and key if there is one, and the date of this.

        A key has one character at least. Raises TooMany for more than DOCUMENT_BYTES_MAX of `value`, or
        KEY_BYTES_MAX of `kind` or `key`; InvalidField.
        """
        ...

    def delete_document(self, kind: str, key: str) -> bool:
        """Forget a document; whether there was one. Raises as `Reader.document`."""
        ...

    def forget_documents(self, kind: str, before: float, limit: int) -> int:
        """Forget documents of a kind last put before a date (seconds since 1970), the oldest first, `limit` at most.

        Returns how many they were. Raises InvalidField.
        """
        ...

    def add_audit(self, date: float, entry: bytes) -> None:
        """Add to the audit trail; `date` in seconds since 1970. Raises TooMany for more than DOCUMENT_BYTES_MAX."""
        ...

    def forget_audit(self, before_date: float, limit: int) -> int:
        """Forget entries of the audit trail dated before that, the oldest first, `limit` at most; how many."""
        ...


class Store(Protocol):
    """A place that keeps lists. Safe for use by several threads and processes.

    After a fork the child opens a store of its own; one that it inherited refuses with StoreUnavailable.
    """

    url: str

    def read(self) -> AbstractContextManager[Reader]:
        """Open a consistent view."""
        ...

    def write(self, list_ids: Sequence[ListId] = ()) -> AbstractContextManager[Writer]:
        """Lock these lists, in order of id, until the `with` ends, then commit durably.

        A thread holds one at a time. An exception inside rolls back. Raises StoreUnavailable (StoreFull) when
        the commit fails or its fate is unknown: the caller must then read again what it believes.
        """
        ...

    def compact(self) -> None:
        """Remove what deleted lists and abandoned uploads left, and give the space back, while others go on working.

        Abandoned is an unattached upload whose process is known to be dead, or that got nothing for a day.
        """
        ...

    def backup(self, path: str) -> None:
        """Write a consistent copy of everything to a new file, while others go on working.

        The copy is a SQLite state file, whatever the store. Raises StoreNotWritable, also when the file exists.
        """
        ...

    def verify(self) -> list[str]:
        """Say what is wrong with the stored data; an empty list when nothing is."""
        ...

    def close(self) -> None:
        """Let go of every connection and file."""
        ...
