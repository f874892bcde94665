"""What went wrong, in words for people: `translated` makes our errors of SQLite's and the system's."""

from __future__ import annotations

import errno
import os
import resource
import sqlite3
import tempfile
from pathlib import Path

from teamtask.ledger.errors import InvalidField, TeamtaskError, TooMany
from teamtask.stores.store import StaleVersion, StoreDamaged, StoreFull, StoreNotWritable, StoreUnavailable

_PROBE_BYTES = 256 * 1024  # more than a commit usually adds
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
SQL_ERRORS = (sqlite3.Error, UnicodeError)  # what Python's module raises
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_READ_ONLY = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_OTHER_WAYS = "start anew with `--fresh`, or name another file with `--state`."


def damaged(path: str, what: str) -> StoreDamaged:
    """Say that the state file is not, or no longer, one."""
    return StoreDamaged(
        f"The state file {path} {what}.",
        hint=f"Move it away, or remove it with `teamtask rm`; or {_OTHER_WAYS}",
        path=path,
    )


def not_writable(path: str, why: str, hint: str | None = None) -> StoreNotWritable:
    """Say why the state file cannot be created or written."""
    return StoreNotWritable(
        f"The state file {path} cannot be written: {why}.",
        hint=hint or "Make it and its folder writable, or name another file with `--state`.",
        path=path,
    )


def full(path: str) -> StoreFull:
    """Say that nothing more fits."""
    return StoreFull(f"No space is left for the state file {path}.", path=path)


def translated(error: sqlite3.Error | UnicodeError, path: str) -> TeamtaskError:
    """Find our error for one of SQLite's about the state file `path`."""
    if isinstance(error, UnicodeEncodeError):
        return InvalidField("A text is not valid Unicode.")
    if isinstance(error, UnicodeError):
        return damaged(path, "is damaged (it contains text that is none)")
    code = getattr(error, "sqlite_errorcode", None)  # extended; absent where Python's module itself complains
    if code is None and str(error).startswith("Could not decode"):
        return damaged(path, f"is damaged ({error})")
    if code is None:
        return StoreUnavailable(f"The state file {path} cannot be used: {error}.", path=path)
    return _of_code(code & 0xFF, error, path)


def _of_code(code: int, error: Exception, path: str) -> TeamtaskError:
    if code in _DAMAGED or (code == sqlite3.SQLITE_ERROR and not str(error).startswith("cannot ")):
        # Our statements are right, so an SQLITE_ERROR says that the schema is not what it was.
        return damaged(path, f"is damaged ({error})")
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path)):
        return full(path)
    if code == sqlite3.SQLITE_CONSTRAINT:
        return StaleVersion(f"The list has moved on since it was read ({error}).")
    if code == sqlite3.SQLITE_TOOBIG:
        return TooMany("A value is longer than the store can keep.")
    if code in _READ_ONLY:
        return not_writable(path, "it or its folder is read-only")
    if code == sqlite3.SQLITE_CANTOPEN:
        return _cannot_open(path)
    if code in _BUSY:
        return StoreUnavailable(f"The state file {path} stays locked by another process.", path=path)
    return StoreUnavailable(f"The state file {path} cannot be read or written: {error}.", path=path)


def of_system(error: OSError, path: str) -> TeamtaskError:
    """Find our error for one of the system's while the state file `path` was created."""
    if error.errno == errno.ENOSPC and _inodes_are_gone(path):
        return _no_inode(path)
    if error.errno in _FULL:
        return full(path)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return _too_many_files(path)
    return not_writable(path, (error.strerror or str(error)).lower())


def _cannot_open(path: str) -> TeamtaskError:
    # SQLite does not say why; so see whether a file can be opened at all, and whether the disk has an inode left.
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return _too_many_files(path)
    if _inodes_are_gone(path):
        return _no_inode(path)
    if not Path(path).exists():
        return not_writable(path, "it is no longer there")
    return not_writable(path, "its folder does not let files be created beside it")


def _no_inode(path: str) -> StoreNotWritable:
    return not_writable(
        path, "the disk has no inode left", "Remove some files on that disk, or name another `--state`."
    )


def _too_many_files(path: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"The state file {path} cannot be opened: this process has too many open files.",
        hint="Raise the limit (`ulimit -n`) or use fewer processes.",
        path=path,
    )


def _inodes_are_gone(path: str) -> bool:
    try:
        disk = os.statvfs(Path(path).parent)
    except OSError:
        return False
    return disk.f_files > 0 and disk.f_favail == 0


def _is_full(path: str) -> bool:
    """Whether the folder of `path` takes no more, since SQLite does not say why a write failed."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit != resource.RLIM_INFINITY:
        sizes = [file.stat().st_size for end in ("", "-wal", "-shm") if (file := Path(path + end)).exists()]
        if max(sizes, default=0) + _PROBE_BYTES > limit:
            return True
    try:
        with tempfile.TemporaryFile(dir=Path(path).parent, buffering=0) as probe:
            probe.write(bytes(_PROBE_BYTES))
            os.fsync(probe.fileno())
    except OSError as error:
        return error.errno in _FULL
    return False
