"""What comes back: expiry, failures, halving, parking; the bad item is found and nothing else suffers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_desk import LEASE_SECONDS, Desk

from teamtask.ledger.commands import Failure, MoveList, Outcomes, Report, Unpark
from teamtask.ledger.events import Ended, Granted, WorkerKey
from teamtask.ledger.lease_state import Cause
from teamtask.ledger.list_state import ListState, Move
from teamtask.ledger.rules import Limits

if TYPE_CHECKING:
    from teamtask.ledger.ledger import Lease


def failures(desk: Desk) -> list[tuple[int, int, int]]:
    return [(piece.start, piece.stop, piece.failures) for piece in desk.ledger.returned]


# --- expiry


def test_a_lease_that_is_not_renewed_comes_back_with_a_failure() -> None:
    desk = Desk()
    desk.expire(desk.claim())
    assert failures(desk) == [(0, 10, 1)]


def test_with_progress_no_failure_is_counted() -> None:
    desk = Desk()
    lease = desk.claim()
    desk.report(lease, 1)
    desk.expire(lease)
    assert failures(desk) == [(1, 10, 0)]


@pytest.mark.parametrize("move", [Move.PAUSE, Move.CANCEL])
def test_only_in_a_running_list_a_failure_is_counted(move: Move) -> None:
    desk = Desk()
    lease = desk.claim()
    desk.carry_out(MoveList(move))
    desk.expire(lease)
    assert failures(desk) == [(0, 10, 0)]


def test_of_one_workers_leases_that_expire_together_only_the_oldest_counts_a_failure() -> None:
    desk = Desk()
    held = [desk.claim("ann")]
    desk.now += 1
    held += [desk.claim("ann"), desk.claim("ann"), desk.claim("bob")]
    desk.now += 1
    desk.exchange("ann", *(_heartbeat(lease) for lease in held[:3]))
    desk.sweep(LEASE_SECONDS)
    assert failures(desk) == [(0, 10, 1), (10, 30, 0), (30, 40, 1)]


def test_if_the_oldest_of_them_got_on_no_failure_is_counted() -> None:
    desk = Desk()
    first, second = desk.claim(), desk.claim()
    desk.exchange("ann", _heartbeat(first, 3), _heartbeat(second))
    desk.sweep(LEASE_SECONDS)
    assert failures(desk) == [(3, 20, 0)]


def _heartbeat(lease: Lease, done: int = 0) -> Report:
    return Report(lease.id, lease.start, lease.start + done)


def test_leases_that_are_taken_back_count_no_failure_and_those_that_are_over_are_passed_by() -> None:
    desk = Desk()
    first, second = desk.claim(), desk.claim()
    desk.report(second)
    desk.take_back(first, first, second)
    assert (failures(desk), desk.done) == ([(0, 10, 0)], [(10, 20)])


# --- failures


def test_from_the_second_failure_on_a_piece_comes_back_in_halves_that_inherit_it() -> None:
    desk = Desk(9, block=9)
    for name in ("ann", "bob"):
        desk.report(desk.claim(name), 0, error=Failure("killed"))
    assert failures(desk) == [(0, 4, 2), (4, 9, 2)]
    assert {piece.failed_by for piece in desk.ledger.returned} == {(WorkerKey("p", "ann"), WorkerKey("p", "bob"))}


def test_only_the_last_two_who_failed_are_remembered() -> None:
    desk = Desk(1, block=1, attempts=9)
    for name in ("ann", "bob", "cy", "ann"):
        desk.report(desk.claim(name), 0, error=Failure("killed"))
    assert [key.worker for key in next(iter(desk.ledger.returned)).failed_by] == ["cy", "ann"]


@pytest.mark.parametrize("attempts", [1, 2, 3, 7])
def test_a_single_index_is_parked_at_its_attempts_with_its_last_error(attempts: int) -> None:
    desk = Desk(1, block=1, attempts=attempts)
    for number in range(attempts):
        desk.report(desk.claim(f"worker-{number}"), 0, error=Failure(f"error {number}"))
    parked = desk.ledger.parked[0]
    assert (parked.failures, parked.error) == (attempts, f"error {attempts - 1}")
    assert (desk.ledger.state, desk.ledger.reason) == (ListState.COMPLETE_EXCEPT, "1 item is parked.")


def test_an_item_that_failed_counts_the_failures_of_its_lease_too() -> None:
    desk = Desk(4, block=4, attempts=3)
    desk.expire(desk.claim("ann"))
    desk.report(desk.claim("bob"), 0, failed=((1, "first"),))
    assert failures(desk) == [(1, 2, 2)]
    desk.report(desk.claim("cy"), 1, failed=((1, "last"),))
    assert desk.ledger.parked[1].error == "last"


@given(size=st.integers(1, 2_000), bad=st.integers(0, 10**6), attempts=st.integers(1, 5), silent=st.booleans())
def test_an_item_that_kills_its_worker_is_found_in_few_extra_leases(
    size: int,
    bad: int,
    attempts: int,
    silent: bool,  # noqa: FBT001 - drawn
) -> None:
    """At most 2 log2(size) + attempts leases besides the one that there would have been."""
    bad %= size
    desk = Desk(size, block=size, attempts=attempts, checked=False)
    names = ("ann", "bob", "cy")
    for turn in range(10_000):
        if desk.ledger.state is not ListState.RUNNING:
            break
        reply = desk.exchange(names[turn % 3], want=True)
        if reply.lease is None:
            continue
        lease = desk.ledger.leases[reply.lease]
        if not lease.start <= bad < lease.stop:
            desk.report(lease)
        elif silent:
            desk.expire(lease)
        else:
            desk.report(lease, lease.start, error=Failure("segfault"))
    assert (desk.ledger.state, [*desk.ledger.parked]) == (ListState.COMPLETE_EXCEPT, [bad])
    leases = sum(isinstance(event, Granted) for event in desk.history)
    assert leases <= 1 + 2 * math.ceil(math.log2(size)) + attempts
    assert sum(isinstance(event, Ended) and event.cause is Cause.TAKE_BACK for event in desk.history) == 0


def test_pieces_with_failures_never_merge_and_without_neighbours_do() -> None:
    desk = Desk()
    held = [desk.claim() for _ in range(4)]
    desk.take_back(held[0], held[2])
    desk.report(held[3], 30, error=Failure("killed"))
    desk.take_back(held[1])
    assert failures(desk) == [(0, 30, 0), (30, 40, 1)]


# --- parked


def test_a_list_past_its_parked_limit_pauses_itself_and_says_the_way_out() -> None:
    desk = Desk(attempts=1, limits=Limits(parked=2))
    lease = desk.claim()
    desk.report(lease, 0, failed=tuple((index, "broken") for index in range(3)))
    assert desk.ledger.state is ListState.PAUSED
    assert desk.ledger.reason == (
        "3 items are parked, more than the limit of 2. Unpark them or raise limits.parked, then resume."
    )
    assert desk.exchange("bob", want=True).lease is None
    assert desk.report(lease, 9).status == "held", "what is in flight goes on"


def test_what_is_unparked_begins_anew() -> None:
    desk = Desk(1, block=1, attempts=2)
    for _ in range(2):
        for _ in range(2):
            desk.report(desk.claim(), 0, error=Failure("killed"))
        assert desk.ledger.parked[0].failures == 2
        assert desk.carry_out(Unpark(None)).changed == 1
        assert failures(desk) == [(0, 1, 0)]
        assert desk.ledger.state is ListState.RUNNING
    desk.report(desk.claim(), outcomes=Outcomes(((0, 1),)))
    assert desk.ledger.state is ListState.COMPLETE
