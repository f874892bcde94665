"""What a database needs besides reading and writing: `compact`, `verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from teamtask.stores.checks import UPLOAD_SECONDS_MAX
from teamtask.stores.store import StoreDamaged
from teamtask.stores.verifying import FINDINGS_MAX, verify_contents
from teamtask.stores.verifying_rows import verify_rows

if TYPE_CHECKING:
    from teamtask.stores.postgres.postgres_store import PostgresStore
    from teamtask.stores.postgres.reader import PostgresReader

COMPACTION_LOCK: Final = int.from_bytes(b"TmTkComp", "big")  # of advisory locks
# What one transaction removes.
_ROWS = 500
_CHUNKS = 64


def compact(store: PostgresStore) -> None:
    """See Store.compact. In many short transactions: whoever works meanwhile waits for none of them."""
    with store.write() as writer:
        now = writer.clock()
        writer.change("renew_uploads", now.now, now.epoch)
        writer.change("disown_uploads", now.epoch, now.now - UPLOAD_SECONDS_MAX)
    with store.read() as reader:
        uploads = [no for (no,) in reader.select("dead_uploads")]
        lists = [no for (no,) in reader.select("deleted_lists")]
    for no in uploads:
        _remove(store, "delete_some_chunks", no, _CHUNKS)
        _change(store, "delete_upload", no)
    for no in lists:
        _remove(store, "delete_some_events", no, _ROWS)
        _remove(store, "delete_some_results", no, _ROWS)
        _remove(store, "delete_some_marks", no, _ROWS)
        _change(store, "delete_snapshot", no)
        _change(store, "forget_deleted", no)


def _remove(store: PostgresStore, query: str, no: int, at_once: int) -> None:
    while _change(store, query, no, at_once) == at_once:
        pass


def _change(store: PostgresStore, query: str, *values: object) -> int:
    with store.write() as writer:
        writer.select("keep_others_out", COMPACTION_LOCK)
        return writer.change(query, *values)


def verify(reader: PostgresReader) -> list[str]:
    """See Store.verify: ours of every store, and what only a store of tables can get wrong."""
    findings: list[str] = []
    for check in (verify_contents, _rows):
        try:
            findings += check(reader)
        except StoreDamaged as damage:
            findings.append(damage.message)
    return findings[:FINDINGS_MAX]


def _rows(reader: PostgresReader) -> list[str]:
    return verify_rows(reader.each)
