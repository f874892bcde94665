"""What verify finds in a database that somebody has changed by hand."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest

from teamtask.ledger.ids import ListId, UploadId
from teamtask.stores.postgres.postgres_store import PostgresStore
from teamtask.stores.store import ListRecord, ResultRow

LIST = ListId("a")
DAMAGES = {
    "a journal row is missing": ("DELETE FROM journal WHERE version = 1", "version 0 is followed by version 2"),
    "a row belongs to no list": ("INSERT INTO snapshots VALUES (0, 1, '')", "snapshots belong to number 0"),
    "an old event is left": ("INSERT INTO snapshots SELECT no, 0, '' FROM lists", "in its journal and in its snapshot"),
    "a key is none": ("UPDATE results SET index_key = 'x'", "is no index key"),
    "a row is too wide": ("UPDATE lists SET widest_bits = 0", "fewer were expected"),
    "a chunk is damaged": ("UPDATE line_chunks SET lines = 'x'", "a chunk of lines has an unknown form"),
    "a chunk is missing": ("DELETE FROM line_chunks", "instead of 2"),
    "a count is wrong": ("UPDATE results SET failed = 9", "9 failed"),
    "a document has no key": (
        "INSERT INTO documents (kind, key, put_at, value) VALUES ('k', '', 0, '')",
        "one character",
    ),
}


@pytest.mark.parametrize(("damage", "told"), DAMAGES.values(), ids=DAMAGES)
def test_verify_tells_what_is_wrong(postgres_url: str, damage: str, told: str) -> None:
    with closing(PostgresStore(postgres_url)) as store:
        with store.write() as writer:
            writer.create_list(ListRecord(LIST, "a", b"", 0.0))
            for version in range(3):
                writer.append(LIST, version, b"e")
            writer.put_results(LIST, [ResultRow(0, 5, 1, 1, 0, "w", b"p")])
            writer.put_lines(UploadId("u"), 0, [b"a", b"b"])
            writer.attach_lines(LIST, UploadId("u"), 0)
        assert store.verify() == []
        with psycopg.connect(postgres_url, options="-csearch_path=teamtask") as connection:
            connection.execute(damage.encode())
        assert any(told in finding for finding in store.verify())
