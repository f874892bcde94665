"""`list_source`: the items of a list that a store keeps; `keep_lines`: and how lines come there."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

from teamtask.ledger.ids import UploadId
from teamtask.sources import LinesFingerprint, source_from_definition
from teamtask.stores.store import StoreDamaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from teamtask.ledger.ids import ListId
    from teamtask.service.definition import Definition
    from teamtask.sources import Source
    from teamtask.stores.store import Store

    ReadLines = Callable[[int, int], Iterator[bytes]]

_PAGE_BYTES = 1 << 20


class Upload(NamedTuple):
    """Lines that the store holds and no list has yet."""

    id: UploadId
    size: int
    fingerprint: str


def keep_lines(store: Store, batches: Iterable[list[bytes]]) -> Upload:
    """Keep lines, each batch (a megabyte, say) in a transaction of its own."""
    upload, fingerprint = new_upload(), LinesFingerprint()
    for batch in batches:
        with store.write() as writer:
            writer.put_lines(upload, fingerprint.count, batch)
        fingerprint.update(batch)
    return Upload(upload, fingerprint.count, fingerprint.fingerprint)


def new_upload() -> UploadId:
    """Give an id that no upload has had."""
    return UploadId(secrets.token_hex(8))


def grown_definition(definition: Definition, size: int) -> dict[str, Any]:
    """Give the source of a list as the API spells it, as long as the list is now: lines or a range may have grown."""
    source = dict(definition.source)
    if source["kind"] == "lines":
        source["count"] = size
    elif source["kind"] == "range" and "shuffle" not in source:
        source["stop"] = int(source.get("start") or 0) + size * int(source.get("step") or 1)
    return source


def list_source(store: Store, list_id: ListId, definition: Definition, size: int) -> Source[Any]:
    """Give the items of a list that has `size` of them, the first one at 0, wherever the list itself begins."""
    return source_from_definition(grown_definition(definition, size), line_reader(store, list_id))


def line_reader(store: Store, list_id: ListId) -> ReadLines:
    """Give a reader of lines that holds no transaction open between two reads, and about a megabyte in memory."""

    def read(index: int, size: int) -> Iterator[bytes]:
        count = min(size, 16)
        while size > 0:
            with store.read() as reader:
                lines = list(reader.lines(list_id, index, min(count, size)))
            if not lines:
                raise StoreDamaged(f"The line of index {index} is missing.", hint="teamtask verify tells more.")
            yield from lines
            index += len(lines)
            size -= len(lines)
            mean = sum(map(len, lines)) // len(lines) + 1
            count = max(1, min(4 * count, _PAGE_BYTES // mean))

    return read
