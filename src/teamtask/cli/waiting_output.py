"""`WaitingOutput`: the output of commands that ended before their turn, in one file however many they are."""

from __future__ import annotations

import os
import tempfile
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from teamtask.worker.captured_output import write_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_READ_BYTES: Final = 1 << 16


class Span(NamedTuple):
    """Where something lies in the file."""

    offset: int
    size: int


class WaitingOutput:
    """An append-only temporary file without a name; it is emptied whenever nothing waits any more."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._end = 0
        self._waiting = 0

    def put(self, chunks: Iterable[bytes]) -> Span:
        """Keep something until `drop`. Raises OSError, and keeps nothing then."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="teamtask-", buffering=0)  # noqa: SIM115 - close() closes it
        offset = os.lseek(self._file.fileno(), self._end, os.SEEK_SET)
        for chunk in chunks:
            write_all(self._file.fileno(), chunk)
            self._end += len(chunk)
        self._waiting += 1
        return Span(offset, self._end - offset)

    def chunks(self, span: Span) -> Iterator[bytes]:
        """Give what was put there, at most 64 KiB at a time."""
        at, size = span
        while size > 0 and self._file is not None:
            chunk = os.pread(self._file.fileno(), min(size, _READ_BYTES), at)
            if not chunk:
                return
            at += len(chunk)
            size -= len(chunk)
            yield chunk

    def drop(self) -> None:
        """Let go of one that was put; with the last one all room is given back."""
        self._waiting -= 1
        if not self._waiting and self._file is not None:
            self._end = 0
            os.ftruncate(self._file.fileno(), 0)

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            self._file.close()
            self._file = None
