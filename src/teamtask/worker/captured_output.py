"""`Captured`: what a command wrote to its stdout or stderr, whole, in bounded memory."""

from __future__ import annotations

import fcntl
import os
import select
import sys
import tempfile
import termios
from typing import IO, TYPE_CHECKING, Final

from teamtask.ledger.errors import TeamtaskError

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT_BYTES: Final = 65536  # in memory; the rest goes to a temporary file
_READ_BYTES: Final = 65536  # what a pipe holds, unless somebody enlarged it


class OutputNotKept(TeamtaskError):
    """The output of a command could not be kept."""

    code = "output_not_kept"


class Captured:
    """The whole output of one command on one stream.

    `kept` is its first 64 KiB, `size` its length in bytes. What is longer lies in a temporary file until `close`.
    """

    __slots__ = ("_spill", "kept", "size")

    def __init__(self, kept: bytes = b"", size: int | None = None, spill: IO[bytes] | None = None) -> None:
        self.kept = kept
        self.size = len(kept) if size is None else size
        self._spill = spill

    def chunks(self) -> Iterator[bytes]:
        """All of it in order, at most 64 KiB at a time; of output that was not kept whole, only `kept`."""
        if self.kept:
            yield self.kept
        at = 0
        while self._spill is not None and (chunk := os.pread(self._spill.fileno(), _READ_BYTES, at)):
            at += len(chunk)
            yield chunk

    def copy_to(self, descriptor: int) -> None:
        """Write all of it to an open file, which may be a terminal, a pipe or non-blocking.

        Raises OSError where writing fails: BrokenPipeError when nobody reads any more.
        """
        for chunk in self.chunks():
            write_all(descriptor, chunk)

    def take(self) -> Captured:
        """Hand the output over: closing this one no longer ends it."""
        taken = Captured(self.kept, self.size, self._spill)
        self._spill = None
        return taken

    def close(self) -> None:
        """Give the temporary file back."""
        if self._spill is not None:
            self._spill.close()
            self._spill = None


class Capture:
    """A pipe from a running command, and what has come out of it so far.

    We hold the writing end too until the command has ended. So the pipe never hangs up, there is nothing to watch for
    but output and the end of the command itself, and an idle command costs no wake-up.
    """

    __slots__ = ("_kept_size", "_parts", "_size", "_spill", "_whole", "read_end", "write_end")

    def __init__(self, *, whole: bool) -> None:
        self.read_end = self.write_end = -1
        self._whole = whole
        self._parts: list[bytes] = []
        self._kept_size = 0
        self._size = 0
        self._spill: IO[bytes] | None = None

    def open(self) -> None:
        """Make the pipe. Neither end is inherited; the command gets a copy of the writing end. Raises OSError."""
        self.read_end, self.write_end = os.pipe()

    def read_some(self) -> bool:
        """Take what is there; to be called when there is something. False at the end. Raises OutputNotKept."""
        data = os.read(self.read_end, _READ_BYTES)
        if data:
            self._add(data)
        return bool(data)

    def read_rest(self) -> None:
        """Take what the ended command has left in the pipe. Raises OutputNotKept.

        Only what is there now: children that it left behind may hold the pipe open and write for ever.
        """
        waiting = int.from_bytes(fcntl.ioctl(self.read_end, termios.FIONREAD, b"\0\0\0\0"), sys.byteorder)
        while waiting > 0 and (data := os.read(self.read_end, min(waiting, _READ_BYTES))):
            waiting -= len(data)
            self._add(data)

    def close_write_end(self) -> None:
        """Let the pipe hang up when nobody else can write into it."""
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def close(self) -> None:
        """Close the pipe; whoever still writes into it gets SIGPIPE."""
        self.close_write_end()
        if self.read_end >= 0:
            os.close(self.read_end)
            self.read_end = -1

    def captured(self) -> Captured:
        """What the command wrote."""
        if not self._size:
            return NOTHING
        kept = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        return Captured(kept, self._size, self._spill)

    def _add(self, data: bytes) -> None:
        self._size += len(data)
        room = KEPT_BYTES - self._kept_size
        if room >= len(data):
            self._parts.append(data)
            self._kept_size += len(data)
            return
        if room:
            self._parts.append(data[:room])
            self._kept_size = KEPT_BYTES
        if self._whole:
            self._spill_over(data[room:])

    def _spill_over(self, data: bytes) -> None:
        try:
            if self._spill is None:
                self._spill = tempfile.TemporaryFile(prefix="teamtask-", buffering=0)  # noqa: SIM115 - Captured closes it
            write_all(self._spill.fileno(), data)
        except OSError as error:
            folder = tempfile.tempdir or "a temporary file"
            raise OutputNotKept(
                f"The output of a command could not be kept in {folder}: {error.strerror}.",
                hint="Free some space there, or let TMPDIR name a folder with more; then give the same command again.",
            ) from error


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, waiting where a non-blocking reader is slow. Raises OSError."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            poll.poll()


NOTHING: Final = Captured()
