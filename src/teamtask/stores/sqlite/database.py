"""`Database`: the state file and the connections to it: one that writes, some that read.

Writers wait for one another here, first for this process's lock, then for the file's (BEGIN IMMEDIATE). Waiting for
the file is polling, as SQLite has no queue: a millisecond or so apart, since SQLite's own pauses of up to 100 ms would
let one process starve another.

Checkpoints are our own business too. In SQLite up to 3.51.2 a checkpoint that overlaps another process's commit can
lose committed pages (sqlite.org/wal.html, "The WAL-reset bug"); with SQLite's automatic checkpoints, which run after
the lock is given back, several processes on one file are just that case. So no connection checkpoints by itself: a
writer that holds the lock has a reading connection do it, and nobody commits meanwhile.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import quote

from teamtask.stores.checks import check_process
from teamtask.stores.sqlite import state_file
from teamtask.stores.sqlite.failures import SQL_ERRORS, damaged, translated
from teamtask.stores.store import StoreUnavailable

if TYPE_CHECKING:
    from teamtask.ledger.errors import TeamtaskError

CHECKPOINT_BYTES = 4 << 20  # written since the last checkpoint, roughly, as SQLite's own 1,000 pages
_COMMIT_BYTES = 20 << 10  # of the pages that a small commit changes
_WAL_BYTES_MAX = 64 << 20  # what a write-ahead log that a long reader let grow is cut down to
_READERS_KEPT = 8
_PAUSE_SECONDS = (0.0002, 0.003)  # between two attempts to get the file's lock: first, longest
_SETTINGS = (
    "PRAGMA synchronous = FULL",  # a commit is on the disk when it returns
    "PRAGMA fullfsync = ON",  # on macOS fsync alone does not reach the disk
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA wal_autocheckpoint = 0",
    f"PRAGMA journal_size_limit = {_WAL_BYTES_MAX}",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA secure_delete = FAST",
    "PRAGMA cell_size_check = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cache_size = -8000",  # KiB
)


class Database:
    """The state file at `path`, made if there is none; refuses what is no usable state file."""

    def __init__(self, path: str, busy_seconds: float) -> None:
        self.path = str(Path(path).absolute())
        self.busy_seconds = busy_seconds
        self._lock = Lock()
        self._process: int | None = os.getpid()  # None: closed
        self._readers: list[sqlite3.Connection] = []
        self._writer: sqlite3.Connection | None = None
        state_file.make_sure_of(self.path)
        try:
            connection = self._connect()
            try:
                state_file.prepare(connection, self.path, self.busy_seconds)
            except BaseException:
                connection.close()
                raise
        except SQL_ERRORS as error:
            raise translated(error, self.path) from error
        self._readers.append(connection)
        self._identity = state_file.identity(self.path)
        self._unchecked_bytes = state_file.wal_bytes(self.path)  # since the last checkpoint, roughly

    def failed(self, error: sqlite3.Error | UnicodeError) -> TeamtaskError:
        """Find our error for one of SQLite's."""
        return translated(error, self.path)

    def take_reader(self) -> sqlite3.Connection:
        """Give a connection that nobody else uses; it goes back with `give_back` or is closed."""
        check_process(self._process)
        try:
            return self._readers.pop()
        except IndexError:
            self._check_identity()
            return self._connect()

    def give_back(self, connection: sqlite3.Connection) -> None:
        """Take a reading connection back, in no transaction."""
        if len(self._readers) >= _READERS_KEPT:
            connection.close()
        else:
            self._readers.append(connection)
        if self._process is None:
            self._close_idle()

    def begin_writing(self) -> sqlite3.Connection:
        """Give the writing connection, in a transaction that holds the lock; `end_writing` must follow."""
        check_process(self._process)
        deadline = time.monotonic() + self.busy_seconds
        if not self._lock.acquire(timeout=self.busy_seconds):
            message = f"Another writer of this process held the state file for {self.busy_seconds:g} seconds."
            raise StoreUnavailable(message)
        try:
            check_process(self._process)
            self._check_identity()
            if self._writer is None:
                self._writer = self._connect(writes=True)
            self._begin(self._writer, deadline)
            if self._unchecked_bytes > CHECKPOINT_BYTES:
                self._checkpoint()
                # A writer that begins when everything is in the file starts the log anew; this one began before.
                self._writer.execute("ROLLBACK")
                self._begin(self._writer, deadline)
        except BaseException:
            self.end_writing(broken=True)
            raise
        return self._writer

    def end_writing(self, *, broken: bool, written_bytes: int = 0) -> None:
        """Take the writing connection back; a broken one is thrown away, and with it what it had not committed."""
        try:
            self._unchecked_bytes += _COMMIT_BYTES + written_bytes
            if broken:
                self._unchecked_bytes += CHECKPOINT_BYTES  # on a full disk a checkpoint may make room in the log
            if broken and self._writer is not None:
                writer, self._writer = self._writer, None
                writer.close()
        finally:
            self._lock.release()
            if self._process is None:
                self._close_idle()

    def checkpoint(self) -> None:
        """Carry what the write-ahead log holds into the file now."""
        writer = self.begin_writing()
        broken = True
        try:
            self._checkpoint()
            writer.execute("ROLLBACK")
            broken = False
        finally:
            self.end_writing(broken=broken, written_bytes=-_COMMIT_BYTES)

    def close(self) -> None:
        """Close every connection; those in use are closed when they are given back."""
        if self._process != os.getpid():  # closed, or inherited by a fork: then they are the parent's
            return
        self._process = None
        self._close_idle()

    def _close_idle(self) -> None:
        # Whoever uses a connection meanwhile finds the store closed when it gives it back, and comes here too.
        with suppress(IndexError):
            while True:
                self._readers.pop().close()
        if self._lock.acquire(blocking=False):
            writer, self._writer = self._writer, None
            if writer is not None:
                writer.close()
            self._lock.release()

    def _connect(self, *, writes: bool = False) -> sqlite3.Connection:
        connection = state_file.connect(f"file:{quote(os.fsencode(self.path))}?mode=rw")
        try:
            connection.execute(f"PRAGMA busy_timeout = {int(self.busy_seconds * 1000)}")
            for setting in _SETTINGS:
                connection.execute(setting).fetchall()
            if writes:
                connection.execute("PRAGMA busy_timeout = 0")
        except BaseException:
            connection.close()
            raise
        return connection

    def _begin(self, connection: sqlite3.Connection, deadline: float) -> None:
        pause, longest = _PAUSE_SECONDS
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise translated(error, self.path) from error
                time.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - no secret: so that waiters spread out
                pause = min(pause * 2, longest)
            else:
                return

    def _checkpoint(self) -> None:
        """Carry what the write-ahead log holds into the file, while the caller holds the lock."""
        connection = self.take_reader()
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except SQL_ERRORS as error:
            # The log keeps what the file lacks, so nothing is lost: a full disk will say so at the commit.
            failure = translated(error, self.path)
            if not isinstance(failure, StoreUnavailable):
                raise failure from error
        finally:
            self.give_back(connection)
        self._unchecked_bytes = 0

    def _check_identity(self) -> None:
        """Refuse to go on when the file was removed or replaced: what is then written would be lost."""
        if state_file.identity(self.path) != self._identity:
            raise damaged(self.path, "was removed or replaced while it was in use")
