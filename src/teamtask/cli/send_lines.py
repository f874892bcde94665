"""`LinesToSend`: the lines of a file or a pipe on their way to a list, and what is known of them."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import contextmanager
from itertools import chain
from typing import IO, TYPE_CHECKING

from teamtask.ledger.errors import InvalidSource
from teamtask.local.line_input import LineReader

if TYPE_CHECKING:
    from collections.abc import Iterator


class LinesToSend:
    """Lines that are read as they are sent. `size`, `first` and `last` are those of the lines that were read."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        """Read as far as the first line; of an ordinary file all of them. Raises InvalidSource when there is none."""
        self.size, self.first, self.last = 0, b"", b""
        self.counted = stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
        self._reader = LineReader(stream)
        if self.counted:
            self._count()
            stream.seek(0)
            self._reader = LineReader(stream)
        self._batches = self._reader.batches()
        first = next(self._batches, None)
        if first is None:
            raise InvalidSource(f"There are no items in {name}.", field="items", hint="One item a line is expected.")
        self._batches = chain([first], self._batches)

    @property
    def blank(self) -> int:
        """How many blank lines were left out so far."""
        return self._reader.blank

    def batches(self) -> Iterator[list[bytes]]:
        """Give the lines, about a megabyte at a time."""
        self.size = 0
        for batch in self._batches:
            self._note(batch)
            yield batch

    def read_all(self) -> None:
        """Read what there is, and send nothing."""
        for _ in self.batches():
            pass

    def _count(self) -> None:
        for batch in self._reader.batches():
            self._note(batch)

    def _note(self, batch: list[bytes]) -> None:
        if not self.size:
            self.first = batch[0]
        self.size += len(batch)
        self.last = batch[-1]


@contextmanager
def open_lines(file: str) -> Iterator[LinesToSend]:
    """Open a file, or with - what comes through a pipe. Raises InvalidSource."""
    if file == "-":
        if sys.stdin is None:
            raise InvalidSource("stdin is closed.", field="items", hint="Pipe the items in, or name a file.")
        yield LinesToSend(sys.stdin.buffer, "stdin")
        return
    try:
        stream = open(file, "rb")  # noqa: SIM115, PTH123 - closed below; Path makes the current folder of an empty name
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "that is no name of a file"
        raise InvalidSource(
            f"{file} cannot be read: {reason}.", field="items", hint="Is the path right, and readable for you?"
        ) from error
    with stream:
        yield LinesToSend(stream, file)
