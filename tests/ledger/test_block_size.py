"""How much a claim is given: by speed, in bounds, for lists and speeds of every magnitude."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_desk import Desk

from teamtask.ledger.block_size import (
    EXCHANGES_PER_T_MIN,
    GROW_MAX,
    SHRINK_MAX,
    T_MIN_SECONDS,
    adaptive_size,
    aligned_end,
    fixed_size,
    speed_after,
    with_remainder,
)
from teamtask.ledger.commands import ChangeRules, Report
from teamtask.ledger.events import WorkerKey
from teamtask.ledger.invariants import check_invariants
from teamtask.ledger.rules import BLOCKS_PER_LEASE_MAX, SPEED_MAX, BlockRule, Rules
from teamtask.ledger.workers import Worker, Workers

ANN = WorkerKey("p", "ann")
speeds = st.floats(1e-9, SPEED_MAX)
sizes = st.integers(1, 10**4_000) | st.integers(1, 10**6)
seconds = st.none() | st.floats(allow_nan=True, allow_infinity=True)
exchange_seconds = st.floats(0, 10)


def crew(speed: float, wanted: int, others: list[float]) -> tuple[Workers, Worker]:
    """Ann and some other active workers, with these speeds; 0 is unknown."""
    workers = Workers(0.0)
    for number, one in enumerate([speed, *others]):
        worker = workers.seen(WorkerKey("p", f"other-{number}") if number else ANN, 0.0)
        worker.speed = one
    workers.by_key[ANN].wanted = wanted
    workers.count([*workers.by_key.values()])
    return workers, workers.by_key[ANN]


@given(speeds, sizes, st.lists(st.just(0.0) | speeds, max_size=5), sizes, exchange_seconds, seconds, st.none() | sizes)
def test_a_size_is_bounded_by_the_last_one_and_by_max_at_every_magnitude(
    speed: float, wanted: int, others: list[float], remaining: int, cost: float, asked: float | None, most: int | None
) -> None:
    workers, ann = crew(speed, wanted, others)
    size = adaptive_size(BlockRule(max=most), workers, ann, remaining, cost, asked)
    assert 1 <= size <= GROW_MAX * wanted
    assert size * SHRINK_MAX >= wanted or size == most
    assert most is None or size <= most


@given(sizes, speeds, exchange_seconds)
def test_a_lease_of_fixed_blocks_fills_t_min(block: int, speed: float, cost: float) -> None:
    size = fixed_size(block, speed, cost, BLOCKS_PER_LEASE_MAX)
    assert size % block == 0
    blocks = size // block
    assert 1 <= blocks <= BLOCKS_PER_LEASE_MAX
    t_min = max(T_MIN_SECONDS, EXCHANGES_PER_T_MIN * cost)
    if blocks > 1:
        assert (blocks - 1) * block <= speed * t_min, "with one block less it would not fill t_min"
    if 1 < blocks < BLOCKS_PER_LEASE_MAX:
        assert size >= int(speed * t_min)


@given(sizes, sizes, sizes, st.none() | sizes)
def test_an_aligned_block_ends_at_a_multiple_and_never_exceeds_max(
    start: int, size: int, alignment: int, most: int | None
) -> None:
    size = size if most is None else min(size, most)
    aligned = aligned_end(start, size, alignment, most)
    assert aligned >= 1
    assert most is None or aligned <= most
    reachable = most is None or (start + most) // alignment * alignment > start
    assert ((start + aligned) % alignment == 0) == reachable or aligned == size
    assert not reachable or (start + aligned) % alignment == 0


@given(sizes, sizes, st.none() | sizes)
def test_a_remainder_of_a_fifth_is_taken_along(size: int, available: int, most: int | None) -> None:
    size = size if most is None else min(size, most)
    given_size = with_remainder(size, available, most)
    assert 1 <= given_size <= available
    left = available - given_size
    assert left == 0 or left * 5 > size or (most is not None and available > most)


@given(st.just(0.0) | speeds, sizes, st.floats(-10, 1e9))
def test_a_speed_is_the_mean_of_the_old_one_and_the_latest(speed: float, recorded: int, took: float) -> None:
    after = speed_after(speed, recorded, took)
    assert 0 < after <= SPEED_MAX
    latest = speed_after(0.0, recorded, took)
    assert after == ((speed + latest) / 2 if speed else latest)


def test_no_progress_is_taken_to_be_faster_than_a_millisecond() -> None:
    assert speed_after(0.0, 5, 0.0) == speed_after(0.0, 5, -1.0) == speed_after(0.0, 5, 0.001) == 5_000.0


# --- through claims


def work(desk: Desk, item_seconds: float, **claim: float | None) -> tuple[int, int]:
    """Claim, take so many seconds an item, and complete; give the range."""
    lease = desk.claim(**claim)
    desk.now += item_seconds * (lease.stop - lease.start)
    assert desk.report(lease).status == "done"
    return lease.start, lease.stop


def test_the_first_block_is_a_probe_of_one_item_and_the_next_ones_grow_fourfold_to_the_target() -> None:
    desk = Desk(10**9, block=None)
    sizes = [stop - start for start, stop in (work(desk, 0.01) for _ in range(9))]
    assert sizes[:6] == [1, 4, 16, 64, 256, 1_024]
    assert sizes[-1] == 3_000, "30 seconds at 100 items a second"


def test_a_worker_that_became_slower_gets_half_as_much_at_a_time() -> None:
    desk = Desk(10**9, block=None)
    for _ in range(8):
        work(desk, 0.01)
    lease = desk.claim()
    assert lease.stop - lease.start == 3_000
    desk.now += 50
    desk.report(lease, lease.start + 1, end=lease.start + 1)
    lease = desk.claim()
    assert lease.stop - lease.start == 1_500


def test_towards_the_end_blocks_become_short_but_not_shorter_than_t_min() -> None:
    desk = Desk(20_000, block=None)
    sizes = []
    while desk.ledger.remaining:
        start, stop = work(desk, 0.01)
        sizes.append(stop - start)
    assert max(sizes) == 3_000
    tail = sizes[sizes.index(3_000) :]
    *tail, _last = tail
    assert min(tail) in (9, 10), "a tenth of a second"
    assert all(earlier >= later >= earlier // 2 for earlier, later in pairwise(tail))


def test_want_seconds_stand_in_the_place_of_the_lists() -> None:
    desk = Desk(10**9, block=None)
    for _ in range(12):
        start, stop = work(desk, 0.001, seconds=2.0)
    assert stop - start == 2_000


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf"), 1e300])
def test_strange_wishes_do_no_harm(seconds: float) -> None:
    desk = Desk(10**9, block=None)
    for _ in range(3):
        work(desk, 0.1, seconds=seconds)


def test_the_lists_max_holds_against_every_wish_and_the_remainder() -> None:
    desk = Desk(1_000)
    desk.carry_out(ChangeRules(Rules(block=BlockRule(max=90), lease_seconds=60.0, limits=desk.ledger.rules.limits)))
    sizes = []
    while desk.ledger.remaining:
        start, stop = work(desk, 0.001, seconds=1e6)
        sizes.append(stop - start)
    assert max(sizes) == 90


def test_adaptive_blocks_end_at_multiples_of_the_alignment() -> None:
    desk = Desk(10_000, block=None, alignment=100)
    stops = [work(desk, 0.01)[1] for _ in range(4)]
    assert stops[:2] == [100, 500]
    assert all(stop % 100 == 0 for stop in stops)
    lease = desk.claim()
    desk.report(lease, lease.start + 30, release=True)
    assert desk.claim().stop % 100 == 0


def test_blocks_of_size_one_travel_together_once_a_worker_is_known_to_be_fast() -> None:
    desk = Desk(10**6, block=1)
    assert work(desk, 0.002) == (0, 1)
    lease = desk.claim()
    assert (lease.stop - lease.start, lease.block_size) == (50, 1)
    assert desk.ledger.workers.by_key[ANN].leases == 1


def test_a_dear_exchange_makes_leases_longer() -> None:
    desk = Desk(10**6, block=1)
    desk.exchange_seconds = 0.05
    work(desk, 0.002)
    assert work(desk, 0.002) == (1, 501)
    desk.exchange_seconds = 100.0
    assert work(desk, 0.0001)[1] == 501 + BLOCKS_PER_LEASE_MAX


def test_reports_of_one_exchange_are_one_sample_of_speed() -> None:
    desk = Desk(10**6)
    held = [desk.claim() for _ in range(4)]
    desk.now += 40
    desk.exchange("ann", *(Report(lease.id, lease.start, lease.stop) for lease in held))
    assert desk.ledger.workers.by_key[ANN].speed == pytest.approx(1.0)


def test_a_lease_that_was_claimed_ahead_is_measured_from_the_end_of_the_one_before() -> None:
    desk = Desk(10**6)
    first, second = desk.claim(), desk.claim()
    for lease in (first, second):
        desk.now += 20
        desk.report(lease)
    assert desk.ledger.workers.by_key[ANN].speed == pytest.approx(0.5)


@pytest.mark.parametrize("block", [None, 1, 10**400], ids=["adaptive", "size 1", "size 10^400"])
def test_a_list_of_any_length_hands_out_and_takes_blocks_of_any_size(block: int | None) -> None:
    desk = Desk(10**3_999, block=block, checked=False)
    for item_seconds in (0.0, 1e-9, 0.0):
        for _ in range(250 if block is None else 2):
            lease = desk.claim()
            desk.now += min(50.0, item_seconds * min(lease.stop - lease.start, 10**300))
            assert desk.report(lease).status == "done"
    check_invariants(desk.ledger)
    desk.check_replay()
    assert 0 < desk.ledger.workers.by_key[ANN].speed <= SPEED_MAX
    assert len(desk.ledger.done) == 1


def test_other_rules_for_blocks_begin_with_the_speed_not_with_the_last_size() -> None:
    desk = Desk(10**9, block=1_000)
    work(desk, 0.01)
    work(desk, 0.01)
    desk.carry_out(ChangeRules(Rules(lease_seconds=60.0)))
    start, stop = work(desk, 0.01)
    assert stop - start == 3_000
