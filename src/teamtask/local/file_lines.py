"""`teamtask.lines(path)`: the lines of a file, as a source."""

from __future__ import annotations

import os
from bisect import bisect_right
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from teamtask.ledger.errors import InvalidSource
from teamtask.sources.lines_source import Lines, LinesFingerprint
from teamtask.wire.line_splitter import LINE_BYTES_MAX, LineSplitter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from teamtask.sources.source import Source

BLOCK_BYTES: Final = 1 << 18


def lines(path: str | os.PathLike[str]) -> Source[str]:
    """The lines of a file in UTF-8 (other bytes are escaped, PEP 383), without their ends; blank ones are left out.

    They are found by reading the file once, and read by range from then on, 256 KiB at a time.
    `teamtask.map` copies them into its state, so there the file may change afterwards; anywhere else it may not.
    Raises InvalidSource for a file that cannot be read or has no lines, and when it has changed.
    """
    return FileLines(Path(path))


class FileLines(Lines):
    """Lines that are read from a file, in blocks that begin and end with a line. It is read when that is needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read_lines = self._read
        self._offsets: list[int] = []  # of blocks
        self._firsts: list[int] = []  # the indices that these begin with
        with _opened(path) as stream:
            self._stamp = _stamp(stream)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - it is either of two types
        """Count the lines when somebody asks for what comes of that."""
        if name not in ("size", "fingerprint"):
            raise AttributeError(name)
        fingerprint = LinesFingerprint()
        offsets, firsts = [], []
        with self._unchanged() as stream:
            for offset, block in _blocks(stream):
                found = _lines_in(block)
                if found:
                    offsets.append(offset)
                    firsts.append(fingerprint.count)
                    fingerprint.update(found)
        if not fingerprint.count:
            raise InvalidSource(
                f"There are no items in {self.path}.", field="items", hint="One item a line is expected."
            )
        self._offsets, self._firsts = offsets, firsts
        self.size, self.fingerprint = fingerprint.count, fingerprint.fingerprint
        return getattr(self, name)

    def _read(self, index: int, size: int) -> Iterator[bytes]:
        at = bisect_right(self._firsts, index) - 1
        before = index - self._firsts[at]
        with self._unchanged() as stream:
            stream.seek(self._offsets[at])
            for _, block in _blocks(stream):
                found = _lines_in(block)
                some = found[before : before + size]
                yield from some
                before = max(0, before - len(found))
                size -= len(some)
                if not size:
                    return

    def _unchanged(self) -> IO[bytes]:
        stream = _opened(self.path)
        if _stamp(stream) == self._stamp:
            return stream
        stream.close()
        message = f"{self.path} has changed since it was first looked at."
        raise InvalidSource(message, field="items", hint="Call teamtask.lines again.")


def _blocks(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Give blocks of whole lines with their offsets. Raises InvalidSource for a line beyond 64 MiB."""
    offset = stream.tell()
    begun: list[bytes] = []
    while data := stream.read(BLOCK_BYTES):
        cut = data.rfind(b"\n") + 1
        if cut:
            block = b"".join([*begun, data[:cut]])
            yield offset, block
            offset += len(block)
            begun = [data[cut:]]
            continue
        begun.append(data)
        if len(begun) * BLOCK_BYTES > LINE_BYTES_MAX:
            raise InvalidSource(
                f"There is a line of more than {LINE_BYTES_MAX >> 20} MiB.",
                field="items",
                hint="Is it a list, one item a line?",
            )
    if any(begun):
        yield offset, b"".join(begun)


def _lines_in(block: bytes) -> list[bytes]:
    splitter = LineSplitter()
    return splitter.feed(block) + splitter.finish()


def _opened(path: Path) -> IO[bytes]:
    try:
        if path.is_dir():
            raise InvalidSource(f"{path} is a folder.", field="items", hint="Give a file with one item a line.")
        return path.open("rb")
    except OSError as error:
        raise InvalidSource(
            f"{path} cannot be read: {error.strerror}.", field="items", hint="Is the path right, and readable for you?"
        ) from error


def _stamp(stream: IO[bytes]) -> tuple[int, int, int, int]:
    status = os.fstat(stream.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
