"""Every cell of the two tables is reached through `carry_out`; what is not in them is refused or changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ledger_desk import Desk

from teamtask.ledger.commands import Failure, Grow, MoveList, Outcomes, RerunDone, Unpark
from teamtask.ledger.errors import WrongState
from teamtask.ledger.events import Ended
from teamtask.ledger.lease_state import TRANSITIONS as LEASE_TRANSITIONS
from teamtask.ledger.lease_state import Cause, LeaseState
from teamtask.ledger.list_state import OWNERS_MOVES, ListState, Move, moved
from teamtask.ledger.list_state import TRANSITIONS as LIST_TRANSITIONS
from teamtask.ledger.rules import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

LIST_CELLS = [(state, move) for state in ListState for move in Move]
LEASE_CELLS = [(state, cause) for state in LeaseState for cause in Cause]


def desk_in(state: ListState, move: Move = Move.RESUME) -> Desk:
    """A list of 20 in a state, from which the move can follow if it can at all."""
    awaiting = state is ListState.AWAITING_ITEMS or move is Move.AWAIT
    parked = 0 if move is Move.PARK else 10
    stop = 1 if state is ListState.STOPPED or move is Move.STOP else None
    desk = Desk(
        0 if awaiting else 20,
        attempts=1,
        growable=not awaiting,
        limits=Limits(parked=parked),
        stop_after_results=stop,
        state=ListState.AWAITING_ITEMS if awaiting else ListState.RUNNING,
    )
    if state in (ListState.AWAITING_ITEMS, ListState.RUNNING):
        return desk
    if awaiting:
        desk.carry_out(MoveList(Move.CANCEL))
        return desk
    first, second = desk.claim(), desk.claim()
    if state is ListState.COMPLETE_EXCEPT:
        desk.report(first, failed=((3, "broken"),))
        desk.report(second)
    elif state is ListState.COMPLETE:
        desk.report(first)
        desk.report(second)
    elif state is ListState.STOPPED:
        desk.report(first, outcomes=Outcomes(((0, 1),)))
    else:
        desk.carry_out(MoveList({ListState.PAUSED: Move.PAUSE, ListState.CANCELLED: Move.CANCEL}[state]))
    assert desk.ledger.state is state
    return desk


def finish(desk: Desk, *, parked: bool) -> None:
    """Do all that is left; some of it was handed out before the list stood still."""
    while desk.ledger.leases or desk.ledger.state is ListState.RUNNING:
        lease = next(iter(desk.ledger.leases.values()), None) or desk.claim()
        desk.report(lease, failed=((lease.start, "broken"),) if parked else ())


def do(desk: Desk, move: Move) -> None:
    """Bring a move about."""
    if move in (Move.PAUSE, Move.RESUME, Move.CANCEL):
        desk.carry_out(MoveList(move))
    elif move is Move.AWAIT:
        desk.carry_out(MoveList(Move.RESUME))
    elif move is Move.ITEMS:
        desk.carry_out(Grow(20))
    elif move is Move.REOPEN:
        desk.carry_out(Grow(desk.ledger.size + 5))
    elif move is Move.PARK:
        desk.report(desk.claim(), 0, failed=((0, "broken"),))
    elif move is Move.STOP:
        desk.report(desk.claim(), outcomes=Outcomes(((0, 1),)))
    else:
        finish(desk, parked=move is Move.FINISH_EXCEPT)


@pytest.mark.parametrize(("state", "move"), [cell for cell in LIST_CELLS if cell[1] in LIST_TRANSITIONS[cell[0]]])
def test_a_list_goes_where_its_table_says(state: ListState, move: Move) -> None:
    desk = desk_in(state, move)
    do(desk, move)
    assert desk.ledger.state is LIST_TRANSITIONS[state][move]
    if desk.ledger.state not in (ListState.RUNNING, ListState.AWAITING_ITEMS, ListState.COMPLETE):
        assert desk.ledger.reason, "a list says why it does not run"


@pytest.mark.parametrize(("state", "move"), [cell for cell in LIST_CELLS if cell[1] not in LIST_TRANSITIONS[cell[0]]])
def test_a_move_that_the_table_does_not_know_is_refused_or_changes_nothing(state: ListState, move: Move) -> None:
    if move in OWNERS_MOVES:
        with pytest.raises(WrongState) as caught:
            moved(state, move)
        assert caught.value.hint
        assert "_" not in caught.value.message, "it is a sentence for people"
    else:
        assert moved(state, move) is state


@pytest.mark.parametrize("move", [Move.PAUSE, Move.RESUME, Move.CANCEL])
@pytest.mark.parametrize("state", list(ListState))
def test_an_owner_is_obeyed_or_refused_as_the_table_says(state: ListState, move: Move) -> None:
    desk = desk_in(state)
    after = LIST_TRANSITIONS[state].get(move)
    if after is None:
        with pytest.raises(WrongState):
            desk.carry_out(MoveList(move))
        after = state
    else:
        desk.carry_out(MoveList(move))
    if state is ListState.CANCELLED and move is Move.RESUME:
        after = ListState.RUNNING
    assert desk.ledger.state is after


def _expire_idle(desk: Desk) -> None:
    desk.expire(next(iter(desk.ledger.leases.values())))


def _expire_after_progress(desk: Desk) -> None:
    lease = next(iter(desk.ledger.leases.values()))
    desk.report(lease, 2)
    desk.expire(lease)


CAUSES: dict[Cause, Callable[[Desk], object]] = {
    Cause.PROGRESS: lambda desk: desk.report(desk.ledger.leases["lease-1"], 2),
    Cause.COMPLETE: lambda desk: desk.report(desk.ledger.leases["lease-1"]),
    Cause.ERROR: lambda desk: desk.report(desk.ledger.leases["lease-1"], 2, error=Failure("broken")),
    Cause.ERROR_AT: lambda desk: desk.report(desk.ledger.leases["lease-1"], 2, error=Failure("broken", 4)),
    Cause.RELEASE: lambda desk: desk.report(desk.ledger.leases["lease-1"], 2, release=True),
    Cause.EXPIRE_IDLE: _expire_idle,
    Cause.EXPIRE: _expire_after_progress,
    Cause.TAKE_BACK: lambda desk: desk.take_back(desk.ledger.leases["lease-1"]),
}


@pytest.mark.parametrize(("state", "cause"), LEASE_CELLS)
def test_a_lease_lives_and_ends_as_its_table_says(state: LeaseState, cause: Cause) -> None:
    desk = Desk(20)
    lease = desk.claim()
    if state is not LeaseState.HELD:
        assert not LEASE_TRANSITIONS[state], "what has ended stays ended"
        ends = {ending.state: cause for cause, ending in LEASE_TRANSITIONS[LeaseState.HELD].items()}
        CAUSES[ends[state]](desk)
        assert lease.id not in desk.ledger.leases
        desk.take_back(lease)
        assert not desk.events
        assert desk.report(lease, 2, error=Failure("broken"), release=True).status in ("done", "already_done", "stale")
        return
    ending = LEASE_TRANSITIONS[state][cause]
    CAUSES[cause](desk)
    ended = [event.cause for event in desk.history if isinstance(event, Ended)]
    assert (lease.id in desk.ledger.leases) == (ending.state is LeaseState.HELD)
    if cause not in (Cause.PROGRESS, Cause.COMPLETE):
        assert ended == [cause]
        whole = [piece for piece in desk.ledger.returned if piece.stop - piece.start > 1]
        assert all(piece.failures == ending.counts_failure for piece in whole)
        assert all(bool(piece.memories) == ending.remembered for piece in whole)


@pytest.mark.parametrize("cause", [Cause.ERROR, Cause.ERROR_AT, Cause.RELEASE, Cause.EXPIRE, Cause.TAKE_BACK])
def test_the_failures_that_a_lease_was_made_with_are_kept_as_its_table_says(cause: Cause) -> None:
    desk = Desk(10)
    desk.expire(desk.claim())
    lease = desk.claim("bob")
    assert (lease.failures, lease.id) == (1, next(iter(desk.ledger.leases)))
    desk.granted = 0
    ending = LEASE_TRANSITIONS[LeaseState.HELD][cause]
    if cause is Cause.EXPIRE:
        _expire_after_progress(desk)
    elif cause is Cause.TAKE_BACK:
        desk.take_back(lease)
    else:
        at = 4 if cause is Cause.ERROR_AT else None
        error = Failure("broken", at) if cause is not Cause.RELEASE else None
        desk.report(lease, 2, error=error, release=error is None)
    expected = (1 if ending.keeps_failures else 0) + ending.counts_failure
    assert {piece.failures for piece in desk.ledger.returned if piece.start != 4} == {expected}


def test_finished_lists_are_opened_again_by_whatever_gives_them_work() -> None:
    desk = desk_in(ListState.COMPLETE)
    desk.carry_out(RerunDone(((0, 5),)))
    assert desk.ledger.state is ListState.RUNNING
    desk = desk_in(ListState.COMPLETE_EXCEPT)
    desk.carry_out(Unpark(None))
    assert desk.ledger.state is ListState.RUNNING
