"""What is finished while a report is in flight, and what of a report that did not arrive."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from teamtask.sources import range as numbers
from teamtask.wire.messages import Lease, ReportStatus
from teamtask.worker.function_folds import FoldOfResults
from teamtask.worker.held_leases import HeldLeases
from teamtask.worker.held_ranges import Finished, HeldRanges, KeepOutcomes, KeepPartialFolds

LEASE = Lease("lease", "list", "id", "name", 0, 4, 4, 1, 60.0, "fingerprint")
HELD = ReportStatus("lease", "held", 1, 4, 60.0)
STALE = ReportStatus("lease", "stale")


class Items:
    """A lease worked item by item."""

    def __init__(self) -> None:
        self.held = HeldLeases(numbers(4))
        self.held.add(LEASE, 0.0)

    def finish(self) -> int:
        found = self.held.next()
        assert found is not None
        held, index, _ = found
        self.held.finish(held, index, b"%d" % index, ok=True)
        return index

    def answer(self, sent: Any, status: ReportStatus) -> None:
        self.held.answered(sent.held, status)


class Ranges:
    """A lease worked by processes."""

    def __init__(self) -> None:
        self.held = HeldRanges(KeepOutcomes(), lambda _held: True)
        self.one = self.held.add(LEASE, 0.0)
        self.index = -1

    def finish(self) -> int:
        self.index += 1
        self.held.finish(self.one, Finished(self.index, self.index + 1, b"%d" % self.index))
        return self.index

    def answer(self, sent: Any, status: ReportStatus) -> None:
        if status is STALE:
            self.held.lose(sent.held)


def told(work: Items | Ranges, *, release: bool = False) -> list[tuple[list[int], Any]]:
    """Take the reports; give the indices that each one tells, and the report."""
    sent = work.held.reports(1.0, 60.0, release=release)
    return [([] if one.report.results is None else list(one.report.results.indices()), one) for one in sent]


@pytest.mark.parametrize("status", [HELD, STALE], ids=["held", "lost"])
@pytest.mark.parametrize("kind", [Items, Ranges])
def test_what_is_finished_meanwhile_goes_with_the_next_report(kind: type[Items | Ranges], status: ReportStatus) -> None:
    work = kind()
    first = work.finish()
    ((indices, sent),) = told(work)
    assert indices == [first]
    second = work.finish()
    work.answer(sent, status)
    assert work.held.waiting_bytes
    ((indices, sent),) = told(work)
    assert indices == [second]
    work.answer(sent, status)
    assert not work.held.waiting_bytes
    assert told(work) == []


@pytest.mark.parametrize("kind", [Items, Ranges])
def test_what_did_not_arrive_goes_with_the_next_report(kind: type[Items | Ranges]) -> None:
    work = kind()
    first = work.finish()
    ((_, sent),) = told(work)
    second = work.finish()
    work.held.put_back(sent)
    ((indices, sent),) = told(work)
    assert indices == [first, second]
    work.held.put_back(sent)
    *others, (indices, sent) = told(work, release=True)
    assert sent.report.release
    assert [index for some, _ in others for index in some] + indices == [first, second]
    assert told(work, release=True) == []


def test_a_fold_that_raises_keeps_no_lease_from_being_given_back() -> None:
    def merge(_one: int, _other: int) -> int:
        raise ZeroDivisionError

    held = HeldRanges(KeepPartialFolds(FoldOfResults(merge=merge)), lambda _held: False)
    for name, parts in (("first", 1), ("second", 2), ("third", 1)):
        lease = held.add(replace(LEASE, lease=name), 0.0)
        for index in range(parts):
            held.finish(lease, Finished(index, index + 1, fold=1))
    with pytest.raises(ZeroDivisionError):
        held.reports(1.0, 60.0, release=True)
    held.forget_finished()
    released = [one.report.lease for one in held.reports(1.0, 60.0, release=True) if one.report.release]
    assert released == ["first", "second", "third"]
