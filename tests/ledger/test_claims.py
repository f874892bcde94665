"""Claims: repeats, limits, what is handed out first, and what a worker is told when there is nothing."""

from __future__ import annotations

from typing import Any

import pytest
from ledger_desk import LEASE_SECONDS, Desk

from teamtask.ledger.commands import ChangeRules, Failure, MoveList, Outcomes, Report
from teamtask.ledger.events import WorkerKey, WorkerSeen
from teamtask.ledger.list_state import ListState, Move
from teamtask.ledger.rules import Limits, Rules


def limited(**limits: Any) -> Desk:
    return Desk(10_000, limits=Limits(**{"blocks_per_worker": 1_000, **limits}))


# --- repeats


def test_a_repeated_claim_gets_the_same_lease_not_extended_with_what_is_left_of_it() -> None:
    desk = Desk()
    lease = desk.claim(request="r1")
    desk.now += 10
    desk.report(lease, 4)
    expires = lease.expires
    desk.now += 10
    assert desk.claim(request="r1") is lease
    assert desk.events == []
    assert (lease.expires, list(lease.rest)) == (expires, [(4, 10)])


def test_a_repeated_claim_is_answered_whatever_the_state_and_the_limits() -> None:
    desk = limited(blocks_per_worker=1, blocks_per_principal=1)
    lease = desk.claim(request="r1")
    desk.carry_out(MoveList(Move.PAUSE))
    assert desk.claim(request="r1") is lease


def test_a_request_of_a_lease_that_has_ended_is_a_new_claim() -> None:
    desk = Desk()
    first = desk.claim(request="r1")
    desk.report(first)
    second = desk.claim(request="r1")
    assert (second.id != first.id, second.start) == (True, 10)


@pytest.mark.parametrize(("worker", "principal"), [("bob", "p"), ("ann", "q")])
def test_the_same_request_of_another_worker_or_principal_is_its_own(worker: str, principal: str) -> None:
    desk = Desk()
    lease = desk.claim("ann", request="r1")
    assert desk.claim(worker, principal=principal, request="r1").id != lease.id
    assert desk.claim("ann", request="r1") is lease


def test_a_repeated_exchange_does_no_harm_with_its_reports() -> None:
    desk = Desk()
    lease = desk.claim()
    for status in ("done", "already_done"):
        desk.report(lease)
        assert desk.report(lease, outcomes=Outcomes(((0, 10),))).status == "already_done", status
    assert desk.ledger.results == 0


# --- limits


def test_a_worker_holds_a_limited_number_of_leases() -> None:
    desk = limited(blocks_per_worker=2)
    held = [desk.claim(), desk.claim()]
    assert desk.refused() == "This worker holds 2 leases, as many as it may."
    desk.report(held[0])
    desk.claim()


def test_a_principal_holds_a_limited_number_of_leases_under_whatever_names() -> None:
    desk = limited(blocks_per_principal=2)
    desk.claim("ann")
    desk.claim("bob")
    for name in ("ann", "bob", "cy"):
        assert desk.refused(name) == "Its principal holds 2 leases, as many as it may."
    desk.claim("ann", principal="q")


def test_a_principal_has_a_limited_number_of_workers_however_often_it_asks() -> None:
    desk = limited(workers_per_principal=2)
    desk.claim("ann")
    desk.claim("bob")
    for _ in range(3):
        assert desk.refused("cy") == "The list has as many workers as it may have."
        assert WorkerKey("p", "cy") not in desk.ledger.workers.by_key, "names are free, so none is kept"
        desk.now += 0.1
    desk.claim("cy", principal="q")


def test_a_list_has_a_limited_number_of_workers() -> None:
    desk = limited(workers=2)
    desk.claim("ann", principal="p")
    desk.claim("bob", principal="q")
    assert desk.refused("cy", principal="r") == "The list has as many workers as it may have."
    assert desk.claim("ann").key.worker == "ann"


def test_a_worker_who_is_no_longer_active_makes_room() -> None:
    desk = limited(workers=1)
    lease = desk.claim("ann")
    assert desk.refused("bob")
    desk.report(lease)
    assert desk.refused("bob"), "ann claimed within two lease lengths"
    desk.sweep(2 * LEASE_SECONDS)
    desk.claim("bob")
    assert desk.refused("ann")


