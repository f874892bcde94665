"""Late reports: what an ended lease may still record, and what it may not learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from ledger_desk import Desk

from teamtask.ledger.commands import Failure, Outcomes, Report, RerunDone, Unpark

if TYPE_CHECKING:
    from teamtask.ledger.commands import ReportReply

HUGE = 10**5_000


def brief(reply: ReportReply) -> tuple[str, int | None, int | None]:
    return reply.status, reply.cursor, reply.end


def test_a_late_report_still_counts_while_nobody_else_has_done_it() -> None:
    desk = Desk()
    lease = desk.claim()
    desk.expire(lease)
    assert desk.report(lease, 6, outcomes=Outcomes(((0, 6),))).status == "done"
    assert (desk.done, desk.returned, desk.ledger.results) == ([(0, 6)], [(6, 10)], 6)


def test_the_first_to_finish_wins() -> None:
    desk = Desk()
    slow = desk.claim("ann")
    desk.expire(slow)
    fast = desk.claim("bob")
    desk.report(fast, 3, outcomes=Outcomes(((0, 3),)))
    late = desk.report(slow, outcomes=Outcomes(((0, 10),)))
    assert (late.status, late.recorded, late.seq) == ("done", ((3, 10),), 3)
    assert fast.id not in desk.ledger.leases
    assert desk.report(fast).status == "already_done"
    assert (desk.ledger.results, desk.done) == (10, [(0, 10)])


def test_what_a_late_worker_did_is_counted_for_it() -> None:
    desk = Desk()
    lease = desk.claim()
    desk.expire(lease)
    desk.report(lease, 6, outcomes=Outcomes(((0, 6),), (1,)))
    worker = desk.ledger.workers.by_key[lease.key]
    assert (worker.done, worker.failed) == (6, 1)


def test_of_a_late_report_failures_errors_releases_and_ends_are_ignored() -> None:
    desk = Desk()
    lease = desk.claim()
    desk.expire(lease)
    late = {"failed": ((2, "broken"),), "error": Failure("killed", 7), "release": True, "end": 3}
    assert desk.report(lease, 5, **late).status == "done"
    assert (desk.done, desk.returned) == ([(0, 2), (3, 5)], [(2, 3), (5, 10)])
    assert {piece.failures for piece in desk.ledger.returned} == {1}


def test_what_was_told_to_have_failed_cannot_be_done_late() -> None:
    desk = Desk()
    lease = desk.claim()
    desk.report(lease, 0, failed=((2, "broken"),))
    desk.expire(lease)
    assert desk.report(lease).status == "done"
    assert (desk.done, desk.returned) == ([(0, 2), (3, 10)], [(2, 3)])


def test_an_error_at_an_index_lets_nothing_be_done_late() -> None:
    desk = Desk()
    lease = desk.claim()
    desk.report(lease, 2, error=Failure("killed", 4))
    assert desk.report(lease).status == "stale"
    assert desk.done == [(0, 2)]


def test_a_piece_remembers_all_the_leases_that_it_went_through() -> None:
    desk = Desk()
    first = desk.claim("ann")
    desk.take_back(first)
    second = desk.claim("bob")
    desk.take_back(second)
    third = desk.claim("cy")
    assert desk.report(first, 2).status == "done"
    assert desk.report(second, 4, begin=2).status == "done"
    assert brief(desk.report(third, 4)) == ("already_done", 4, 10)


def test_a_rerun_forgets_who_worked_before_even_where_pieces_merge() -> None:
    desk = Desk()
    lease = desk.claim()
    desk.report(lease, 5, outcomes=Outcomes(((0, 5),)))
    desk.take_back(lease)
    desk.carry_out(RerunDone(((0, 5),), 5))
    assert desk.returned == [(0, 10)], "siblings merge"
    reply = desk.report(lease, 10, outcomes=Outcomes(((0, 10),)))
    assert reply.recorded == ((5, 10),)
    assert (desk.done, desk.returned) == ([(5, 10)], [(0, 5)])


def test_an_unparked_index_forgets_who_worked_before() -> None:
    desk = Desk(10, attempts=1)
    lease = desk.claim()
    desk.report(lease, 0, failed=((3, "broken"),))
    desk.take_back(lease)
    desk.carry_out(Unpark(None))
    assert desk.returned == [(0, 10)]
    desk.report(lease)
    assert (desk.done, desk.returned) == ([(0, 3), (4, 10)], [(3, 4)])


def test_the_tail_that_was_given_back_can_be_done_late() -> None:
    desk = Desk()
    lease = desk.claim()
    desk.report(lease, 2, end=5)
    assert brief(desk.report(lease, 9)) == ("done", 5, 5), "a living lease records in its own range"
    assert desk.report(lease, 9).status == "done", "an ended one where it is remembered"
    assert desk.done == [(0, 9)]


@pytest.mark.parametrize("principal", ["p", "q"])
def test_a_lease_that_nobody_remembers_is_stale(principal: str) -> None:
    desk = Desk()
    lease = desk.claim()
    desk.report(lease)
    assert desk.report(lease, 20, principal=principal).status == "stale"
    assert desk.report(lease, 10, principal=principal).status == "already_done"
    assert desk.report(lease, 0, principal=principal).status == "stale"


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize(
    "fields",
    [
        {}, {"upto": 5}, {"upto": 20}, {"upto": 0}, {"upto": 7, "begin": 5}, {"index": 3, "upto": 5}, {"upto": -1},
        {"upto": 4, "fold": 4}, {"upto": 4, "fold": "x"}, {"end": -1}, {"end": 5}, {"error": Failure("x", 99)},
        {"error": Failure("x", HUGE)}, {"release": True}, {"failed": ((1, ""),)}, {"ranges": ((3, 1),)},
        {"outcomes": Outcomes(((0, 99),))}, {"outcomes": Outcomes(((0, 2),))},
    ],
)  # fmt: skip
def test_another_principal_learns_nothing_of_a_lease(fields: dict[str, Any], ended: bool) -> None:  # noqa: FBT001 - a case
    """It is answered like one that there never was, whatever is wrong with the report."""
    desk = Desk(fold="sum")
    lease = desk.claim("ann")
    desk.report(lease, 4, fold=4)
    if ended:
        desk.take_back(lease)
    before = (desk.done, desk.returned, lease.expires)
    report = {"index": 0, "upto": 10, **fields}
    asked = desk.exchange("ann", Report(lease.id, **report), principal="q").reports[0]
    unknown = desk.exchange("ann", Report("no such lease", **report), principal="q").reports[0]
    assert (asked.status, asked.cursor, asked.end, asked.rest, asked.recorded) == (
        (unknown.status, unknown.cursor, unknown.end, unknown.rest, unknown.recorded)
    )
    assert str(asked.error) == str(unknown.error)
    assert (desk.done, desk.returned, lease.expires) == before


def test_any_worker_of_the_principal_may_report() -> None:
    desk = Desk()
    assert desk.report(desk.claim("ann"), worker="bob").status == "done"
