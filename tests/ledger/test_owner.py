"""What owners want: pause, resume, cancel, other rules, more items, parked ones back, done ones again."""

from __future__ import annotations

import pytest
from ledger_desk import Desk
from msgspec.structs import replace

from teamtask.ledger.commands import ChangeRules, Failure, Grow, MoveList, Outcomes, Report, RerunDone, Unpark
from teamtask.ledger.errors import FoldCannotBeDivided, InvalidField, TooMany, WrongState
from teamtask.ledger.events import Rerun, RulesChanged
from teamtask.ledger.list_state import ListState, Move
from teamtask.ledger.owner import rerun_ranges_max
from teamtask.ledger.rules import OWNER_RANGES_MAX, PIECES_MAX, Limits

PAUSE, RESUME, CANCEL = (MoveList(move) for move in (Move.PAUSE, Move.RESUME, Move.CANCEL))


def finished(size: int = 20, **rules: object) -> Desk:
    desk = Desk(size, growable=True, **rules)
    while desk.ledger.state is ListState.RUNNING:
        lease = desk.claim()
        fold = lease.stop - lease.start if desk.ledger.rules.fold else None
        desk.report(lease, fold=fold, outcomes=Outcomes(((lease.start, lease.stop),), (lease.start,)))
    return desk


# --- pause, resume, cancel


def test_the_same_state_again_is_no_error() -> None:
    desk = Desk()
    for command in (RESUME, PAUSE, PAUSE, CANCEL, CANCEL, RESUME, RESUME):
        desk.carry_out(command)
    assert (desk.ledger.state, desk.ledger.reason) == (ListState.RUNNING, None)


def test_a_paused_list_is_completed_by_what_was_in_flight() -> None:
    desk = Desk(10)
    lease = desk.claim()
    desk.carry_out(PAUSE)
    desk.report(lease)
    assert desk.ledger.state is ListState.COMPLETE


def test_a_list_cannot_be_resumed_past_its_parked_limit_until_that_is_mended() -> None:
    desk = Desk(attempts=1, limits=Limits(parked=1))
    desk.report(desk.claim(), 0, failed=((0, "broken"), (1, "broken")))
    with pytest.raises(WrongState, match="2 items are parked") as caught:
        desk.carry_out(RESUME)
    assert caught.value.hint == "Unpark them or raise limits.parked, then resume."
    desk.carry_out(Unpark(((1, 2),)))
    assert (desk.ledger.state, desk.ledger.reason) == (
        ListState.PAUSED,
        "Too many items were parked, which is mended: resume it.",
    )
    desk.carry_out(RESUME)
    desk.claim()


def test_a_raised_parked_limit_lets_a_list_be_resumed() -> None:
    desk = Desk(attempts=1, limits=Limits(parked=0))
    desk.report(desk.claim(), 0, failed=((0, "broken"),))
    desk.carry_out(ChangeRules(replace(desk.ledger.rules, limits=Limits(parked=1))))
    assert desk.ledger.reason == "Too many items were parked, which is mended: resume it."
    desk.carry_out(RESUME)
    assert desk.ledger.state is ListState.RUNNING
    desk.carry_out(ChangeRules(replace(desk.ledger.rules, limits=Limits(parked=0))))
    assert desk.ledger.state is ListState.PAUSED, "a lowered limit holds too"


# --- stop after results


def test_a_list_stops_after_so_many_results_ok_or_not() -> None:
    desk = Desk(stop_after_results=3)
    first, second = desk.claim(), desk.claim()
    desk.report(first, outcomes=Outcomes(((0, 2),), (0,)))
    assert desk.ledger.state is ListState.RUNNING
    desk.report(second, outcomes=Outcomes(((10, 20),), (10,)))
    assert (desk.ledger.state, desk.ledger.results) == (ListState.STOPPED, 12)
    assert desk.ledger.reason == "It has 12 results; it was to stop after 3."


def test_the_exchange_that_brings_the_last_result_is_given_nothing_more() -> None:
    desk = Desk(stop_after_results=1)
    lease = desk.claim()
    reply = desk.exchange("ann", Report(lease.id, 0, 10, outcomes=Outcomes(((0, 1),))), want=True)
    assert (reply.lease, reply.state, reply.retry_in_seconds) == (None, ListState.STOPPED, None)


