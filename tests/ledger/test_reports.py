"""Reports: sets of indices, progress and completion, folds, late and repeated ones, and what is wrong with some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from ledger_desk import LEASE_SECONDS, Desk

from teamtask.ledger import reports
from teamtask.ledger.commands import Failure, MoveList, Outcomes, Report
from teamtask.ledger.errors import InvalidField
from teamtask.ledger.events import Extended
from teamtask.ledger.list_state import Move
from teamtask.ledger.rules import ERROR_BYTES_MAX, RANGES_MAX

if TYPE_CHECKING:
    from teamtask.ledger.commands import ReportReply

HUGE = 10**5_000


def brief(reply: ReportReply) -> tuple[str, int | None, int | None]:
    return reply.status, reply.cursor, reply.end


def test_the_example_of_the_web_api_is_answered_as_it_says() -> None:
    desk = Desk(10_000, block=1_000)
    held = [desk.claim() for _ in range(10)]
    replies = desk.exchange(
        "ann",
        Report(held[1].id, 1_000, 2_000, 1_000, outcomes=Outcomes(((1_007, 1_009),), (1_008,))),
        Report(held[5].id, 5_000, 5_120, error=Failure("killed by signal 11")),
        Report(held[9].id, 9_000, 9_400, release=True),
        Report(held[7].id, 7_000, 7_100, ranges=((7_300, 7_350),), failed=((7_301, "no such file"),), end=7_500),
    ).reports
    assert [brief(reply) for reply in replies] == [
        ("done", 2_000, 2_000),
        ("failed", 5_120, 6_000),
        ("released", 9_400, 10_000),
        ("held", 7_100, 7_500),
    ]
    assert replies[3].expires == desk.now + LEASE_SECONDS
    assert desk.done == [(1_000, 2_000), (5_000, 5_120), (7_000, 7_100), (7_300, 7_301), (7_302, 7_350), (9_000, 9_400)]
    assert desk.returned == [(5_120, 6_000), (7_301, 7_302), (7_500, 8_000), (9_400, 10_000)]
    assert (desk.ledger.results, desk.ledger.failed) == (2, 1)


def test_upto_is_absolute_and_progress_extends_the_lease() -> None:
    desk = Desk()
    lease = desk.claim()
    desk.now += 30
    assert brief(desk.report(lease, 4)) == ("held", 4, 10)
    assert brief(desk.report(lease, 3)) == ("already_done", 4, 10)
    assert lease.expires == desk.now + LEASE_SECONDS
    assert brief(desk.report(lease)) == ("done", 10, 10)


def test_a_heartbeat_only_extends() -> None:
    desk = Desk()
    lease = desk.claim()
    desk.now += 30
    assert brief(desk.report(lease, 0)) == ("held", 0, 10)
    assert desk.events == [Extended(lease.id, desk.now + LEASE_SECONDS)]


def test_from_counts_only_what_is_new() -> None:
    desk = Desk()
    lease = desk.claim()
    assert brief(desk.report(lease, 6, begin=4)) == ("held", 0, 10)
    assert desk.done == [(4, 6)]


def test_ranges_come_in_any_order_and_may_reach_out_of_the_lease() -> None:
    desk = Desk()
    desk.claim("bob")
    lease = desk.claim()
    assert brief(desk.report(lease, 10, ranges=((17, 40), (5, 12), (12, 12)))) == ("held", 12, 20)
    assert desk.done == [(10, 12), (17, 20)]


def test_the_first_lease_of_a_report_is_told_by_its_index() -> None:
    desk = Desk()
    lease = desk.claim()
    reply = desk.report(lease, 10, index=1)
    assert reply.status == "error"
    assert isinstance(reply.error, InvalidField)
    assert reply.error.field == "index"


def test_a_release_gives_back_the_rest_without_a_failure() -> None:
    desk = Desk()
    lease = desk.claim()
    assert brief(desk.report(lease, 4, release=True)) == ("released", 4, 10)
    (piece,) = desk.ledger.returned
    assert (piece.start, piece.stop, piece.failures, piece.restarts) == (4, 10, 0, 1)


def test_a_release_of_what_is_all_done_is_done() -> None:
    desk = Desk()
    assert desk.report(desk.claim(), release=True).status == "done"


def test_end_gives_back_only_the_tail() -> None:
    desk = Desk()
    lease = desk.claim()
    assert brief(desk.report(lease, 4, end=7)) == ("held", 4, 7)
    assert brief(desk.report(lease, 7)) == ("done", 7, 7)
    assert desk.returned == [(7, 10)]


@pytest.mark.parametrize("end", [0, 3, 4])
def test_an_end_at_or_below_the_cursor_ends_the_lease(end: int) -> None:
    desk = Desk()
    lease = desk.claim()
    assert brief(desk.report(lease, 4, end=end)) == ("done", end, end)
    assert (desk.done, desk.returned) == ([(0, 4)], [(4, 10)])


def test_an_end_beyond_the_lease_changes_nothing() -> None:
    desk = Desk()
    assert brief(desk.report(desk.claim(), 4, end=99)) == ("held", 4, 10)


def test_failed_items_leave_the_lease_alone_and_the_lease_goes_on() -> None:
    desk = Desk()
    lease = desk.claim()
    assert brief(desk.report(lease, 5, failed=((2, "broken"), (2, "twice"), (7, "broken"), (99, "another's")))) == (
        "held",
        5,
        10,
    )
    assert [(piece.start, piece.failures, piece.memories) for piece in desk.ledger.returned] == [(2, 1, ()), (7, 1, ())]
    assert brief(desk.report(lease)) == ("done", 10, 10)
    assert desk.done == [(0, 2), (3, 7), (8, 10)], "upto jumps over what was told to have failed"


def test_a_lease_all_of_whose_items_failed_is_over() -> None:
    desk = Desk(block=2)
    assert brief(desk.report(desk.claim(), 0, failed=((0, "a"), (1, "b")))) == ("done", 2, 2)


def test_an_error_gives_back_the_rest_with_a_failure() -> None:
    desk = Desk()
    lease = desk.claim()
    assert brief(desk.report(lease, 4, error=Failure("killed"))) == ("failed", 4, 10)
    (piece,) = desk.ledger.returned
    assert (piece.start, piece.stop, piece.failures, piece.failed_by) == (4, 10, 1, (lease.key,))


def test_an_error_at_an_index_blames_only_that() -> None:
    desk = Desk()
    lease = desk.claim()
    assert brief(desk.report(lease, 4, error=Failure("killed", 6))) == ("failed", 4, 10)
    assert [(piece.start, piece.stop, piece.failures) for piece in desk.ledger.returned] == [
        (4, 6, 0),
        (6, 7, 1),
        (7, 10, 0),
    ]


def test_an_error_at_an_index_that_is_done_blames_nothing() -> None:
    desk = Desk()
    assert desk.report(desk.claim(), 4, error=Failure("killed", 2)).status == "failed"
    assert [(piece.start, piece.stop, piece.failures) for piece in desk.ledger.returned] == [(4, 10, 0)]


def test_who_holds_the_lease_is_to_blame_whatever_name_the_report_gives() -> None:
    desk = Desk()
    lease = desk.claim("ann")
    desk.report(lease, 0, worker="somebody", error=Failure("killed"))
    assert next(iter(desk.ledger.returned)).failed_by == (lease.key,)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"upto": -1}, "upto"),
        ({"upto": 3, "begin": 4}, "upto"),
        ({"upto": HUGE}, "upto"),
        ({"upto": 3, "begin": -HUGE}, "from"),
        ({"ranges": ((5, 4),)}, "ranges"),
        ({"ranges": ((5, HUGE),)}, "ranges"),
        ({"ranges": tuple((n, n + 1) for n in range(RANGES_MAX + 1))}, "ranges"),
        ({"failed": tuple((n, "") for n in range(RANGES_MAX + 1))}, "failed"),
        ({"upto": 2, "outcomes": Outcomes(((0, 3),))}, "results"),
        ({"upto": 5, "outcomes": Outcomes(((0, 3), (2, 4)))}, "results"),
        ({"upto": 5, "outcomes": Outcomes(((3, 4), (0, 1)))}, "results"),
        ({"upto": 5, "outcomes": Outcomes(((3, 3),))}, "results"),
        ({"upto": 5, "outcomes": Outcomes(((0, 3),), (4,))}, "results"),
        ({"upto": 5, "outcomes": Outcomes(((0, 3),), (1, 1))}, "results"),
        ({"upto": 5, "failed": ((1, "broken"),), "outcomes": Outcomes(((0, 3),))}, "results"),
        ({"upto": 5, "fold": 7}, "fold"),
        ({"end": -1}, "end"),
        ({"end": HUGE}, "end"),
        ({"error": Failure("", 10)}, "error.index"),
        ({"error": Failure("", HUGE)}, "error.index"),
        ({"index": HUGE, "upto": HUGE + 1}, "index"),
    ],
)
def test_a_wrong_report_is_an_error_of_its_own_and_changes_nothing(fields: dict[str, Any], field: str) -> None:
    desk = Desk()
    lease, other = desk.claim(), desk.claim()
    expires = lease.expires
    desk.now += 1
    wrong = Report(lease.id, **{"index": 0, "upto": 0, **fields})
    replies = desk.exchange("ann", wrong, Report(other.id, 10, 20)).reports
    assert [reply.status for reply in replies] == ["error", "done"]
    error = replies[0].error
    assert isinstance(error, InvalidField)
    assert error.field == field
    assert len(error.message) < 200, "a message is short, whatever numbers it tells of"
    assert (desk.done, desk.returned, lease.expires) == ([(10, 20)], [], expires)


def test_a_number_of_4000_digits_is_as_good_as_any() -> None:
    last = 10**4_000 - 1
    desk = Desk(9, start=last - 9)
    lease = desk.claim()
    assert desk.report(lease, last - 2).status == "held"
    assert desk.report(lease, last, error=Failure("", last - 1)).status == "done"
    assert desk.done == [(last - 9, last)]


# --- results


def test_results_outside_the_rest_are_dropped_and_the_others_kept() -> None:
    desk = Desk()
    lease = desk.claim()
    first = desk.report(lease, 4, outcomes=Outcomes(((0, 3),), (1,)))
    assert (first.recorded, first.seq) == (None, 0)
    second = desk.report(lease, 6, outcomes=Outcomes(((1, 6),), (1, 5)))
    assert (second.recorded, second.seq) == (((4, 6),), 3)
    again = desk.report(lease, 6, outcomes=Outcomes(((1, 6),), (1, 5)))
    assert (again.status, again.recorded) == ("already_done", ())
    assert (desk.ledger.results, desk.ledger.failed, desk.ledger.seq) == (5, 2, 5)


def test_an_outcome_that_is_not_ok_is_done_and_never_parked() -> None:
    desk = Desk(10, attempts=1)
    desk.report(desk.claim(), outcomes=Outcomes(((0, 10),), tuple(range(10))))
    assert (desk.ledger.state, desk.ledger.failed, desk.ledger.parked) == ("complete", 10, {})


def test_results_of_a_whole_block_are_numbered_as_they_come() -> None:
    desk = Desk()
    first, second = desk.claim(), desk.claim()
    assert desk.report(second, outcomes=Outcomes(((10, 20),))).seq == 0
    assert desk.report(first, outcomes=Outcomes(((0, 10),))).seq == 10


# --- folds


def test_a_fold_is_of_exactly_what_is_told() -> None:
    desk = Desk(fold="sum")
    lease = desk.claim()
    assert desk.report(lease, 4, fold=4).status == "held"
    cut = desk.report(lease, 6, fold=6)
    assert (cut.status, cut.rest) == ("cut", ((4, 10),))
    assert desk.ledger.fold == 4
    assert desk.report(lease, 6, begin=4, fold=2).status == "held"
    assert desk.report(lease, 10, begin=6, fold=4).status == "done"
    assert desk.ledger.fold == 10


def test_a_report_that_is_cut_changes_and_extends_nothing() -> None:
    desk = Desk(fold="sum")
    lease = desk.claim()
    desk.report(lease, 4, fold=4)
    expires = lease.expires
    desk.now += 10
    assert desk.report(lease, 6, fold=6, failed=((8, "broken"),), release=True).status == "cut"
    assert (desk.events, lease.expires) == ([], expires)


def test_a_repeated_fold_is_known_already_and_counts_once() -> None:
    desk = Desk(fold="sum")
    lease = desk.claim()
    desk.report(lease, 4, fold=4)
    assert brief(desk.report(lease, 4, fold=4)) == ("already_done", 4, 10)
    assert desk.ledger.fold == 4


def test_without_its_fold_nothing_is_recorded() -> None:
    desk = Desk(fold="sum")
    lease = desk.claim()
    assert brief(desk.report(lease, 10)) == ("held", 0, 10)
    assert brief(desk.report(lease, 4, error=Failure("killed"))) == ("failed", 0, 10)
    assert desk.done == []


def test_the_fold_of_nothing_is_ignored() -> None:
    desk = Desk(fold="sum")
    lease = desk.claim()
    assert desk.report(lease, 0, fold=1_000).status == "held"
    assert desk.ledger.fold is None


def test_a_fold_of_another_kind_or_too_large_is_an_error() -> None:
    desk = Desk(fold="sum")
    lease = desk.claim()
    assert desk.report(lease, 4, fold="4").status == "error"
    desk.report(lease, 4, fold=10**4_000 - 1)
    reply = desk.report(lease, 6, begin=4, fold=1)
    assert reply.status == "error"
    assert desk.done == [(0, 4)]


def test_a_late_fold_counts_only_if_all_of_it_is_still_open() -> None:
    desk = Desk(fold="sum")
    lease = desk.claim()
    desk.take_back(lease)
    other = desk.claim("bob")
    desk.report(other, 3, fold=3)
    cut = desk.report(lease, 10, fold=10)
    assert (cut.status, cut.rest) == ("cut", ((3, 10),))
    assert desk.report(lease, 10).status == "stale", "without its fold nothing of it is recorded"
    assert desk.report(lease, 8, begin=3, fold=5).status == "done"
    assert desk.report(other, 10, begin=8, fold=2).status == "done"
    assert (desk.ledger.fold, desk.done) == (10, [(0, 10)])


# --- states


@pytest.mark.parametrize(("move", "extends"), [(Move.RESUME, True), (Move.PAUSE, True), (Move.CANCEL, False)])
def test_a_report_records_in_every_state_and_extends_in_running_and_paused(move: Move, *, extends: bool) -> None:
    desk = Desk()
    lease = desk.claim()
    desk.carry_out(MoveList(move))
    expires = lease.expires
    desk.now += 10
    reply = desk.report(lease, 4)
    assert (reply.status, desk.done) == ("held", [(0, 4)])
    assert (lease.expires > expires) == extends
    desk.report(lease, 4, begin=4)
    assert (lease.expires > expires) == extends


def test_without_progress_a_lease_is_extended_for_one_item_at_most() -> None:
    desk = Desk(item_seconds=100.0)
    lease = desk.claim()
    granted = desk.now
    for _ in range(3):
        desk.now += 50
        desk.report(lease, 0)
    assert lease.id not in desk.ledger.leases, "nothing was done for 100 seconds"
    lease = desk.claim("bob")
    desk.now += 50
    desk.report(lease, 1)
    progressed = desk.now
    desk.now += 50
    desk.report(lease, 1)
    assert progressed > granted
    assert lease.expires == progressed + 100


def test_without_item_seconds_a_live_worker_is_waited_for() -> None:
    desk = Desk()
    lease = desk.claim()
    for _ in range(100):
        desk.now += 50
        assert desk.report(lease, 0).status == "held"


def test_a_report_in_hand_keeps_its_lease_alive_although_its_time_is_over() -> None:
    desk = Desk()
    lease = desk.claim()
    desk.sweep(LEASE_SECONDS - 1)
    desk.now += 30
    assert desk.report(lease, 1).status == "held"
    assert lease.expires == desk.now + LEASE_SECONDS


@pytest.mark.parametrize("error", ["x" * 5_000, "ä" * 5_000, "broken \ud800", ""])
def test_an_error_text_is_kept_short_and_can_be_written(error: str) -> None:
    desk = Desk(attempts=1)
    desk.report(desk.claim(), 0, failed=((3, error),))
    kept = desk.ledger.parked[3].error
    assert len(kept.encode()) <= ERROR_BYTES_MAX
    assert kept[:5] == error[:5]


@pytest.mark.parametrize("outcomes", [None, Outcomes(((10, 20),)), Outcomes(((10, 20),), (12,)), Outcomes(((11, 13),))])
@pytest.mark.parametrize("begin", [None, 10])
@pytest.mark.parametrize("seconds", [0.0, 7.0])
def test_the_short_way_of_the_usual_report_leads_where_the_long_one_does(
    monkeypatch: pytest.MonkeyPatch, outcomes: Outcomes | None, begin: int | None, seconds: float
) -> None:
    ways = []
    for short in (True, False):
        if not short:
            monkeypatch.setattr(reports, "_plain_completion", lambda *_: None)
        desk = Desk()
        first = desk.claim()
        desk.now += 5
        desk.report(first, outcomes=Outcomes(((0, 10),)))
        lease = desk.claim()
        assert (lease.start, lease.stop) == (10, 20)
        desk.now += seconds
        ways.append((desk.report(lease, begin=begin, outcomes=outcomes), desk.events))
    assert ways[0] == ways[1]
