"""`recorded_page`: results that a list has kept, adjacent ones in order, as many at a time as fit in memory."""

from __future__ import annotations

from array import array
from itertools import islice
from typing import TYPE_CHECKING

from teamtask.service.results import results_by_index
from teamtask.stores.store import StoreDamaged
from teamtask.wire.result_batch import PICKLE, from_payload, pack

if TYPE_CHECKING:
    from teamtask.ledger.ids import ListId
    from teamtask.stores.store import Reader
    from teamtask.wire.result_batch import ResultBatch

PAGE_BYTES = 4 << 20
_PAGE_RESULTS = 10_000


def recorded_page(reader: Reader, list_id: ListId, start: int, stop: int) -> list[ResultBatch]:
    """Give the results from `start` on, at least one and none from `stop` on; each index in between has one.

    Raises StoreDamaged when one is missing.
    """
    batches = [] if reader.withdrawn(list_id) else _whole_rows(reader, list_id, start, stop)
    return batches or [_one_by_one(reader, list_id, start, stop)]


def _whole_rows(reader: Reader, list_id: ListId, start: int, stop: int) -> list[ResultBatch]:
    """Give rows as they are, as far as they follow one another without gap or overlap."""
    batches: list[ResultBatch] = []
    length = 0
    for row in reader.results(list_id, index=start):
        if row.index > start or row.count != row.size or start >= stop or length >= PAGE_BYTES:
            break
        if row.index < start and batches:
            return batches[:-1]  # it overlaps the one before: which result counts is seen one by one
        batch = from_payload(row.index, row.payload)
        end = min(row.index + row.size, stop)
        if row.index < start or end < row.index + row.size:
            batch = batch.part(start - row.index, end - row.index)
        batches.append(batch)
        start = end
        length += len(row.payload)
    return batches


def _one_by_one(reader: Reader, list_id: ListId, start: int, stop: int) -> ResultBatch:
    found = list(islice(results_by_index(reader, list_id, index=start), min(_PAGE_RESULTS, stop - start)))
    count = next((at for at, result in enumerate(found) if result.index != start + at), len(found))
    if not count:
        raise StoreDamaged(f"The result of index {start} is missing.", hint="teamtask verify tells more.")
    found = found[:count]
    seconds = array("f", [result.seconds or 0.0 for result in found])
    return pack(
        range(start, start + count),
        [result.value for result in found],
        failed=[at for at, result in enumerate(found) if not result.ok],
        codec=PICKLE,
        seconds=seconds.tobytes() if any(result.seconds is not None for result in found) else b"",
    )
