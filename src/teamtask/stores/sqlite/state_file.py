"""The file that a SQLite store lies in: made for one's own eyes only, recognised, refused when it is something else."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from teamtask.stores.sqlite.failures import damaged, not_writable, of_system
from teamtask.stores.sqlite.file_system import network_file_system
from teamtask.stores.sqlite.sql_files import migration_statements, schema_statements
from teamtask.stores.store import StoreNotWritable, StoreTooNew

if TYPE_CHECKING:
    from collections.abc import Iterator

APPLICATION_ID = int.from_bytes(b"TmTk", "big")
SCHEMA_VERSION = 2
_MODE = 0o600
# What each version added.
_TABLES = {
    1: ("lists", "deleted_lists", "journal", "snapshots", "results", "withdrawn", "uploads", "line_chunks"),
    2: ("documents", "audit"),
}

# POSIX locks belong to a process and a file: closing any descriptor of the file drops those of all connections to it.
# So nothing here ever opens an existing state file, and none is connected to while a new one is being made.
_opening = Lock()


def _renew_lock() -> None:
    global _opening  # noqa: PLW0603 - a lock held by a thread that the fork left behind would never be released
    _opening = Lock()


os.register_at_fork(after_in_child=_renew_lock)


def connect(uri: str) -> sqlite3.Connection:
    """Connect to the file, for the use of one thread at a time, without transactions that start by themselves."""
    with _opening:
        return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=256)


def create(path: str) -> None:
    """Make an empty file that only its user can read and write. Raises FileExistsError, OSError."""
    with _opening:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _MODE))


def make_sure_of(path: str) -> None:
    """Make the file unless there is one; refuse a place where no state file can be."""
    file = Path(path)
    if "\0" in path:
        raise not_writable(path.replace("\0", "\\0"), "its name contains a NUL character")
    try:
        folder_is_there = file.parent.is_dir()
    except OSError as error:
        raise of_system(error, path) from error
    if not folder_is_there:
        raise not_writable(path, f"there is no folder {file.parent}", "Make the folder, or name another file.")
    if kind := network_file_system(path):
        raise not_writable(
            path,
            f"it would lie on a network file system ({kind}), where locks do not hold between machines",
            "Name a file on a disk of this machine with `--state`, or use `teamtask serve` to share a list.",
        )
    try:
        create(path)
    except FileExistsError:
        _check_existing(file)
    except OSError as error:
        raise of_system(error, path) from error
    else:
        sync_folder(path)


def _check_existing(file: Path) -> None:
    path = str(file)
    try:
        found = file.stat()
    except FileNotFoundError as error:
        raise not_writable(path, "it is a link that leads nowhere") from error
    except OSError as error:
        raise of_system(error, path) from error
    if not stat.S_ISREG(found.st_mode):
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "no ordinary file"
        raise not_writable(path, f"it is {what}", "Name another file with `--state`.")
    if not os.access(path, os.R_OK | os.W_OK):
        raise not_writable(path, "it is read-only or belongs to another user")
    if not os.access(file.resolve().parent, os.W_OK | os.X_OK):
        raise not_writable(path, "its folder is read-only")
    if found.st_size == 1:
        raise damaged(path, "is no database")  # SQLite takes a single byte for an empty file
    # Looked at again, after the log: a file that another process is just making gets its first page before its log.
    if found.st_size == 0 and wal_bytes(path) > 0 and file.stat().st_size == 0:
        raise damaged(path, "is empty, although it was not when it was last written")


def sync_folder(path: str) -> None:
    """Make the name of a new file survive a loss of power."""
    with suppress(OSError):  # some file systems cannot; then the name is as safe as they make it
        folder = os.open(Path(path).parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def identity(path: str) -> tuple[int, int] | None:
    """Return what tells this file from another of the same name; None when there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - at every commit: Path.stat takes twice the time
    except OSError:
        return None
    return found.st_dev, found.st_ino


def wal_bytes(path: str) -> int:
    """Return the length of the write-ahead log beside the file, 0 when there is none."""
    try:
        return Path(path).resolve().with_name(Path(path).resolve().name + "-wal").stat().st_size
    except OSError:
        return 0


def prepare(connection: sqlite3.Connection, path: str, busy_seconds: float) -> None:
    """Recognise the state file, make one of an empty file, or bring an older one up to date.

    Whoever comes second finds it done; when it is cut short, nothing is.

    Raises StoreDamaged, StoreTooNew, and what SQLite raises.
    """
    connection.execute("BEGIN")
    version = _version(connection, path)
    connection.execute("COMMIT")
    if version == 0:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only before the first page is written
    _set_wal_mode(connection, path, busy_seconds)
    if version == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _missing(_version(connection, path)):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _missing(version: int) -> Iterator[str]:
    """Give what leads from a version, or from an empty file (0), to ours."""
    if version == 0:
        yield from schema_statements()
    else:
        for number in range(version + 1, SCHEMA_VERSION + 1):
            yield from migration_statements(number)


def _version(connection: sqlite3.Connection, path: str) -> int:
    """Give the version of the state file; 0 when it is still empty. Refuses every other file."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if application == 0 and version == 0 and not tables:
        return 0
    if application != APPLICATION_ID:
        raise damaged(path, "is a database of another application")
    if version > SCHEMA_VERSION:
        message = f"The state file {path} was written by a newer version of Teamtask (schema {version})."
        raise StoreTooNew(message, path=path)
    if version < 1 or not all(tables.issuperset(_TABLES[number]) for number in range(1, version + 1)):
        raise damaged(path, "is damaged (parts of it are missing)")
    return version


def _set_wal_mode(connection: sqlite3.Connection, path: str, busy_seconds: float) -> None:
    # SQLite does not wait here for others who do the same.
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
            continue
        if mode == "wal":
            return
        if mode != "delete" or time.monotonic() > deadline:
            raise StoreNotWritable(
                f"The state file {path} lies where SQLite's write-ahead log does not work.", path=path
            )
        time.sleep(0.005)
