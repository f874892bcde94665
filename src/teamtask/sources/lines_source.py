"""`Lines`: the lines of a file or an upload, kept by a store and read by range; and their fingerprint."""

from __future__ import annotations

import hashlib
import re
import sys
from array import array
from itertools import accumulate, islice, pairwise
from operator import methodcaller
from typing import TYPE_CHECKING

from teamtask.ledger.errors import InvalidSource
from teamtask.sources.limits import check_size, shown
from teamtask.sources.source import IndexedSource, ItemNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    ReadLines = Callable[[int, int], Iterator[bytes]]

_FINGERPRINT = re.compile(r"([1-9][0-9]{0,18}):[0-9a-f]{32}")
_NEAR_BYTES = 65_536  # to read so much more costs no more than to begin anew
_AHEAD_BYTES = 1 << 20
_AHEAD_MAX = 10_000
_text = methodcaller("decode", "utf-8", "surrogateescape")


class Lines(IndexedSource[str]):
    """Lines as text; bytes that are no UTF-8 are escaped (PEP 383) and come back the same from `line_bytes`.

    `read_lines(index, size)` gives the lines' bytes without their ends. The fingerprint is that of the
    first lines: it names how many, and stays the list's own when lines are added behind them.
    """

    kind = "lines"

    def __init__(self, count: int, fingerprint: str, read_lines: ReadLines) -> None:
        """Raise InvalidSource for no lines, or a fingerprint that is none of lines or of more lines than there are."""
        check_size(count, "count")
        if prefix_count(fingerprint) > count:
            message = f"The fingerprint is of {prefix_count(fingerprint)} lines, and there are {shown(count)}."
            raise InvalidSource(message, field="fingerprint", hint="Take both from the same list.")
        self.size = count
        self.fingerprint = fingerprint
        self.read_lines = read_lines

    def _item(self, index: int) -> str:
        return next(self._items(index, 1))

    def _items(self, index: int, size: int) -> Iterator[str]:
        return map(_text, self.read_lines(index, size))

    def items_at(self, indices: Iterator[int]) -> Iterator[str]:
        """As IndexedSource; what lies near together is read at once, about a megabyte ahead."""
        count, near = 16, 0
        while some := list(islice(indices, count)):
            wanted = sorted(set(some))
            if wanted[0] < 0 or wanted[-1] >= self.size:
                self._raise_outside(wanted[0] if wanted[0] < 0 else wanted[-1], None)
            lines: dict[int, bytes] = {}
            for run in _runs(wanted, near):
                at = run[0]
                read = iter(self.read_lines(at, run[-1] + 1 - at))
                for index in run:
                    lines[index] = next(islice(read, index - at, None))
                    at = index + 1
            yield from [_text(lines[index]) for index in some]
            mean = sum(map(len, lines.values())) // len(lines) + 1
            near = _NEAR_BYTES // mean
            count = max(1, min(8 * count, _AHEAD_BYTES // mean, _AHEAD_MAX))

    def index_of(self, item: object) -> int:  # noqa: ARG002 - a source answers for any item
        """Raise ItemNotFound: lines have no rule, finding one would mean reading them all."""
        raise ItemNotFound("Lines are not searched by content.", hint="Search the file that they came from.")

    def definition(self) -> dict[str, object]:
        """Return kind, count and fingerprint."""
        return {"kind": self.kind, "count": self.size, "fingerprint": self.fingerprint}


class LinesFingerprint:
    """Computes the fingerprint of lines as they come, in any pieces: "COUNT:HASH".

    HASH is BLAKE2b (RFC 7693) over the count, the lines one after the other, and their lengths (so that it
    matters where a line ends). Who holds an older fingerprint gives it as `known`, feeds the lines as they
    are now and asks `known_is_prefix`: whether the first lines are still what they were, and others may follow.

    About 250 MB/s for lines of 15 bytes, 800 MB/s for lines of 1,000 (benchmarks/sources.py).
    """

    def __init__(self, known: str | None = None) -> None:
        """Raise InvalidSource when `known` is no fingerprint of lines."""
        self.count = 0
        self.known_is_prefix = False
        self._known = known
        self._known_count = prefix_count(known) if known is not None else 0
        self._content = hashlib.blake2b(digest_size=32)
        self._lengths = hashlib.blake2b(digest_size=32)

    def update(self, lines: Sequence[bytes]) -> None:
        """Take the next lines, without their ends."""
        missing = self._known_count - self.count
        if 0 < missing <= len(lines):
            self._add(lines[:missing])
            self.known_is_prefix = self.fingerprint == self._known
            lines = lines[missing:]
        self._add(lines)

    def _add(self, lines: Sequence[bytes]) -> None:
        lengths = array("Q", map(len, lines))
        if sys.byteorder == "big":
            lengths.byteswap()
        self._content.update(b"".join(lines))
        self._lengths.update(lengths)
        self.count += len(lines)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the lines so far."""
        whole = hashlib.blake2b(b"%d:" % self.count, digest_size=16, person=b"teamtask lines")
        whole.update(self._content.digest())
        whole.update(self._lengths.digest())
        return f"{self.count}:{whole.hexdigest()}"


def prefix_count(fingerprint: str) -> int:
    """Return of how many lines this is the fingerprint. Raises InvalidSource when it is none."""
    match = _FINGERPRINT.fullmatch(fingerprint)
    if match is None:
        message = "This is no fingerprint of lines."
        raise InvalidSource(message, field="fingerprint", hint="It is a count, a colon and 32 hex digits.")
    return int(match[1])


def line_bytes(item: str) -> bytes:
    """Return the bytes of a line that `Lines` gave as text."""
    return item.encode("utf-8", "surrogateescape")


def lines_in_memory(lines: Sequence[bytes]) -> Lines:
    """Return a source of lines that are at hand. Raises InvalidSource when there are none."""
    check_size(len(lines), "items")
    fingerprint = LinesFingerprint()
    fingerprint.update(lines)
    text = b"".join(lines)  # an object for each line would take many times as much
    stops = array("Q", accumulate(map(len, lines), initial=0))

    def read_lines(index: int, size: int) -> Iterator[bytes]:
        return (text[start:stop] for start, stop in pairwise(stops[index : index + size + 1]))

    return Lines(len(lines), fingerprint.fingerprint, read_lines)


def _runs(indices: list[int], near: int) -> Iterator[list[int]]:
    """Give sorted indices in runs, in which none is further than that from the one before it."""
    run = indices[:1]
    for before, index in pairwise(indices):
        if index - before > near:
            yield run
            run = []
        run.append(index)
    yield run
