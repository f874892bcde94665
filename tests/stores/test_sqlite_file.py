"""The state file: made for one's own eyes, recognised, and refused with a way out when it is something else."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from teamtask.ledger.ids import ListId, UploadId
from teamtask.stores.sqlite.database import Database
from teamtask.stores.sqlite.sqlite_store import SqliteStore
from teamtask.stores.sqlite.state_file import SCHEMA_VERSION
from teamtask.stores.store import (
    ListGone,
    ListRecord,
    ResultRow,
    StaleVersion,
    StoreDamaged,
    StoreNotWritable,
    StoreTooNew,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = 4_096
BTREE_PAGES = {2, 5, 10, 13}  # the first byte of a page of a table or an index (sqlite.org/fileformat2.html)


def fill(path: Path, names: str = "ab") -> None:
    """Make a state file with some of everything."""
    with closing(SqliteStore(str(path))) as store:
        for name in names:
            list_id = ListId(name)
            with store.write() as writer:
                writer.create_list(ListRecord(list_id, name, b"{}" * 3_000, 0.0))
                for version in range(200):
                    writer.append(list_id, version, b"e" * 100)
                rows = [ResultRow(seq, seq * 10, 10, 1, 0, "w", bytes([seq % 256]) * 700) for seq in range(100)]
                writer.put_results(list_id, rows)
                writer.put_lines(UploadId(name), 0, [b"%d" % line for line in range(20_000)])
                writer.attach_lines(list_id, UploadId(name), 0)
                writer.put_snapshot(list_id, 20, b"s" * 10_000)
        with store.write() as writer:
            for number in range(50):
                writer.put_document("kind", f"key {number}", b"v" * 200)
                writer.add_audit(number, b"e" * 200)


def use(path: Path) -> list[str]:
    """Open the file, check it, read all, write; return what was found wrong, on the way or by verify."""
    wrong: list[str] = []
    try:
        with closing(SqliteStore(str(path))) as store:
            wrong += store.verify()
            with store.read() as reader:
                for record in reader.lists():
                    reader.journal(record.id, -1)
                    for rows in (reader.results(record.id), reader.results_since(record.id, 0)):
                        list(rows)
                    list(reader.lines(record.id, 0, 10**9))
                list(reader.every_document())
                reader.documents("kind")
                reader.audit(None, 1_000)
            with store.write([ListId("a"), ListId("b")]) as writer:
                version = len(writer.journal(ListId("a"), 20).rows) + 21
                writer.append(ListId("a"), version, b"new")
    except StoreDamaged as damage:
        wrong.append(f"{damage.message} {damage.hint}")
        complete = all(word in wrong[-1] for word in (str(path), "--fresh", "--state", "teamtask rm"))
    else:
        complete = True
    assert complete, wrong
    return wrong


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("filled") / "state"
    fill(path)
    yield path
    assert use(path) == []  # no test has touched the original


@pytest.fixture
def copy(filled: Path, tmp_path: Path) -> Path:
    return shutil.copyfile(filled, tmp_path / "state")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_only_its_user_can_read_it(tmp_path: Path, umask: int) -> None:
    old = os.umask(umask & 0o077)
    try:
        path = tmp_path / "state"
        with closing(SqliteStore(str(path))) as store, store.write(), store.read():
            assert [stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()] == [0o600] * 3
    finally:
        os.umask(old)


@pytest.mark.parametrize("name", ["a b", "%41", "a?b=c#d", "it's", "päth", "new\nline", ":memory:", "file:x", "-", "*"])
def test_any_file_name_will_do(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fill_path = tmp_path / name
    with closing(SqliteStore(name)) as store:
        monkeypatch.chdir("/")
        with store.write() as writer:
            writer.create_list(ListRecord(ListId("a"), "a", b"", 0.0))
        assert store.path == str(fill_path)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    with closing(SqliteStore(str(fill_path))) as store, store.read() as reader:
        assert len(reader.lists()) == 1


def test_a_file_name_that_is_no_utf8_will_do(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe")
    for _ in range(2):
        with closing(SqliteStore(path)) as store, store.write():
            pass


def test_a_link_to_a_state_file_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    fill(tmp_path / "elsewhere" / "state")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "state")
    with (
        closing(SqliteStore(str(tmp_path / "link"))) as one,
        closing(SqliteStore(str(tmp_path / "elsewhere/state"))) as two,
    ):
        with one.write() as writer:
            writer.create_list(ListRecord(ListId("c"), "c", b"", 0.0))
        with two.read() as reader:
            assert reader.list_named("c")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["elsewhere", "link"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(min_size=1, max_size=5_000))
@example(b"SQLite format 3\0" + bytes(84))
@example(b"SQLite format 3\0" + b"\xff" * 5_000)
@example(b"\n" * 100_000)
@example(bytes(PAGE))
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state"
    path.write_bytes(content)
    assert use(path)
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


def test_the_database_of_another_application_is_refused_and_left_alone(tmp_path: Path) -> None:
    for number, statement in enumerate(("PRAGMA application_id = 7", "CREATE TABLE t (a)", "PRAGMA user_version = 1")):
        path = tmp_path / str(number)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(statement)
        content = path.read_bytes()
        with pytest.raises(StoreDamaged, match="another application"):
            SqliteStore(str(path))
        assert path.read_bytes() == content


def test_a_newer_version_is_refused_and_left_alone(copy: Path) -> None:
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    content = copy.read_bytes()
    with pytest.raises(StoreTooNew, match="newer version") as refusal:
        SqliteStore(str(copy))
    assert "Install" in str(refusal.value.hint)
    assert copy.read_bytes() == content


def test_a_state_file_without_one_of_its_tables_is_refused(copy: Path) -> None:
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("DROP TABLE snapshots")
    assert use(copy)


@pytest.mark.parametrize("length", [1, 15, 99, 100, 511, 4_095, 4_096, 8_192, 40_960, 50_000, -PAGE])
def test_a_truncated_file_is_noticed(copy: Path, length: int) -> None:
    os.truncate(copy, length if length > 0 else copy.stat().st_size + length)
    assert use(copy)


def test_an_emptied_file_beside_a_full_log_is_refused(tmp_path: Path, copy: Path) -> None:
    with closing(SqliteStore(str(copy))) as store, store.write() as writer:
        writer.create_list(ListRecord(ListId("c"), "c", b"", 0.0))
    (tmp_path / "state-wal").write_bytes(b"x" * PAGE)
    os.truncate(copy, 0)
    assert use(copy)


def test_every_zeroed_page_of_a_table_or_index_is_noticed(filled: Path, tmp_path: Path) -> None:
    content = filled.read_bytes()
    path = tmp_path / "state"
    zeroed = 0
    for start in range(0, len(content), PAGE):
        path.write_bytes(content[:start] + bytes(PAGE) + content[start + PAGE :])
        wrong = use(path)  # whatever it is, it is no traceback
        if start == 0 or content[start] in BTREE_PAGES:
            zeroed += 1
            assert wrong, f"page {start // PAGE + 1}"
        for file in tmp_path.iterdir():
            file.unlink()
    assert zeroed > 20


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(where=st.integers(0), junk=st.binary(min_size=1, max_size=60))
@example(where=18, junk=b"\x03")  # the format's version for writers
@example(where=60, junk=b"\0\0\0\x01")  # user_version: an older one than the file's
def test_whatever_bytes_are_overwritten_only_our_errors_come(
    filled: Path, tmp_path: Path, where: int, junk: bytes
) -> None:
    path = tmp_path / "state"
    content = bytearray(filled.read_bytes())
    where %= len(content)
    content[where : where + len(junk)] = junk
    path.write_bytes(content)
    # Its version, or the list's, may have been overwritten, or that of SQLite's format, which then only reads it.
    with suppress(StoreTooNew, ListGone, StaleVersion, StoreNotWritable):
        use(path)
    for file in tmp_path.iterdir():
        file.unlink()


def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").write_bytes(b"")
    os.mkfifo(tmp_path / "fifo")
    before = sorted(tmp_path.rglob("*"))
    for name, words in (
        ("folder", "a folder"),
        ("missing/state", "no folder"),
        ("file/state", "no folder"),
        ("dangling", "leads nowhere"),
        ("fifo", "no ordinary file"),
        ("x" * 300, "name too long"),
        ("a\0b", "NUL"),
    ):
        with pytest.raises(StoreNotWritable, match=words) as refusal:
            SqliteStore(str(tmp_path / name))
        assert refusal.value.hint
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_removed_under_a_running_store_is_noticed_before_anything_is_lost(
    *, tmp_path: Path, filled: Path, replaced: bool
) -> None:
    path = tmp_path / "state"
    with closing(SqliteStore(str(path))) as store:
        with store.write() as writer:
            writer.create_list(ListRecord(ListId("z"), "z", b"", 0.0))
        path.rename(tmp_path / "old")
        if replaced:
            shutil.copyfile(filled, path)
        with pytest.raises(StoreDamaged, match="removed or replaced"), store.write():
            pass


def test_the_write_ahead_log_stays_short(tmp_path: Path) -> None:
    with closing(SqliteStore(str(tmp_path / "state"))) as store:
        for version in range(400):
            with store.write([ListId("a")]) as writer:
                if version == 0:
                    writer.create_list(ListRecord(ListId("a"), "a", b"", 0.0))
                writer.append(ListId("a"), version, b"x" * 100_000)
        assert (tmp_path / "state-wal").stat().st_size < 10 << 20
        assert (tmp_path / "state").stat().st_size > 30 << 20


def test_a_file_gives_the_space_of_a_deleted_list_back(tmp_path: Path) -> None:
    path = tmp_path / "state"
    fill(path, "a")
    small = path.stat().st_size
    fill(path, "bcdefgh")
    assert path.stat().st_size > 4 * small
    with closing(SqliteStore(str(path))) as store:
        with store.write([ListId(name) for name in "bcdefgh"]) as writer:
            for name in "bcdefgh":
                writer.delete_list(ListId(name))
        store.compact()
        assert path.stat().st_size < 1.2 * small
        assert store.verify() == []


def test_every_connection_syncs_at_each_commit_and_checkpoints_only_when_told(tmp_path: Path) -> None:
    with closing(SqliteStore(str(tmp_path / "state"))) as store, store.read() as reader, store.write() as writer:
        for view in (reader, writer):
            assert view.select("PRAGMA journal_mode") == [("wal",)]
            assert view.select("PRAGMA synchronous") == [(2,)]  # FULL
            assert view.select("PRAGMA fullfsync") == view.select("PRAGMA checkpoint_fullfsync") == [(1,)]
            assert view.select("PRAGMA wal_autocheckpoint") == [(0,)]


def test_nobody_can_commit_during_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """See database.py: in most versions of SQLite such a commit could be lost."""
    path = tmp_path / "state"
    attempts = []
    checkpoint = Database._checkpoint

    def tries_to_write_first(database: Database) -> None:
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
            attempts.append(True)
        checkpoint(database)

    monkeypatch.setattr(Database, "_checkpoint", tries_to_write_first)
    with closing(SqliteStore(str(path))) as store:
        for number in range(30):
            with store.write() as writer:
                writer.put_lines(UploadId(str(number)), 0, [bytes(1 << 20)])
        assert len(attempts) > 3
        store.compact()
        assert store.verify() == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM journal WHERE list_no = 1 AND version = 100", "followed by version 101"),
        ("UPDATE snapshots SET version = 30 WHERE list_no = 1", "in its journal and in its snapshot"),
        ("UPDATE snapshots SET version = 10 WHERE list_no = 1", "version 10 is followed by version 21"),
        ("DELETE FROM snapshots WHERE list_no = 1", "version -1 is followed by version 21"),
        ("UPDATE results SET count = 2 WHERE seq = 7", "share a seq"),
        ("UPDATE results SET count = 11 WHERE seq = 7", "11 results"),
        ("UPDATE results SET failed = 2 WHERE seq = 7", "2 failed"),
        ("UPDATE results SET count = 0 WHERE seq = 7", "0 results"),
        ("UPDATE results SET index_key = x'000200ff' WHERE seq = 7", "no index key"),
        ("UPDATE results SET end_key = x'0000' WHERE seq = 7", "span"),
        ("UPDATE lists SET widest_bits = 1", "fewer were expected"),
        ("UPDATE results SET worker = x'ff' WHERE seq = 7", "of the wrong kind"),
        ("UPDATE results SET worker = CAST(x'ff' AS TEXT) WHERE seq = 7", "decode"),
        ("INSERT INTO withdrawn VALUES (1, x'000101', x'000101', 3)", "withdraws nothing"),
        ("DELETE FROM line_chunks WHERE first_line = 0 AND upload_no = 1", "is missing"),
        ("UPDATE line_chunks SET count = count + 1 WHERE first_line = 0 AND upload_no = 1", "a chunk of"),
        ("UPDATE uploads SET size = size + 1 WHERE no = 1", "instead of 20001"),
        ("UPDATE uploads SET first_index = 5 WHERE no = 1", "begins at line 5"),
        ("INSERT INTO line_chunks VALUES (99, 1, 20000, 0, x'0a')", "0 lines at 20000"),
        ("INSERT INTO line_chunks VALUES (99, 77, 0, 1, x'0a')", "rows of line_chunks belong to number 77"),
        ("UPDATE documents SET key = '' WHERE no = 7", "one character"),
        ("UPDATE documents SET value = zeroblob(70000) WHERE no = 7", "70,000 bytes of document"),
        ("UPDATE documents SET value = 'text' WHERE no = 7", "of the wrong kind"),
        ("UPDATE audit SET entry = zeroblob(70000) WHERE no = 7", "entry 7 of the audit trail has 70,000 bytes"),
        ("UPDATE audit SET date = 9e999 WHERE no = 7", "the date inf"),
        ("UPDATE audit SET entry = 'text' WHERE no = 7", "of the wrong kind"),
        ("DELETE FROM lists WHERE no = 1", "rows of journal belong to number 1"),
    ],
)
def test_verify_says_what_is_wrong(copy: Path, statement: str, words: str) -> None:
    with closing(sqlite3.connect(copy)) as connection, connection:
        assert connection.execute(statement).rowcount >= 1
    with closing(SqliteStore(str(copy))) as store:
        findings = store.verify()
    assert any(words in finding for finding in findings), findings


def test_a_file_that_another_tool_rebuilt_is_compacted_as_far_as_it_can_be(copy: Path) -> None:
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        for statement in ("PRAGMA journal_mode = DELETE", "PRAGMA auto_vacuum = NONE", "VACUUM"):
            connection.execute(statement).fetchall()
    with closing(SqliteStore(str(copy))) as store:
        with store.write([ListId("a")]) as writer:
            writer.delete_list(ListId("a"))
        store.compact()
        assert store.verify() == []
        with store.read() as reader:
            assert [found.name for found in reader.lists()] == ["b"]
