"""`move`: everything of one store into another, compared on arrival; `check_moved`: that no move was left half-done."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

from teamtask.ledger.errors import InvalidField, TeamtaskError
from teamtask.stores.copying import audit_trail, copy_list
from teamtask.stores.memory import MemoryStore
from teamtask.stores.store import ListGone, NameTaken, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from teamtask.stores.store import AuditEntry, Document, ListRecord, Reader, Store

_KIND: Final = "move"
_KEY: Final = "unfinished"  # of the document that stands in the target while lists arrive; with one for each by its id
_EVERY_LINE: Final = 1 << 62


class MoveUnfinished(TeamtaskError):
    """What is in this store is a part of what was to be moved there."""

    code = "move_unfinished"
    hint = "Give the same `teamtask move` again: it begins anew. The store that it moves from has all of it still."


class TargetNotEmpty(TeamtaskError):
    """There are lists, tokens or other things in the store that something was to be moved to."""

    code = "target_not_empty"
    hint = "Name a new file, or an empty database."


class NotArrived(TeamtaskError):
    """What is in the target is not what is in the source."""

    code = "not_arrived"
    hint = "Stop every server of the source, and of the target, then give the same command again: it begins anew."


class Moved(NamedTuple):
    """What was moved."""

    lists: int
    documents: int
    audit_entries: int


class _Restorer(Writer, Protocol):
    """What the writers of stores that last can do besides."""

    def restore_documents(self, documents: Iterable[Document]) -> None: ...

    def restore_audit(self, entries: Iterable[AuditEntry]) -> None: ...


def check_moved(store: Store) -> None:
    """See that the store holds no half of a move. Raises MoveUnfinished."""
    with store.read() as reader:
        begun = reader.document(_KIND, _KEY)
    if begun is not None:
        raise MoveUnfinished(f"A move from {begun.decode().split(' (')[0]} into {store.url} was not finished.")


def move(source: Store, target: Store, tell: Callable[[str], None]) -> Moved:
    """Copy everything into an empty store, then compare the two; `tell` hears the name of each list.

    The source stays as it is. What an earlier move has left in the target is removed first. Unfinished uploads stay
    behind. Raises InvalidField for a target that does not last, TargetNotEmpty, NotArrived, and what stores raise.
    """
    if isinstance(target, MemoryStore):
        raise InvalidField("What is moved to memory is gone at once.", field="target")
    check_moved(source)
    mark = f"{source.url} ({secrets.token_hex(8)})".encode()
    with source.read() as reader:
        with target.write() as writer:
            if not _is_left_by_a_move(reader, writer):
                raise TargetNotEmpty(f"There is something in {target.url} already.")
            writer.put_document(_KIND, _KEY, mark)
        _empty(target)
        for record in reader.lists():
            tell(record.name)
            try:
                with target.write() as writer:
                    _check_mark(writer, mark)
                    writer.put_document(_KIND, record.id, b"")
                    copy_list(reader, writer, record)
            except NameTaken as error:  # by a move that was at it before ours put its mark
                raise _other_move() from error
        with target.write() as writer:
            _check_mark(writer, mark)
            restorer = cast("_Restorer", writer)
            restorer.restore_documents(reader.every_document())
            restorer.restore_audit(audit_trail(reader))
    moved = _compared(source, target)
    with target.write() as writer:
        _check_mark(writer, mark)
        for key, _value in writer.documents(_KIND):
            writer.delete_document(_KIND, key)
    return moved


def _is_left_by_a_move(source: Reader, target: Reader) -> bool:
    """Tell whether everything in the target came there by a move from the source; so also when there is nothing."""
    moved = {key for key, _value in target.documents(_KIND)}
    if not moved:
        return not (target.lists(limit=1) or target.audit(None, 1) or next(_documents(target), None))
    if not all(record.id in moved for record in target.lists()):
        return False
    if not all(source.document(one.kind, one.key) is not None for one in _documents(target)):
        return False
    last = source.audit(None, 1)
    entries = target.audit(None, 1)
    return not entries or (bool(last) and entries[0].no <= last[0].no)


def _check_mark(target: Reader, mark: bytes) -> None:
    if target.document(_KIND, _KEY) != mark:
        raise _other_move()


def _other_move() -> NotArrived:
    return NotArrived(
        "Somebody else moves something to the same store.",
        hint="Wait until that is over, then give the same command again.",
    )


def _documents(reader: Reader) -> Iterator[Document]:
    return (one for one in reader.every_document() if one.kind != _KIND)


def _empty(target: Store) -> None:
    """Remove what an earlier move has left."""
    with target.read() as reader:
        ids = [record.id for record in reader.lists()]
        others = [(one.kind, one.key) for one in _documents(reader)]
        others += [(_KIND, key) for key, _value in reader.documents(_KIND) if key != _KEY]
    for list_id in ids:
        with target.write([list_id]) as writer:
            writer.delete_list(list_id)
    with target.write() as writer:
        for kind, key in others:
            writer.delete_document(kind, key)
        while writer.forget_audit(float("inf"), 10_000):
            pass
    target.compact()


def _compared(source: Store, target: Store) -> Moved:
    """Count what has arrived. Raises NotArrived for what has not, or has changed in the source since."""
    with source.read() as here, target.read() as there:
        records = here.lists()
        if [record.name for record in records] != [record.name for record in there.lists()]:
            raise NotArrived("The source's lists are others now than those that were moved.")
        for record in records:
            if _digest_of_list(here, record) != _digest_of_list(there, record):
                raise NotArrived(f"The list {record.name} is not in the target what it is in the source.")
        sums = [
            _digest(map(repr, _documents(here))) == _digest(map(repr, _documents(there))),
            _digest(map(repr, audit_trail(here))) == _digest(map(repr, audit_trail(there))),
        ]
        if not all(sums):
            raise NotArrived("Tokens, other documents or the audit trail are not in the target what they are here.")
        return Moved(len(records), sum(1 for _ in _documents(there)), sum(1 for _ in audit_trail(there)))


def _digest_of_list(reader: Reader, record: ListRecord) -> bytes:
    def parts() -> Iterator[str]:
        yield repr(reader.list_by_id(record.id))
        yield repr(reader.journal(record.id, -1))
        yield from map(repr, reader.results(record.id))
        yield repr(sorted(reader.withdrawn(record.id)))
        yield from map(repr, reader.lines(record.id, 0, _EVERY_LINE))

    try:
        return _digest(parts())
    except ListGone:
        return b""


def _digest(parts: Iterable[str]) -> bytes:
    digest = hashlib.blake2b(digest_size=32)
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass"))
        digest.update(b"\0")
    return digest.digest()
