"""Lines as they are stored: many to a chunk, so that a range is read without loading the rest.

A chunk is one byte that tells its form, then the lines: joined by newlines (split at the speed of C) when no line
contains one; else their lengths (4 bytes each, little-endian), then their bytes one after the other.
"""

from __future__ import annotations

import struct
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from teamtask.stores.checks import check_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHUNK_BYTES = 64 * 1024  # of lines in a chunk, more only if it is a single line
_JOINED = b"\n"
_MEASURED = b"#"


def chunks_of(lines: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    """Cut lines into chunks: (number of lines, chunk). Raises TooMany for a line above VALUE_BYTES_MAX."""
    start = size = 0
    for position, line in enumerate(lines):
        length = len(line) + 1
        if size + length > CHUNK_BYTES:
            if position > start:
                yield position - start, _chunk(lines[start:position])
            start, size = position, 0
            check_value(line, "lines")
        size += length
    if start < len(lines):
        yield len(lines) - start, _chunk(lines[start:])


def lines_in(chunk: bytes, count: int, start: int, stop: int) -> list[bytes]:
    """Lines [start, stop) of a chunk of `count` lines; raises ValueError when the chunk is damaged."""
    if chunk[:1] == _JOINED:
        lines = chunk[1:].split(_JOINED)
        if len(lines) != count:
            message = f"a chunk of {count} lines has {len(lines)}"
            raise ValueError(message)
        return lines[start:stop]
    head = 1 + 4 * count
    if chunk[:1] != _MEASURED or len(chunk) < head:
        message = "a chunk of lines has an unknown form"
        raise ValueError(message)
    lengths = struct.unpack_from(f"<{count}I", chunk, 1)
    if head + sum(lengths) != len(chunk):
        message = "the lengths of a chunk's lines do not add up"
        raise ValueError(message)
    ends = accumulate(lengths[start:stop], initial=head + sum(lengths[:start]))
    return [chunk[begin:end] for begin, end in pairwise(ends)]


def _chunk(lines: Sequence[bytes]) -> bytes:
    joined = _JOINED.join(lines)
    if joined.count(_JOINED) == len(lines) - 1:
        return _JOINED + joined
    return b"".join((_MEASURED, struct.pack(f"<{len(lines)}I", *map(len, lines)), *lines))
