"""Reading results back: in order of index or of arrival, without those that were withdrawn, a row at a time."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from teamtask.ledger.interval_set import IntervalSet
from teamtask.wire.result_batch import from_payload, to_payload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from teamtask.ledger.ids import ListId
    from teamtask.stores.store import Reader, ResultRow, Withdrawn


class Recorded(Struct, frozen=True):
    """A result as the list keeps it: the `seq`-th that arrived, from that worker."""

    index: int
    seq: int
    value: Any
    ok: bool
    seconds: float | None
    worker: str
    codec: str


class Withdrawals:
    """Which results no longer count: those in a range that arrived before its mark."""

    def __init__(self, marks: Sequence[Withdrawn]) -> None:
        by_seq: dict[int, IntervalSet] = {}
        for mark in marks:
            by_seq.setdefault(mark.before_seq, IntervalSet()).add(mark.index, mark.index + mark.size)
        self._by_seq = sorted(by_seq.items())

    def concern(self, row: ResultRow) -> bool:
        """Tell whether any mark may touch this row."""
        return any(
            row.seq < before and within.within(row.index, row.index + row.size) for before, within in self._by_seq
        )

    def count(self, index: int, seq: int) -> bool:
        """Tell whether this result still counts."""
        return not any(seq < before and index in within for before, within in self._by_seq)


def results_by_index(reader: Reader, list_id: ListId, *, index: int = 0, ok: bool | None = None) -> Iterator[Recorded]:
    """Go through the results from an index on, in order of index; in memory are only rows that overlap.

    With `ok` only those that are, or are not, ok.
    """
    withdrawals = Withdrawals(reader.withdrawn(list_id))
    rows = (row for row in reader.results(list_id, index=index) if _may_have(row, ok))
    overlapping: list[tuple[int, int, Recorded]] = []
    row = next(rows, None)
    while row is not None:
        following = next(rows, None)
        found = (r for r in _of_row(row, withdrawals) if r.index >= index and (ok is None or r.ok is ok))
        if not overlapping and (following is None or following.index >= row.index + row.size):
            yield from found
        else:
            for result in found:
                heapq.heappush(overlapping, (result.index, result.seq, result))
            while overlapping and (following is None or overlapping[0][0] < following.index):
                yield heapq.heappop(overlapping)[2]
        row = following


def _may_have(row: ResultRow, ok: bool | None) -> bool:  # noqa: FBT001 - None is the third value
    return ok is None or (row.failed < row.count if ok else row.failed > 0)


def results_since(reader: Reader, list_id: ListId, seq: int) -> Iterator[Recorded]:
    """Go through the results from a seq on, in order of arrival."""
    withdrawals = Withdrawals(reader.withdrawn(list_id))
    for row in reader.results_since(list_id, seq):
        yield from (result for result in _of_row(row, withdrawals) if result.seq >= seq)


def failed_indices(reader: Reader, list_id: ListId) -> IntervalSet:
    """Give the indices whose outcome is not ok."""
    withdrawals = Withdrawals(reader.withdrawn(list_id))
    found = IntervalSet()
    for row in reader.results(list_id):
        if row.failed:
            for index in _failed_of(row, withdrawals):
                found.add(index, index + 1)
    return found


def counts_within(reader: Reader, list_id: ListId, ranges: IntervalSet) -> tuple[int, int]:
    """Count the results in these ranges, and those of them that are not ok."""
    withdrawals = Withdrawals(reader.withdrawn(list_id))
    results = failed = 0
    first = ranges.starts[0] if ranges.size else 0
    for row in reader.results(list_id, index=first):
        if not ranges.within(row.index, row.index + row.size):
            continue
        if ranges.covers(row.index, row.index + row.size) and not withdrawals.concern(row):
            results += row.count
            failed += row.failed
            continue
        batch = from_payload(row.index, row.payload)
        not_ok = frozenset(batch.failed)
        for position, index in enumerate(batch.indices()):
            if index in ranges and withdrawals.count(index, row.seq + position):
                results += 1
                failed += position in not_ok
    return results, failed


def rewritten(row: ResultRow, withdrawals: Withdrawals) -> list[ResultRow] | None:
    """Give the rows that a row becomes when its withdrawn results are removed; None when none are."""
    if not withdrawals.concern(row):
        return None
    batch = from_payload(row.index, row.payload)
    counting = [withdrawals.count(index, row.seq + position) for position, index in enumerate(batch.indices())]
    if all(counting):
        return None
    rows, first = [], 0
    for position in range(batch.count + 1):
        if position < batch.count and counting[position]:
            continue
        if first < position:
            part = batch.part(first, position)
            rows.append(
                row._replace(
                    seq=row.seq + first, index=part.index, size=part.size, count=part.count,
                    failed=len(part.failed), payload=to_payload(part),
                )
            )  # fmt: skip
        first = position + 1
    return rows


def _of_row(row: ResultRow, withdrawals: Withdrawals) -> Iterator[Recorded]:
    batch = from_payload(row.index, row.payload)
    concerned = withdrawals.concern(row)
    for seq, result in enumerate(batch.results(), row.seq):
        if not concerned or withdrawals.count(result.index, seq):
            yield Recorded(result.index, seq, result.value, result.ok, result.seconds, row.worker, batch.codec)


def _failed_of(row: ResultRow, withdrawals: Withdrawals) -> list[int]:
    batch = from_payload(row.index, row.payload)
    indices = batch.indices()
    return [indices[position] for position in batch.failed if withdrawals.count(indices[position], row.seq + position)]
