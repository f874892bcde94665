"""`verify_list`: whether a list's ledger is sound, and its results and lines are those that it speaks of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teamtask.ledger.big_numbers import counted, shown
from teamtask.ledger.errors import TeamtaskError, UnknownFormat
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.invariants import check_invariants
from teamtask.service.results import Withdrawals, rewritten
from teamtask.wire.result_batch import JSON, from_payload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.service.service import ListView, Service
    from teamtask.stores.store import ListRecord, ResultRow

FINDINGS_MAX = 100


def verify_list(service: Service, record: ListRecord) -> list[str]:
    """Say what is wrong with a list, in 100 sentences at most; reads all of its results once.

    Memory is bounded by the rows of results that overlap one another.
    """
    findings: list[str] = []
    try:
        with service.view(record) as view:
            for finding in _findings(view):
                findings.append(finding)
                if len(findings) == FINDINGS_MAX:
                    break
    except TeamtaskError as error:  # what is damaged ends the reading
        findings.append(error.message)
    return findings


def _findings(view: ListView) -> Iterator[str]:
    try:
        check_invariants(view.ledger)
    except AssertionError as wrong:
        yield f"The ledger contradicts itself. {wrong}"
    yield from _wrong_results(view)
    yield from _wrong_lines(view)


class _Tally:
    """Counts results, and finds indices that have two or are not done."""

    def __init__(self, done: IntervalSet) -> None:
        self._done = done
        self._open: list[tuple[int, IntervalSet]] = []  # rows that the next ones may overlap: (end, indices)
        self.results = self.failed = 0

    def take(self, row: ResultRow, withdrawals: Withdrawals) -> Iterator[str]:
        """Take the next row in order of index; say what is wrong with it."""
        self._open = [(end, indices) for end, indices in self._open if end > row.index]
        counting = rewritten(row, withdrawals)
        for part in [row] if counting is None else counting:
            batch = from_payload(part.index, part.payload)
            indices = IntervalSet(batch.ranges())
            values = len(batch.decoded()) if batch.codec == JSON else batch.count  # a pickle may need what is not here
            if (part.count, part.failed, part.size, values) != (
                batch.count,
                len(batch.failed),
                batch.size,
                batch.count,
            ):
                yield f"The results of seq {part.seq} are not as many as are said to be there."
            self.results += part.count
            self.failed += part.failed
            if not_done := indices.difference(self._done):
                yield f"{_indices(not_done)} without being done, in the results of seq {part.seq}."
            for _, others in self._open:
                if twice := indices.intersection(others):
                    yield f"{_indices(twice)} twice, the second time in the results of seq {part.seq}."
            self._open.append((part.index + part.size, indices))


def _wrong_results(view: ListView) -> Iterator[str]:
    ledger, reader, list_id = view.ledger, view.reader, view.record.id
    withdrawals = Withdrawals(reader.withdrawn(list_id))
    tally = _Tally(ledger.done)
    for row in reader.results(list_id):
        try:
            yield from tally.take(row, withdrawals)
        except UnknownFormat as error:
            yield f"The results of seq {row.seq} are damaged. {error}"
        if row.seq + row.count > ledger.seq:
            yield f"There are results of seq {row.seq}, and the ledger has recorded only {ledger.seq}."
    if (tally.results, tally.failed) != (ledger.results, ledger.failed):
        kept = f"{counted(tally.results, 'result is', 'results are')} kept, {shown(tally.failed)} of them not ok"
        yield f"{kept}; the ledger says {shown(ledger.results)} and {shown(ledger.failed)}."


def _wrong_lines(view: ListView) -> Iterator[str]:
    source = view.definition.source
    if source.get("kind") != "lines" or "items" in source or not view.ledger.size:  # none: it awaits them
        return
    last = list(view.reader.lines(view.record.id, view.ledger.size - 1, 2))
    if len(last) != 1:
        yield f"The list has {shown(view.ledger.size)} items, and not as many lines."


def _indices(indices: IntervalSet) -> str:
    first = shown(indices.starts[0])
    if indices.size == 1:
        return f"Index {first} has a result"
    return f"{shown(indices.size)} indices, the first of them {first}, have a result"
