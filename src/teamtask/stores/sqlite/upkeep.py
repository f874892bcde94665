"""What a state file needs besides reading and writing: `compact`, `backup`, `verify`."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from teamtask.stores.checks import UPLOAD_SECONDS_MAX
from teamtask.stores.sqlite import state_file
from teamtask.stores.sqlite.failures import SQL_ERRORS, translated
from teamtask.stores.sqlite.machine import process_is_dead
from teamtask.stores.sqlite.new_file import new_file
from teamtask.stores.sqlite.sql_files import QUERIES
from teamtask.stores.store import StoreDamaged
from teamtask.stores.verifying import FINDINGS_MAX, verify_contents
from teamtask.stores.verifying_rows import verify_rows

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from teamtask.stores.sqlite.database import Database
    from teamtask.stores.sqlite.reader import SqliteReader
    from teamtask.stores.store import Clock

# What one transaction removes: others wait no longer than that for the lock.
_ROWS = 500
_CHUNKS = 64
_PAGES = 1_000


def compact(database: Database, now: Clock) -> None:
    """See Store.compact. In many short transactions: whoever works meanwhile waits for one of them at most."""
    _disown_abandoned(database, now)
    for upload in _numbers(database, "dead_uploads"):
        _remove(database, "delete_some_chunks", upload, _CHUNKS)
        _change(database, "delete_upload", upload)
    for no in _numbers(database, "deleted_lists"):
        _remove(database, "delete_some_events", no, _ROWS)
        _remove(database, "delete_some_results", no, _ROWS)
        _remove(database, "delete_some_marks", no, _ROWS)
        _change(database, "delete_snapshot", no)
        _change(database, "forget_deleted", no)
    _give_space_back(database)


def _disown_abandoned(database: Database, now: Clock) -> None:
    with _reading(database) as connection:
        uploads = connection.execute(QUERIES["unattached_uploads"]).fetchall()
    for no, touched_at, epoch, process in uploads:
        restarted = epoch != now.epoch
        if restarted or now.now - touched_at > UPLOAD_SECONDS_MAX or process_is_dead(process):
            _change(database, "disown_upload", no, touched_at, epoch)


def _numbers(database: Database, query: str) -> list[int]:
    with _reading(database) as connection:
        return [no for (no,) in connection.execute(QUERIES[query]).fetchall()]


def _remove(database: Database, query: str, no: int, at_once: int) -> None:
    while _change(database, query, no, at_once) == at_once:
        pass


def _change(database: Database, query: str, *values: object) -> int:
    with _writing(database) as connection:
        return connection.execute(QUERIES[query], values).rowcount


def _give_space_back(database: Database) -> None:
    before, free = -1, 0
    while free != before:  # none left, or (in a file that another tool copied) none that can be given back
        before = free
        with _writing(database) as connection:
            for _page in range(_PAGES):  # one at a time: Python's module takes one step of this statement only
                connection.execute("PRAGMA incremental_vacuum(1)")
            (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    database.checkpoint()  # only then the file becomes shorter


def backup(database: Database, path: str) -> None:
    """See Store.backup. SQLite's backup interface copies in one read transaction, which holds up no writer."""
    with new_file(path) as unfinished, _reading(database) as source:
        try:
            # Nobody else knows this file: it needs no locks, and may lie on a network file system.
            with closing(state_file.connect(f"file:{quote(unfinished)}?mode=rw&nolock=1")) as copy:
                copy.execute("PRAGMA journal_mode = OFF").fetchall()
                source.backup(copy)
        except SQL_ERRORS as error:
            raise translated(error, path) from error


def verify(reader: SqliteReader) -> list[str]:
    """See Store.verify: SQLite's own check, ours of every store, and what only this store can get wrong."""
    findings: list[str] = []
    for check in (_integrity, verify_contents, _rows):
        try:
            findings += check(reader)
        except StoreDamaged as damage:
            findings.append(damage.message)
        if len(findings) >= FINDINGS_MAX:
            break
    return findings[:FINDINGS_MAX]


def _integrity(reader: SqliteReader) -> list[str]:
    rows = reader.select(f"PRAGMA integrity_check({FINDINGS_MAX})")
    return [text for (text,) in rows if text != "ok"]


def _rows(reader: SqliteReader) -> list[str]:
    return verify_rows(lambda name, *values: reader.each(QUERIES[name], *values))


@contextmanager
def _reading(database: Database) -> Iterator[sqlite3.Connection]:
    try:
        connection = database.take_reader()
        try:
            yield connection
        finally:
            database.give_back(connection)
    except SQL_ERRORS as error:
        raise database.failed(error) from error


@contextmanager
def _writing(database: Database) -> Iterator[sqlite3.Connection]:
    connection = database.begin_writing()
    broken = True
    try:
        yield connection
        connection.execute("COMMIT")
        broken = False
    except SQL_ERRORS as error:
        raise database.failed(error) from error
    finally:
        database.end_writing(broken=broken)
