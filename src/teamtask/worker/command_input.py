"""`CommandInput`: feeds lines to a command's stdin as fast as it reads them, and no faster."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_WRITE_BYTES: Final = 65536  # what a pipe holds
_WRITES_AT_ONCE: Final = 16  # then the other commands have their turn


class CommandInput:
    """A pipe to a running command, and the chunks still to be written into it.

    Only what the command takes is drawn from `chunks`: memory holds 64 KiB, or one chunk if that is longer. A command
    that ends or closes its stdin before it has read everything is no error.
    """

    __slots__ = ("_chunks", "_pending", "read_end", "write_end")

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._pending: bytes | memoryview = b""
        self.read_end = self.write_end = -1

    def open(self) -> None:
        """Make the pipe. Nothing is drawn from `chunks` before the command has been started."""
        self.read_end, self.write_end = os.pipe()
        os.set_blocking(self.write_end, False)

    def write_some(self) -> bool:
        """Write until the pipe is full. True when there is nothing left to do but `close`.

        Raises what `chunks` raises.
        """
        try:
            for _ in range(_WRITES_AT_ONCE):
                self._pending = self._pending or memoryview(self._draw())
                if not self._pending:
                    break
                self._pending = self._pending[os.write(self.write_end, self._pending) :]
            else:
                return False
        except BlockingIOError:
            return False
        except BrokenPipeError:
            pass  # the command does not want more
        return True

    def close_read_end(self) -> None:
        """To be called when the command has its copy: only then is it seen that it does not want more."""
        if self.read_end >= 0:
            os.close(self.read_end)
            self.read_end = -1

    def close_pipe(self) -> None:
        """Let the command read the end of its stdin."""
        self.close_read_end()
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def close(self) -> None:
        """Stop feeding; a generator gives back what it holds."""
        self.close_pipe()
        close_chunks = getattr(self._chunks, "close", None)
        if close_chunks is not None:
            close_chunks()

    def _draw(self) -> bytes:
        drawn = []
        size = 0
        for chunk in self._chunks:
            drawn.append(chunk)
            size += len(chunk)
            if size >= _WRITE_BYTES:
                break
        return b"".join(drawn)
