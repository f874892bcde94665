"""A lease in a program's hands: which blocks it gives, what it reports, and what it makes of the answers."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from teamtask.client import held_lease
from teamtask.client.held_lease import HeldLease, Sent
from teamtask.wire.limits import RESULTS_MAX
from teamtask.wire.messages import Lease, Report, ReportStatus

NOW = 1000.0


def held_of(index: int = 0, size: int = 30, block_size: int = 10, fold: str | None = None, **more: Any) -> HeldLease:
    return HeldLease(Lease("l", "list", "id", "list-1", index, size, block_size, 1, 60.0, "f", **more), fold, NOW)


def work(held: HeldLease, count: int = 1, *, told: bool = True, fold: Any = None) -> None:
    """Work so many blocks, each to its end."""
    for _ in range(count):
        start, stop = held.begin_block()
        if told:
            held.tell(start, stop, fold)
        held.put_away()


def answer(sent: Sent, status: str, **more: Any) -> None:
    sent.held.hear(sent, ReportStatus("l", status, **more))


def goes_on(sent: Sent, **more: Any) -> None:
    answer(sent, "held", expires_in_seconds=60.0, **more)


def done_of(report: Report) -> list[tuple[int, int]]:
    """Give the ranges [start, stop) that a report says are done."""
    begin = report.index if report.begin is None else report.begin
    first = [(begin, report.upto)] if begin < report.upto else []
    return [*first, *((index, index + size) for index, size in report.ranges)]


@given(st.integers(0, 2**70), st.integers(1, 200), st.integers(1, 50), st.data())
def test_the_blocks_are_the_rest_of_the_lease_cut_at_every_block_size(
    index: int, size: int, block_size: int, data: st.DataObject
) -> None:
    rest = None
    expected = set(range(index, index + size))
    if data.draw(st.booleans()):
        gone = data.draw(st.sets(st.integers(index, index + size - 1), max_size=10))
        rest = tuple((left, 1) for left in sorted(expected - gone))
        expected -= gone
    held = held_of(index, size, block_size, rest=rest)
    found: list[int] = []
    while held.to_begin:
        start, stop = held.begin_block()
        assert (start - index) // block_size == (stop - 1 - index) // block_size
        found += range(start, stop)
    assert found == sorted(expected)


def test_a_lease_that_is_worked_to_the_end_is_reported_as_a_whole() -> None:
    held = held_of()
    work(held, 3)
    sent = held.report(NOW)
    assert sent.report == Report("l", 0, 30)
    answer(sent, "done", cursor=30, end=30)
    assert held.is_over
    assert not held.has_news


def test_what_was_left_is_given_back_with_the_last_report() -> None:
    held = held_of()
    work(held)
    work(held, told=False)
    work(held)
    report = held.report(NOW).report
    assert done_of(report) == [(0, 10), (20, 30)]
    assert report.release


def test_nothing_is_given_back_while_a_block_is_to_be_begun_or_in_hand() -> None:
    held = held_of()
    work(held, 2, told=False)
    assert not held.report(NOW).report.release
    held.begin_block()
    assert not held.report(NOW).report.release
    held.put_away()
    assert held.report(NOW).report.release


def test_a_sign_of_life_says_nothing_and_is_due_after_a_third_of_the_lease() -> None:
    held = held_of()
    assert held.renew_at == NOW + 20
    assert held.report(NOW + 5).report == Report("l", 0, 0)
    assert held.renew_at == NOW + 25


def test_a_lease_becomes_shorter_as_the_list_says() -> None:
    held = held_of()
    sent = held.report(NOW)
    answer(sent, "held", expires_in_seconds=6.0)
    assert held.renew_at == NOW + 2


def test_the_end_moves_down_and_what_lies_behind_is_not_ours() -> None:
    held = held_of()
    held.begin_block()
    goes_on(held.report(NOW), end=15)
    assert held.end == 15
    assert held.to_begin == 5
    held.tell(0, 10)
    held.put_away()
    work(held)
    report = held.report(NOW).report
    assert done_of(report) == [(0, 15)]
    assert not report.release


def test_a_lease_that_is_no_longer_ours_is_begun_no_further_but_told_late() -> None:
    for status in ("stale", "done", "released", "failed", "already_done"):
        held = held_of()
        held.begin_block()
        answer(held.report(NOW), status)
        assert held.is_over
        assert held.to_begin == 0
        assert held.renew_at > NOW + 10**9
        held.tell(0, 10)
        report = held.report(NOW).report
        assert done_of(report) == [(0, 10)]
        assert not report.release


def test_results_wait_until_their_index_is_told() -> None:
    held = held_of()
    held.begin_block()
    held.result(3, b"3", ok=True)
    held.result(1, b"1", ok=False)
    held.result(1, b"11", ok=False)
    assert held.report(NOW).report.results is None
    held.tell(0, 3)
    results = held.report(NOW).report.results
    assert results is not None
    assert [(result.index, result.value, result.ok) for result in results.results()] == [(1, 11, False)]
    held.put_away()  # 3 was never done
    assert held.waiting_bytes == 0


def test_what_does_not_go_into_one_report_goes_into_several(monkeypatch: Any) -> None:
    monkeypatch.setattr(held_lease, "REPORT_BYTES_MAX", 1000)
    held = held_of(size=100, block_size=100)
    held.begin_block()
    for index in range(100):
        held.result(index, b"1" * 40, ok=True)
    held.tell(0, 100)
    held.put_away()
    reports = []
    while held.has_news:
        sent = held.report(NOW)
        assert sent.size < 1100
        assert sent.report.error is None
        goes_on(sent)
        reports.append(sent.report)
    ranges = [told for report in reports for told in done_of(report)]
    assert len(reports) > 3
    assert [start for start, _ in ranges] == [0, *(stop for _, stop in ranges[:-1])]
    assert ranges[-1][1] == 100
    kept = [result.index for report in reports if report.results for result in report.results.results()]
    assert kept == list(range(100))
    assert held.waiting_bytes == 0


def test_a_report_carries_no_more_results_than_a_server_takes() -> None:
    held = held_of(size=RESULTS_MAX + 2, block_size=RESULTS_MAX + 2)
    held.begin_block()
    for index in range(RESULTS_MAX + 2):
        held.result(index, b"1", ok=True)
    held.tell(0, RESULTS_MAX + 2)
    first, second = held.report(NOW), held.report(NOW)
    assert done_of(first.report) == [(0, RESULTS_MAX)]
    assert done_of(second.report) == [(RESULTS_MAX, RESULTS_MAX + 2)]


def test_folds_of_parts_are_merged_into_that_of_all_that_is_told() -> None:
    held = held_of(fold="sum")
    held.begin_block()
    held.tell(0, 4, 6)
    held.tell(4, 10, 39)
    report = held.report(NOW).report
    assert (done_of(report), report.fold) == ([(0, 10)], 45)


def test_of_a_fold_that_cannot_be_divided_the_parts_that_are_open_are_told_again_and_the_others_worked_again() -> None:
    held = held_of(fold="sum")
    work(held, 2, fold=1)
    start, stop = held.begin_block()
    held.tell(start, 25, 3)
    held.tell(25, stop, 4)
    held.result(7, b"7", ok=True)
    held.result(26, b"26", ok=True)
    sent = held.report(NOW)
    held.put_away()
    answer(sent, "cut", rest=((0, 3), (10, 13)))  # others have done 3 to 9, and 23 to the end
    assert held.end == 23
    assert held.to_begin == 6  # 0 to 2, and of 20 to 24 those that are open
    again = held.report(NOW).report
    assert (done_of(again), again.fold, again.results) == ([(10, 20)], 1, None)
    assert [held.begin_block(), held.begin_block()] == [(0, 3), (20, 23)]


def test_a_failure_without_an_index_is_that_of_its_block_alone() -> None:
    held = held_of()
    work(held)
    start, stop = held.begin_block()
    held.tell(start, 13)
    held.fail("broken", None, stop)
    held.put_away()
    first = held.report(NOW)
    assert first.report.end == stop  # the other blocks come back without a failure
    assert first.report.error is None
    goes_on(first, end=stop)
    last = held.report(NOW).report
    assert last.error is not None
    assert (last.error.message, last.error.index, last.release) == ("broken", None, False)


def test_a_failure_with_an_index_ends_the_lease_at_once() -> None:
    held = held_of()
    start, stop = held.begin_block()
    held.tell(start, 3)
    held.fail("broken", 4, stop)
    held.put_away()
    report = held.report(NOW).report
    assert report.error is not None
    assert (done_of(report), report.error.index, report.end) == ([(0, 3)], 4, None)


def test_what_is_refused_is_given_back() -> None:
    held = held_of(size=10)
    work(held)
    refused = held.report(NOW)
    held.refuse(refused)
    given_back = held.report(NOW)
    assert given_back.report == Report("l", 0, 0, release=True)
    held.refuse(given_back)  # then it has to expire
    assert held.is_over


def test_a_lease_that_is_given_up_early_gives_back_what_is_not_done() -> None:
    held = held_of()
    work(held)
    report = held.report(NOW, release=True).report
    assert (done_of(report), report.release) == ([(0, 10)], True)