def test_resuming_clears_the_stop_that_was_reached() -> None:
    desk = Desk(stop_after_results=1)
    desk.report(desk.claim(), outcomes=Outcomes(((0, 1),)))
    desk.carry_out(RESUME)
    assert (desk.ledger.state, desk.ledger.rules.stop_after_results) == (ListState.RUNNING, None)


def test_resuming_keeps_a_stop_that_is_still_to_come() -> None:
    desk = Desk(stop_after_results=1)
    desk.report(desk.claim(), outcomes=Outcomes(((0, 1),)))
    desk.carry_out(ChangeRules(replace(desk.ledger.rules, stop_after_results=4)))
    desk.carry_out(RESUME)
    assert desk.ledger.rules.stop_after_results == 4
    desk.now += 30
    desk.report(desk.claim(), 13, outcomes=Outcomes(((10, 13),)))
    assert desk.ledger.state is ListState.STOPPED


# --- items that are awaited


def test_a_list_gets_the_items_that_it_awaits_although_it_cannot_grow() -> None:
    desk = Desk(0, state=ListState.AWAITING_ITEMS)
    with pytest.raises(InvalidField, match="no items"):
        desk.carry_out(Grow(0))
    assert desk.carry_out(Grow(20)).changed == 20
    assert desk.ledger.state is ListState.RUNNING
    desk.claim()
    with pytest.raises(WrongState, match="not shuffled"):
        desk.carry_out(Grow(30))


def test_a_list_that_was_cancelled_before_its_items_came_awaits_them_again() -> None:
    desk = Desk(0, state=ListState.AWAITING_ITEMS)
    desk.carry_out(CANCEL)
    assert desk.ledger.state is ListState.CANCELLED, "it is not complete because it is empty"
    with pytest.raises(WrongState):
        desk.carry_out(Grow(20))
    desk.carry_out(RESUME)
    assert desk.ledger.state is ListState.AWAITING_ITEMS
    desk.carry_out(Grow(20))
    assert desk.ledger.state is ListState.RUNNING


# --- grow


def test_a_finished_list_that_grows_runs_again() -> None:
    desk = finished()
    assert desk.carry_out(Grow(20)).changed == 0
    assert desk.ledger.state is ListState.COMPLETE
    assert desk.carry_out(Grow(25)).changed == 5
    lease = desk.claim()
    assert (lease.start, lease.stop) == (20, 25)


def test_a_list_does_not_shrink_and_has_a_size_of_4000_digits_at_most() -> None:
    desk = finished()
    for size in (19, 10**4_000, 10**9_000):
        with pytest.raises(InvalidField) as caught:
            desk.carry_out(Grow(size))
        assert caught.value.field == "size"


# --- rules


def test_the_fold_of_a_list_cannot_be_changed() -> None:
    desk = Desk(fold="sum")
    for fold in (None, "count", "nonsense"):
        with pytest.raises(InvalidField):
            desk.carry_out(ChangeRules(replace(desk.ledger.rules, fold=fold)))
    desk.carry_out(ChangeRules(desk.ledger.rules))
    assert desk.events == []


# --- unpark


def test_unpark_brings_back_what_is_parked_in_the_ranges() -> None:
    desk = Desk(attempts=1)
    desk.report(desk.claim(), 10, failed=tuple((index, "broken") for index in (1, 2, 5)))
    assert desk.carry_out(Unpark(((0, 2), (4, 99)))).changed == 2
    assert (desk.returned, [*desk.ledger.parked]) == ([(1, 2), (5, 6)], [2])
    assert desk.carry_out(Unpark(((0, 2),))).changed == 0


# --- rerun


def test_a_rerun_brings_back_only_what_is_done() -> None:
    desk = Desk(attempts=1)
    desk.report(desk.claim(), 10, failed=((3, "broken"),), outcomes=Outcomes(((0, 2),)))
    desk.claim()
    reply = desk.carry_out(RerunDone(((0, 100),), 2, 0))
    assert (reply.changed, reply.left) == (9, 0)
    assert (desk.returned, desk.ledger.results) == ([(0, 3), (4, 10)], 0)
    assert desk.events[0] == Rerun(((0, 3), (4, 10)), 2, 0, before_seq=2)


