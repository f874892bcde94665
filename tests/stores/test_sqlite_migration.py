"""A state file of an older version becomes one like any new file, all at once or not at all, and loses nothing."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from teamtask.ledger.ids import ListId, UploadId
from teamtask.stores.sqlite.sql_files import migration_statements
from teamtask.stores.sqlite.sqlite_store import SqliteStore
from teamtask.stores.sqlite.state_file import SCHEMA_VERSION
from teamtask.stores.store import ListRecord, ResultRow, StoreDamaged, StoreUnavailable, Withdrawn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEPT = ListId("kept")


def rows_in(path: Path) -> dict[str, list[Any]]:
    """Every row of every table, by table."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables}  # noqa: S608 - our own


def schema_of(path: Path) -> list[Any]:
    """All that tells the schema of one file from another's, in the order in which it was made."""
    with closing(sqlite3.connect(path)) as connection:
        settings = [
            connection.execute(f"PRAGMA {name}").fetchone()
            for name in ("user_version", "application_id", "auto_vacuum", "journal_mode")
        ]
        return settings + connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()


def fill(path: Path) -> None:
    """Make a state file of our version with some of everything that version 1 has."""
    with closing(SqliteStore(str(path))) as store:
        for list_id in (ListId("gone"), KEPT):
            with store.write() as writer:
                writer.create_list(ListRecord(list_id, str(list_id), b"{}", 1.5))
                for version in range(50):
                    writer.append(list_id, version, b"e" * 100)
                writer.put_snapshot(list_id, 20, b"s" * 10_000)
                rows = [ResultRow(seq, 10**39 + seq * 10, 10, 1, 0, "w", b"p" * 700) for seq in range(100)]
                writer.put_results(list_id, rows)
                writer.withdraw_results(list_id, [Withdrawn(10**39, 7, 3)])
                writer.put_lines(UploadId(str(list_id)), 0, [b"%d" % line for line in range(20_000)])
                writer.attach_lines(list_id, UploadId(str(list_id)), 0)
        with store.write([ListId("gone")]) as writer:
            writer.delete_list(ListId("gone"))
            writer.put_lines(UploadId("unfinished"), 0, [b"a"])


@pytest.fixture
def old(tmp_path: Path, make_version_1: Callable[[Path], None]) -> Path:
    """A state file of version 1 with some of everything."""
    new, old = tmp_path / "new", tmp_path / "old"
    fill(new)
    make_version_1(old)
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("ATTACH ? AS new", (str(new),))
        with connection:
            for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                connection.execute(f"DELETE FROM main.{table}")  # noqa: S608 - our own; SQLite fills sqlite_sequence
                connection.execute(f"INSERT INTO main.{table} SELECT * FROM new.{table}")  # noqa: S608 - our own
    assert min(map(len, rows_in(old).values())) > 0
    return old


def test_a_migrated_file_is_like_a_new_one_and_keeps_its_rows(tmp_path: Path, old: Path) -> None:
    before = rows_in(old)
    with closing(SqliteStore(str(old))) as store:
        assert store.verify() == []
    SqliteStore(str(tmp_path / "fresh")).close()
    assert schema_of(old) == schema_of(tmp_path / "fresh")
    after = rows_in(old)
    assert {table: after[table] for table in before} == before
    assert {table: rows for table, rows in after.items() if table not in before} == {"documents": [], "audit": []}


def test_one_goes_on_with_a_migrated_file(tmp_path: Path, old: Path) -> None:
    for document in (None, b"value"):
        with closing(SqliteStore(str(old))) as store, store.write([KEPT]) as writer:
            assert writer.document("kind", "key") == document
            assert len(list(writer.lines(KEPT, 0, 1 << 62))) == 20_000
            writer.append(KEPT, 50 if document is None else 51, b"new")
            writer.put_document("kind", "key", b"value")
            writer.add_audit(1.0, b"entry")
    with closing(SqliteStore(str(old))) as store:
        store.compact()
        store.backup(str(tmp_path / "copy"))
    with closing(SqliteStore(str(tmp_path / "copy"))) as copy, copy.read() as reader:
        assert copy.verify() == []
        assert [version for version, _events in reader.journal(KEPT, -1).rows] == list(range(21, 52))
        assert [entry.no for entry in reader.audit(None, 9)] == [2, 1]


CUT_SHORT = """
import os, signal, sys
from teamtask.stores.sqlite import state_file
from teamtask.stores.sqlite.sqlite_store import SqliteStore

whole = state_file.migration_statements

def cut_short(version):
    yield from whole(version)[: int(sys.argv[2])]
    os.kill(os.getpid(), signal.SIGKILL)

state_file.migration_statements = cut_short
SqliteStore(sys.argv[1])
"""


@pytest.mark.parametrize("carried_out", range(len(migration_statements(2)) + 1))
def test_a_migration_that_is_killed_leaves_the_old_file(tmp_path: Path, old: Path, carried_out: int) -> None:
    schema, rows = schema_of(old), rows_in(old)
    killed = subprocess.run([sys.executable, "-c", CUT_SHORT, str(old), str(carried_out)], check=False)
    assert killed.returncode == -signal.SIGKILL
    for suffix in ("", "-wal"):  # looked at in a copy, so that nobody but Teamtask mends the file
        shutil.copyfile(f"{old}{suffix}", tmp_path / f"looked at{suffix}")
    assert schema_of(tmp_path / "looked at") == schema
    assert rows_in(tmp_path / "looked at") == rows
    with closing(SqliteStore(str(old))) as store:
        assert store.verify() == []
        with store.read() as reader:
            assert [found.name for found in reader.lists()] == ["kept"]
    assert schema_of(old)[0] == (SCHEMA_VERSION,)


def test_whoever_reads_an_old_file_meanwhile_reads_on_and_whoever_writes_is_waited_for(old: Path) -> None:
    with closing(sqlite3.connect(old, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            SqliteStore(str(old), busy_seconds=0.05)
        other.execute("COMMIT")
        assert other.execute("PRAGMA user_version").fetchone() == (1,)
        other.execute("BEGIN")
        (before,) = other.execute("SELECT count(*) FROM results").fetchone()
        SqliteStore(str(old)).close()
        assert other.execute("PRAGMA user_version").fetchone() == (1,)
        assert other.execute("SELECT count(*) FROM results").fetchone() == (before,)
        other.execute("COMMIT")
        assert other.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


def test_an_old_file_without_one_of_its_tables_is_refused_and_left_alone(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("DROP TABLE snapshots")
    content = old.read_bytes()
    with pytest.raises(StoreDamaged, match="parts of it are missing"):
        SqliteStore(str(old))
    assert old.read_bytes() == content
