"""Reading items from files and pipes: a megabyte at a time, so that a list of any length fits."""

from __future__ import annotations

import select
from typing import IO, TYPE_CHECKING

from teamtask.ledger.errors import InvalidSource
from teamtask.wire.line_splitter import LineSplitter

if TYPE_CHECKING:
    from collections.abc import Iterator

READ_BYTES = 1 << 20


class LineReader:
    """The lines of a stream without their ends.

    See LineSplitter for what a line is.
    """

    def __init__(self, stream: IO[bytes], separator: bytes = b"\n", *, keep_empty: bool = False) -> None:
        self._stream = stream
        self._splitter = LineSplitter(separator, keep_empty=keep_empty)

    @property
    def blank(self) -> int:
        """How many blank lines were left out so far."""
        return self._splitter.blank

    def batches(self) -> Iterator[list[bytes]]:
        """Give lines, as many at a time as a megabyte holds.

        Raises InvalidSource for a line beyond 64 MiB, and where the stream cannot be read.
        """
        while data := self._read():
            if found := self._splitter.feed(data):
                yield found
        if found := self._splitter.finish():
            yield found

    def _read(self) -> bytes:
        try:
            while (data := self._stream.read(READ_BYTES)) is None:  # non-blocking, and nothing there yet
                poll = select.poll()
                poll.register(self._stream, select.POLLIN)
                poll.poll()
        except OSError as error:
            name = getattr(self._stream, "name", None)
            what = name if isinstance(name, str) and name != "<stdin>" else "stdin"
            raise InvalidSource(
                f"{what} cannot be read: {error.strerror}.", field="items", hint="Give a file, or a pipe and -."
            ) from error
        return data
