"""The state stays as large as the work in flight, whatever workers report."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from ledger_desk import LEASE_SECONDS, Desk

from teamtask.ledger.claims import TOO_MANY_PIECES
from teamtask.ledger.commands import Failure, Outcomes
from teamtask.ledger.errors import TooMany
from teamtask.ledger.invariants import check_invariants
from teamtask.ledger.list_state import ListState
from teamtask.ledger.rules import HOLES_MAX, MEMORIES_MAX, PIECES_MAX, RANGES_MAX, WORKERS_KEPT, Limits
from teamtask.ledger.snapshot import load_ledger, save_ledger

if TYPE_CHECKING:
    from teamtask.ledger.ledger import Lease

BLOCK = 2 * RANGES_MAX
MANY = Limits(blocks_per_worker=PIECES_MAX, blocks_per_principal=PIECES_MAX)


def every_second(start: int, count: int) -> tuple[tuple[int, int], ...]:
    return tuple((start + 2 * number, start + 2 * number + 1) for number in range(count))


@pytest.fixture(scope="module")
def crowded() -> bytes:
    """A list in as many pieces as there may be: of each block but the first every second item has failed once."""
    desk = Desk(10**9, block=BLOCK, limits=MANY, checked=False, attempts=9)
    desk.claim("wide")
    while desk.ledger.pieces < PIECES_MAX:
        desk.now += 1
        lease = desk.claim("ann")
        items = min(BLOCK // 2, (PIECES_MAX - desk.ledger.pieces + 1) // 2)
        failed = tuple((index, "broken") for index in range(lease.start, lease.start + 2 * items, 2))
        assert desk.report(lease, lease.start, failed=failed).status == "held"
    check_invariants(desk.ledger)
    return save_ledger(desk.ledger)


@pytest.fixture
def full(crowded: bytes) -> Desk:
    """The same, for one test to change."""
    desk = Desk(1, checked=False)
    desk.ledger = load_ledger(crowded)
    desk.now, desk.granted = desk.ledger.looked_at, PIECES_MAX
    return desk


# --- one lease


def test_a_lease_with_too_many_holes_takes_no_more_ranges_but_goes_on_in_order() -> None:
    desk = Desk(10_000, block=5_000, checked=False)
    lease = desk.claim()
    for part in range(2):
        desk.report(lease, 0, ranges=every_second(1 + part * 1_000, 500))
    assert len(lease.rest) - 1 == HOLES_MAX
    reply = desk.report(lease, 1, ranges=every_second(3_001, 3), outcomes=Outcomes(((0, 1), (3_001, 3_002))))
    assert (reply.status, reply.cursor, reply.recorded) == ("held", 2, ((0, 1),))
    assert desk.ledger.results == 1
    reply = desk.report(lease, 3_500, begin=3_400)
    assert (reply.status, reply.cursor) == ("held", 2), "what would leave a hole behind counts as a range"
    assert desk.report(lease, 0, failed=((4_000, "broken"),)).status == "error"
    assert len(lease.rest) - 1 <= HOLES_MAX
    assert desk.report(lease).status == "done"
    check_invariants(desk.ledger)


def test_a_lease_with_a_fold_and_too_many_holes_is_cut() -> None:
    desk = Desk(10_000, block=5_000, fold="sum", checked=False)
    lease = desk.claim()
    for part in range(2):
        desk.report(lease, 0, ranges=every_second(1 + part * 1_000, 500), fold=500)
    reply = desk.report(lease, 0, ranges=((3_001, 3_002),), fold=1)
    assert reply.status == "cut"
    assert desk.ledger.fold == 1_000
    rest = tuple(lease.rest)
    assert desk.report(lease, 0, ranges=rest[:600], fold=sum(b - a for a, b in rest[:600])).status == "held"
    assert desk.report(lease, 5_000, begin=rest[600][0], fold=0).status == "cut"
    rest = tuple(lease.rest)
    assert desk.report(lease, 0, ranges=rest, fold=sum(b - a for a, b in rest)).status == "done"
    assert desk.ledger.fold == 5_000


# --- the list


def test_a_list_in_too_many_pieces_hands_out_only_what_came_back(full: Desk) -> None:
    lease = full.claim("bob")
    assert (lease.start, lease.stop) == (BLOCK, BLOCK + 1)
    assert full.refused("ann") == TOO_MANY_PIECES


def test_the_list_says_why_its_frontier_stands_still_until_it_moves(full: Desk) -> None:
    frontier = full.ledger.frontier
    assert full.refused("ann") == TOO_MANY_PIECES
    assert (full.ledger.state, full.ledger.reason) == (ListState.RUNNING, TOO_MANY_PIECES)
    assert full.refused("ann") == TOO_MANY_PIECES
    assert full.events == [], "it says so once"
    full.report(full.ledger.leases["lease-2"])
    assert full.claim("ann").start == frontier
    assert full.ledger.reason is None


def test_in_too_many_pieces_the_ranges_of_a_report_are_ignored(full: Desk) -> None:
    reply = full.report(full.ledger.leases["lease-1"], 1, ranges=((101, 102),), outcomes=Outcomes(((101, 102),)))
    assert (reply.status, reply.cursor, reply.recorded) == ("held", 1, ())
    assert full.done == [(0, 1)]


def test_in_too_many_pieces_a_lease_cannot_be_taken_apart_but_it_can_end(full: Desk) -> None:
    wide, pieces = full.ledger.leases["lease-1"], full.ledger.pieces
    for fields in ({"failed": ((5, "x"),)}, {"error": Failure("x", 5)}, {"end": 5}):
        refused = full.report(wide, 0, **fields)
        assert (refused.status, type(refused.error)) == ("error", TooMany)
        assert full.events == []
    assert full.report(wide, 1, error=Failure("x")).status == "failed"
    again = full.claim("bob")
    assert (again.start, again.stop, again.failures) == (1, BLOCK, 1)
    assert full.report(again, 1, error=Failure("x")).status == "failed"
    assert full.ledger.returned.pieces[0].stop == BLOCK, "it is not halved any more"
    assert full.ledger.pieces == pieces
    check_invariants(full.ledger)


def test_in_too_many_pieces_a_late_report_records_what_cuts_nothing(full: Desk) -> None:
    wide = full.ledger.leases["lease-1"]
    full.take_back(wide)
    refused = full.report(wide, 20, begin=10)
    assert (refused.status, type(refused.error)) == ("error", TooMany)
    assert full.report(wide, 5, ranges=((7, 8),)).status == "done", "its range is ignored"
    assert full.done == [(0, 5)]
    assert full.report(wide, BLOCK).status == "done"
    check_invariants(full.ledger)


def test_a_late_report_makes_no_more_holes_in_a_lease_than_it_may_have() -> None:
    desk = Desk(10_000, block=5_000, checked=False)
    late = desk.claim("ann")
    desk.take_back(late)
    held = desk.claim("bob")
    for part in range(2):
        desk.report(late, 0, ranges=every_second(1 + part * 1_000, 500))
    assert len(held.rest) - 1 == HOLES_MAX
    assert desk.report(late, 0, ranges=((3_001, 3_002),)).status == "error"
    assert desk.report(late, 1, ranges=((3_001, 3_002),)).status == "done"
    assert desk.done[0] == (0, 2)
    check_invariants(desk.ledger)


def test_a_block_of_which_every_second_item_fails_is_worked_off_all_the_same(full: Desk) -> None:
    for lease in list(full.ledger.leases.values()):
        full.report(lease)
    names = ["bob", "cy"]
    for number in range(2_000):
        full.now += 0.01
        full.report(full.claim(names[number % 2]))
    assert full.ledger.done.covers(0, 2 * BLOCK)


# --- workers and memories


def test_of_workers_that_are_gone_the_latest_thousand_are_remembered() -> None:
    desk = Desk(10**6, block=1, checked=False)
    for number in range(WORKERS_KEPT + 500):
        desk.now += 0.5
        desk.report(desk.claim(f"host-{number}"))
    desk.sweep(3 * LEASE_SECONDS)
    desk.claim("ann")
    desk.sweep(LEASE_SECONDS / 2)
    desk.sweep(LEASE_SECONDS)
    kept = [key.worker for key in desk.ledger.workers.by_key]
    assert kept == [*(f"host-{number}" for number in range(500, WORKERS_KEPT + 500)), "ann"]
    check_invariants(desk.ledger)
    desk.check_replay()


def test_a_piece_remembers_a_bounded_number_of_leases() -> None:
    desk = Desk(10, checked=False)
    first = desk.claim()
    desk.take_back(first)
    for _ in range(2 * MEMORIES_MAX):
        desk.take_back(desk.claim())
    (piece,) = desk.ledger.returned
    assert len(piece.memories) == MEMORIES_MAX
    assert desk.report(first).status == "stale"
    check_invariants(desk.ledger)


def test_blocks_of_size_one_in_random_order_end_as_one_range_and_a_small_state() -> None:
    size, in_flight = 6_000, 500
    desk = Desk(size, block=1, limits=MANY, checked=False)
    chance = random.Random(7)
    held: list[Lease] = []
    while desk.ledger.state is ListState.RUNNING:
        desk.now += 0.01
        if len(held) < in_flight and desk.ledger.frontier < desk.ledger.end:
            held.append(desk.claim(f"host-{chance.randrange(200)}"))
        else:
            desk.report(held.pop(chance.randrange(len(held))))
        assert len(desk.ledger.done) <= in_flight + 1
    assert (desk.done, len(save_ledger(desk.ledger)) < 65_536) == ([(0, size)], True)
    check_invariants(desk.ledger)
