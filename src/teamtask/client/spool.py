"""`Spool`: finished reports that could not be delivered, on disk until they are; one file for a list and a process.

Whoever writes a file holds its lock, so what nobody locks was left by a dead process: the next worker of this user on
that list takes it over, and the lock sees to it that only one does.
"""

from __future__ import annotations

import fcntl
import math
import os
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from teamtask.ledger.errors import TeamtaskError
from teamtask.settings import state_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

SPOOL_BYTES_MAX: Final = 1 << 30  # of all the files of this user together
KEPT_DAYS: Final = 30  # for a list that nobody here works on any longer
_SUFFIX: Final = ".spool"


class SpoolFull(TeamtaskError):
    """There is no room for more reports that cannot be delivered."""

    code = "spool_full"


class SpoolNotWritable(TeamtaskError):
    """Reports that cannot be delivered cannot be kept on disk either."""

    code = "spool_not_writable"


class Spool:
    """Keeps exchanges (JSON) of one list. Made when there is something to keep; not safe for threads."""

    def __init__(self, list_id: str, *, folder: Path | None = None, bytes_max: int = SPOOL_BYTES_MAX) -> None:
        self._folder = state_folder() / "spool" if folder is None else folder
        self._prefix = f"{quote(list_id, safe='')}."
        self._bytes_max = bytes_max
        self._file: int | None = None
        self._path: Path | None = None

    @property
    def has_kept(self) -> bool:
        """Whether there is something of this process."""
        return self._file is not None

    def keep(self, exchange: bytes) -> None:
        """Put an exchange behind those that are kept, and on the disk. Raises SpoolFull, SpoolNotWritable."""
        line = exchange + b"\n"
        try:
            used = sum(map(_size, self._folder.glob(f"*{_SUFFIX}")))
            if used + len(line) > self._bytes_max:
                raise SpoolFull(
                    f"The reports in {self._folder} that wait for their server fill {used:,} bytes.",
                    hint="Bring the server back, or delete what is not worth keeping, then start the worker again.",
                )
            file = self._opened()
            before = os.fstat(file).st_size
            try:
                written = memoryview(line)
                while written:
                    written = written[os.write(file, written) :]
                os.fsync(file)
            except OSError:
                os.ftruncate(file, before)  # half a line would hide the next one
                raise
        except OSError as error:
            raise SpoolNotWritable(f"{self._folder} cannot be written: {error.strerror}.") from error

    def clear(self) -> None:
        """Forget what was kept: it has been delivered."""
        file, path = self._file, self._path
        self._file = self._path = None
        if file is not None and path is not None:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            os.close(file)

    def close(self) -> None:
        """Leave what is kept to whoever works on the list next."""
        if self._file is not None:
            os.close(self._file)
        self._file = self._path = None

    def left_over(self) -> Iterator[Left]:
        """Give the files of this list that dead processes left, each locked until the next one is asked for."""
        for path in sorted(self._folder.glob(f"{self._prefix}*{_SUFFIX}")):
            left = _taken(path)
            if left is not None:
                try:
                    yield left
                finally:
                    os.close(left.file)

    def tidy(self, there: Callable[[], Iterable[str]]) -> int:
        """Delete what workers of other lists left 30 days ago, unless the list is there; tell how many files.

        `there` gives the ids of lists; it is called only if something is so old. What a living process keeps stays.
        """
        old = [
            path
            for path in self._folder.glob(f"*{_SUFFIX}")
            if not path.name.startswith(self._prefix) and time.time() - _changed_at(path) > KEPT_DAYS * 86_400
        ]
        spared = {quote(list_id, safe="") for list_id in there()} if old else set()
        count = 0
        for path in old:
            left = None if path.name.rsplit(".", 2)[0] in spared else _taken(path)
            if left is not None:
                left.remove()
                os.close(left.file)
                count += 1
        return count

    def _opened(self) -> int:
        if self._file is not None:
            return self._file
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{self._prefix}{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
        new = path.with_suffix(".new")  # nobody can take it before it is locked
        file = os.open(new, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            new.rename(path)
        except OSError:
            os.close(file)
            new.unlink(missing_ok=True)
            raise
        self._file, self._path = file, path
        return file


class Left:
    """A file that a dead process left."""

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self.file = file

    def exchanges(self) -> Iterator[bytes]:
        """Give what it keeps, in order; the last line is not whole if its writer died in the middle of it."""
        with open(self.file, "rb", closefd=False) as stream:
            for line in stream:
                if line.endswith(b"\n"):
                    yield line[:-1]

    def remove(self) -> None:
        """Delete it: all that it keeps has been delivered."""
        self.path.unlink(missing_ok=True)


def _taken(path: Path) -> Left | None:
    """Lock a file; None while somebody else has it, or when it has just been delivered."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file).st_ino == path.stat().st_ino:
            return Left(path, file)
    except OSError:
        pass
    os.close(file)
    return None


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # as below
        return math.inf


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # delivered just now
        return 0