def test_a_worker_who_holds_a_lease_stays_active() -> None:
    desk = limited(workers=1)
    lease = desk.claim("ann")
    for _ in range(10):
        desk.now += LEASE_SECONDS / 2
        desk.report(lease, 0)
    assert desk.refused("bob")


def test_only_who_finds_work_or_room_is_kept_and_asking_again_writes_nothing() -> None:
    desk = Desk(10)
    desk.claim("ann")
    desk.refused("bob")
    assert desk.events == [WorkerSeen(WorkerKey("p", "bob"), desk.now)]
    desk.now += 5
    desk.refused("bob")
    assert desk.events == []


def test_items_a_second_are_a_bucket_that_claims_take_from() -> None:
    desk = Desk(1_000, block=None, limits=Limits(blocks_per_worker=1_000, items_per_second=4.0))
    assert "a second" in desk.refused()
    given = 0
    for _ in range(200):
        desk.now += 0.25
        reply = desk.exchange(want=True)
        if reply.lease is None:
            assert reply.retry_in_seconds is not None
            assert 0 < reply.retry_in_seconds <= 0.45
        else:
            lease = desk.ledger.leases[reply.lease]
            given += lease.stop - lease.start
            desk.report(lease)
    assert 0.9 * 200 <= given <= 200 + 4


def test_an_idle_bucket_holds_a_second_at_most() -> None:
    desk = Desk(1_000, block=100, limits=Limits(items_per_second=7.0))
    desk.sweep(1_000)
    lease = desk.claim()
    assert (lease.stop - lease.start, lease.block_size) == (7, 7)


def test_less_than_an_item_a_second_is_handed_out_too() -> None:
    desk = Desk(10, block=3, limits=Limits(items_per_second=0.1))
    assert "a second" in desk.refused()
    desk.sweep(10)
    lease = desk.claim()
    assert lease.stop - lease.start == 1


def test_a_block_that_is_cut_by_the_bucket_is_ended_by_the_next_one() -> None:
    desk = Desk(100, block=10, limits=Limits(blocks_per_worker=9, items_per_second=25.0))
    desk.ledger.workers.seen(WorkerKey("p", "ann"), desk.now).speed = 1_000.0
    desk.shadow.workers.seen(WorkerKey("p", "ann"), desk.now).speed = 1_000.0
    desk.checked = False
    sizes = []
    for seconds in (1.0, 0.0, 0.2, 1.0):
        desk.now += seconds
        lease = desk.claim()
        sizes.append((lease.start, lease.stop, lease.block_size))
    assert sizes == [(0, 20, 10), (20, 25, 5), (25, 30, 5), (30, 50, 10)]


# --- what is handed out


def test_what_came_back_is_handed_out_first_and_the_lowest_of_it() -> None:
    desk = Desk()
    first, second, _ = desk.claim(), desk.claim(), desk.claim()
    desk.take_back(second, first)
    assert desk.claim().start == 0
    assert desk.claim().start == 10
    assert desk.claim().start == 30


def test_a_lease_spans_no_two_pieces_and_no_piece_and_the_frontier() -> None:
    desk = Desk(block=4)
    held = [desk.claim(name) for name in ("ann", "bob")]
    for lease in held:
        desk.report(lease, lease.start, error=Failure("killed"))
    sizes = [(lease.start, lease.stop) for lease in (desk.claim("cy"), desk.claim("cy"), desk.claim("cy"))]
    assert sizes == [(0, 4), (4, 8), (8, 12)]


def test_a_piece_is_not_given_again_to_who_failed_it_while_another_worker_is_there() -> None:
    desk = Desk(20)
    bob = desk.claim("bob")
    desk.report(desk.claim("ann"), 10, error=Failure("killed"))
    assert desk.refused("ann") == "What is left has failed with this worker; another one may take it."
    desk.report(bob)
    assert desk.claim("bob").start == 10


def test_a_piece_is_given_again_to_who_failed_it_when_nobody_else_is_left() -> None:
    desk = Desk(10)
    desk.claim("bob", principal="q")
    desk.report(next(iter(desk.ledger.leases.values())), 0, release=True)
    desk.report(desk.claim("ann"), 0, error=Failure("killed"))
    assert desk.refused("ann"), "bob claimed a moment ago"
    desk.sweep(2 * LEASE_SECONDS)
    assert desk.claim("ann").start == 0


def test_a_piece_that_both_of_the_workers_failed_is_given_to_either() -> None:
    desk = Desk(1, block=1, attempts=9)
    for name in ("ann", "bob", "ann", "bob", "bob", "ann"):
        desk.report(desk.claim(name), 0, error=Failure("killed"))