def test_results_after_a_rerun_are_numbered_on() -> None:
    desk = finished(10)
    desk.carry_out(RerunDone(((0, 10),), 10, 1))
    lease = desk.claim()
    assert desk.report(lease, outcomes=Outcomes(((0, 10),))).seq == 10
    assert (desk.ledger.results, desk.ledger.failed, desk.ledger.seq) == (10, 0, 20)


def test_a_list_with_a_fold_is_rerun_whole_or_not_at_all() -> None:
    desk = finished(fold="sum")
    with pytest.raises(FoldCannotBeDivided):
        desk.carry_out(RerunDone(((0, 19),), 20, 2))
    assert desk.ledger.fold == 20
    desk.carry_out(RerunDone(((0, 20),), 20, 2))
    assert (desk.ledger.fold, desk.ledger.state) == (None, ListState.RUNNING)
    while desk.ledger.state is ListState.RUNNING:
        lease = desk.claim()
        desk.report(lease, fold=lease.stop - lease.start)
    assert desk.ledger.fold == 20


def test_half_a_list_with_a_fold_is_rerun_when_that_is_all_that_is_done() -> None:
    desk = Desk(fold="sum")
    desk.report(desk.claim(), 10, fold=10)
    desk.carry_out(RerunDone(((0, 10),)))
    assert (desk.ledger.fold, desk.returned) == (None, [(0, 10)])


@pytest.mark.parametrize("command", [Unpark, RerunDone])
def test_a_call_carries_a_limited_number_of_ranges(command: type) -> None:
    desk = finished()
    many = tuple((2 * index, 2 * index + 1) for index in range(OWNER_RANGES_MAX + 1))
    with pytest.raises(TooMany, match="100,000"):
        desk.carry_out(command(many))


@pytest.mark.parametrize("command", [Unpark, RerunDone])
@pytest.mark.parametrize("ends", [(5, 4), (0, 10**4_400)], ids=["backwards", "too long"])
def test_a_wrong_range_is_refused(command: type, ends: tuple[int, int]) -> None:
    desk = finished()
    with pytest.raises(InvalidField):
        desk.carry_out(command((ends,)))


def test_a_rerun_that_would_be_too_many_pieces_is_refused_and_says_how_many_fit() -> None:
    desk = Desk(3 * PIECES_MAX, block=3 * PIECES_MAX, checked=False)
    for index in range(0, 2_000, 2):
        desk.ledger.done.add(index, index + 1)
    desk.ledger.frontier = desk.ledger.end
    for index in range(PIECES_MAX - 10):
        desk.ledger.parked[2_000 + 2 * index] = None  # type: ignore[assignment]  # only how many there are counts
    assert rerun_ranges_max(desk.ledger) == 10
    with pytest.raises(TooMany):
        desk.carry_out(RerunDone(tuple((index, index + 1) for index in range(0, 22, 2))))
    assert desk.carry_out(RerunDone(tuple((index, index + 1) for index in range(0, 20, 2)))).changed == 10


def test_an_owners_command_that_is_refused_changes_nothing_even_when_nobody_looked_for_long() -> None:
    desk = finished()
    desk.carry_out(RerunDone(((0, 5),), 5, 1))
    desk.claim()
    desk.now += 10_000
    with pytest.raises(InvalidField):
        desk.carry_out(Grow(1))
    desk.check()


def test_changed_rules_are_in_the_journal() -> None:
    desk = Desk()
    rules = replace(desk.ledger.rules, attempts=1)
    desk.carry_out(ChangeRules(rules))
    assert desk.events == [RulesChanged(rules)]
    desk.report(desk.claim(), 0, failed=((0, "broken"),))
    assert 0 in desk.ledger.parked
    desk.report(desk.claim("bob"), 10, error=Failure("killed", 10))
    assert 10 in desk.ledger.parked
