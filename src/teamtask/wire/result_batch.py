"""`ResultBatch`: the results of one report, packed once where they are made and unpacked only by who reads them."""

from __future__ import annotations

import io
import pickle
from array import array
from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from teamtask.ledger.errors import InvalidField, UnknownFormat

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

JSON, PICKLE = "json", "pickle"


class Result(Struct, frozen=True):
    """One outcome as it was recorded; `seconds` is None where nobody took the time."""

    index: int
    value: Any
    ok: bool
    seconds: float | None


class ResultBatch(Struct, frozen=True, array_like=True):
    """Values for `count` indices from `index` on: adjacent ones, unless `offsets` (JSON, ascending from 0) says which.

    `values` is one JSON array, or pickled lists one after the other (functions of local runs may return anything);
    `failed` are the positions in it that are not ok; `seconds` holds a float of 4 bytes each, or nothing.
    What is damaged raises UnknownFormat when it is read.
    """

    index: int
    count: int
    values: bytes
    codec: str = JSON
    failed: tuple[int, ...] = ()
    offsets: bytes | None = None
    seconds: bytes = b""

    def indices(self) -> Sequence[int]:
        """Give the index of every value, ascending."""
        if self.offsets is None:
            return range(self.index, self.index + self.count)
        try:
            offsets = msgspec.json.decode(self.offsets, type=list[int])
        except (msgspec.MsgspecError, ValueError) as error:
            raise _damaged(str(error)) from error
        if len(offsets) != self.count or offsets[0] != 0 or offsets != sorted(set(offsets)):
            raise _damaged("its offsets do not ascend from 0, one for each value")
        return [self.index + offset for offset in offsets]

    @property
    def size(self) -> int:
        """How far it reaches: from the first index to the last."""
        return self.indices()[-1] - self.index + 1

    def ranges(self) -> tuple[tuple[int, int], ...]:
        """Give the indices as ranges [start, stop), in order."""
        if self.offsets is None:
            return ((self.index, self.index + self.count),)
        found: list[tuple[int, int]] = []
        start = stop = self.index
        for index in self.indices():
            if index != stop:
                found.append((start, stop))
                start = index
            stop = index + 1
        return (*found, (start, stop))

    def failed_indices(self) -> tuple[int, ...]:
        """Give the indices whose outcome is not ok."""
        indices = self.indices() if self.failed else ()
        return tuple(indices[position] for position in self.failed)

    def decoded(self) -> list[Any]:
        """Give the values."""
        if self.codec != JSON:
            return _unpickled(self.values)
        try:
            values = msgspec.json.decode(self.values, type=list[Any])
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise _damaged(str(error)) from error
        if len(values) != self.count:
            raise _damaged(f"it has {len(values):,} values and not {self.count:,}")
        return values

    def times(self) -> Sequence[float] | None:
        """Give the seconds that each value took, if they were taken."""
        return array("f", self.seconds) if self.seconds else None

    def results(self) -> Iterator[Result]:
        """Go through the results in order of index."""
        failed = frozenset(self.failed)
        times = self.times()
        for position, (index, value) in enumerate(zip(self.indices(), self.decoded(), strict=True)):
            yield Result(index, value, position not in failed, times[position] if times else None)

    def positions(self, ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Give the runs [first, last) of positions whose indices lie in these ranges [start, stop)."""
        indices = self.indices()
        runs = ((bisect_left(indices, start), bisect_left(indices, stop)) for start, stop in ranges)
        return [(first, last) for first, last in runs if first < last]

    def part(self, first: int, last: int) -> ResultBatch:
        """Give the batch of the positions [first, last)."""
        return pack(
            self.indices()[first:last],
            self.decoded()[first:last],
            failed=[position - first for position in self.failed if first <= position < last],
            codec=self.codec,
            seconds=self.seconds[first * 4 : last * 4],
        )


def pack(
    indices: Sequence[int], values: list[Any], *, failed: Sequence[int] = (), codec: str = JSON, seconds: bytes = b""
) -> ResultBatch:
    """Pack values; `indices` ascend strictly, or else InvalidField is raised."""
    return pack_encoded(indices, encode(values, codec), failed=failed, codec=codec, seconds=seconds)


def pack_encoded(
    indices: Sequence[int], values: bytes, *, failed: Sequence[int] = (), codec: str = JSON, seconds: bytes = b""
) -> ResultBatch:
    """As `pack`, with the values encoded already."""
    first, count = indices[0], len(indices)
    if isinstance(indices, range):
        return ResultBatch(first, count, values, codec, tuple(failed), None, seconds)
    for low, high in pairwise(indices):
        if low >= high:
            raise InvalidField(f"There are two results for index {high}, or they are out of order.", field="results")
    adjacent = indices[-1] - first == count - 1
    offsets = None if adjacent else msgspec.json.encode([index - first for index in indices])
    return ResultBatch(first, count, values, codec, tuple(failed), offsets, seconds)


def encode(values: list[Any], codec: str) -> bytes:
    """Encode the values of a batch."""
    return msgspec.json.encode(values) if codec == JSON else pickle.dumps(values, pickle.HIGHEST_PROTOCOL)


def _unpickled(text: bytes) -> list[Any]:
    """Read lists that were pickled one by one, and put together without being read."""
    stream = io.BytesIO(text)
    values: list[Any] = pickle.load(stream)  # noqa: S301 - written by this user's own run
    while stream.tell() < len(text):
        values += pickle.load(stream)  # noqa: S301 - as above
    return values


class _Payload(Struct, frozen=True, array_like=True):
    """A batch as a store keeps it: its index stands beside it, as that may be larger than msgpack's integers."""

    count: int
    values: bytes
    codec: str
    failed: tuple[int, ...]
    offsets: bytes | None
    seconds: bytes


_encode_payload = msgspec.msgpack.Encoder().encode
_decode_payload = msgspec.msgpack.Decoder(_Payload).decode


def to_payload(batch: ResultBatch) -> bytes:
    """Write a batch but for its index."""
    return _encode_payload(_Payload(batch.count, batch.values, batch.codec, batch.failed, batch.offsets, batch.seconds))


def from_payload(index: int, payload: bytes) -> ResultBatch:
    """Read a batch that begins at this index. Raises UnknownFormat."""
    try:
        read = _decode_payload(payload)
    except (msgspec.MsgspecError, ValueError) as error:
        raise _damaged(str(error)) from error
    if read.count < 1 or read.codec not in (JSON, PICKLE) or len(read.seconds) not in (0, 4 * read.count):
        raise _damaged("its parts do not fit one another")
    if read.failed and (
        min(read.failed) < 0 or max(read.failed) >= read.count or len(set(read.failed)) < len(read.failed)
    ):
        raise _damaged("what failed in it is not in it")
    return ResultBatch(index, read.count, read.values, read.codec, read.failed, read.offsets, read.seconds)


def _damaged(why: str) -> UnknownFormat:
    return UnknownFormat(f"A batch of results cannot be read: {why}.")