def test_fixed_blocks_keep_to_their_grid() -> None:
    desk = Desk(100, start=5)
    first = desk.claim()
    assert (first.start, first.stop) == (5, 15)
    desk.now += 30
    desk.report(first, 8, release=True)
    second = desk.claim()
    assert (second.start, second.stop, second.block_size) == (8, 15, 7)
    third = desk.claim()
    assert (third.start, third.stop, third.block_size) == (15, 25, 10)


# --- nothing


def test_who_completes_a_list_is_told_at_once_that_it_is_finished() -> None:
    desk = Desk(10)
    lease = desk.claim()
    reply = desk.exchange("ann", Report(lease.id, 0, 10), want=True)
    assert (reply.state, reply.lease, reply.retry_in_seconds) == (ListState.COMPLETE, None, None)
    assert reply.reason == "The list is finished."


@pytest.mark.parametrize(("move", "waits"), [(Move.PAUSE, True), (Move.CANCEL, False)], ids=["paused", "cancelled"])
def test_a_list_that_does_not_run_hands_out_nothing_and_says_whether_to_wait(move: Move, *, waits: bool) -> None:
    desk = Desk()
    desk.carry_out(MoveList(move))
    reply = desk.exchange(want=True)
    assert reply.lease is None
    assert reply.reason == f"Its owner {'paused' if waits else 'cancelled'} it."
    assert (reply.retry_in_seconds is not None) == waits
    assert desk.events == []


def test_a_list_that_awaits_its_items_says_so() -> None:
    desk = Desk(0, state=ListState.AWAITING_ITEMS)
    reply = desk.exchange(want=True)
    assert reply.reason == "The list waits for its items."
    assert reply.retry_in_seconds is not None


def waits(desk: Desk, worker: str) -> float:
    """How long a worker is to wait; chance takes a quarter off."""
    reply = desk.exchange(worker, want=True)
    assert reply.reason == "Everything is handed out."
    assert reply.retry_in_seconds is not None
    return reply.retry_in_seconds


def test_when_all_is_handed_out_a_worker_asks_again_before_the_next_lease_expires() -> None:
    desk = Desk(10)
    desk.claim("ann")
    waits(desk, "bob")
    desk.now += LEASE_SECONDS - 3
    assert 1 < waits(desk, "bob") <= 3


def test_who_has_just_begun_to_wait_asks_again_soon_and_then_less_and_less_often() -> None:
    desk = Desk(20)
    desk.claim("ann")
    desk.report(desk.claim("bob"))
    began, asked = desk.now, []
    while desk.now - began < LEASE_SECONDS - 10:
        asked.append(waits(desk, "bob"))
        assert asked[-1] <= max(0.1, (desk.now - began) / 4), "he waits little longer than he has to"
        desk.now += asked[-1]
    assert asked[0] == 0.1 * 0.75
    assert sorted(asked) == asked
    assert asked[-1] == 5 * 0.75
    assert len(asked) < 40


def test_who_holds_a_lease_is_not_in_a_hurry_and_when_it_ends_he_is() -> None:
    desk = Desk(20)
    desk.claim("ann")
    lease = desk.claim("bob")
    assert waits(desk, "bob") == 5 * 0.75
    desk.now += 20
    desk.report(lease)
    assert waits(desk, "bob") == 0.1 * 0.75


def test_however_many_wait_they_ask_no_more_than_some_hundred_times_a_second() -> None:
    desk = Desk(10, checked=False, limits=Limits(workers_per_principal=2_000))
    desk.claim("ann")
    workers = [f"worker-{number}" for number in range(1_000)]
    for worker in workers:
        waits(desk, worker)
    assert sum(1 / waits(desk, worker) for worker in workers) < 300
    desk.now += LEASE_SECONDS - 0.01  # nor when a lease is about to expire
    assert sum(1 / waits(desk, worker) for worker in workers) < 300


def test_the_limits_can_be_changed_at_any_time() -> None:
    desk = limited(blocks_per_worker=1)
    desk.claim()
    assert desk.refused()
    rules = Rules(block=desk.ledger.rules.block, lease_seconds=LEASE_SECONDS, limits=Limits(blocks_per_worker=2))
    desk.carry_out(ChangeRules(rules))
    desk.claim()
    assert desk.refused()
