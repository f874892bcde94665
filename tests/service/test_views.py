"""A list as the API shows it."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.list_state import Move
from teamtask.ledger.rules import BlockRule, Limits, Rules
from teamtask.service.definition import Definition
from teamtask.service.service import Service
from teamtask.service.views import (
    RangeState,
    ranges_in,
    rfc_3339,
    shown_blocks,
    shown_list,
    shown_workers,
)
from teamtask.stores.memory import MemoryStore
from teamtask.stores.store import Clock
from teamtask.wire.messages import Exchange, Report, ReportError, Want

if TYPE_CHECKING:
    from teamtask.ledger.ids import ListId
    from teamtask.wire.views import Worklist

MANY = Limits(blocks_per_worker=1000, blocks_per_principal=1000)


class Moment:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now, self.epoch = 1000.0, "first"

    def __call__(self) -> Clock:
        return Clock(self.now, self.epoch)


def make(size: int, clock: Moment | None = None, **rules: Any) -> tuple[Service, ListId]:
    service = Service(MemoryStore(clock=clock or Moment()))
    definition = Definition({"kind": "range", "start": 0, "stop": size}, "f")
    limits = Rules(block=BlockRule(size=10), limits=MANY, **rules)
    return service, service.create("nums", definition, limits, size, None)


def exchange(service: Service, list_id: ListId, *reports: Report, worker: str = "w", claim: bool = True) -> Any:
    reply = service.exchange(list_id, "me", Exchange(worker, want=Want() if claim else None, reports=reports))
    return reply.leases[0] if reply.leases else None


def show(service: Service, is_gone: Any = lambda _worker: False) -> Worklist:
    with service.view(service.find("nums")) as view:
        return shown_list(view, is_gone)


@given(st.integers(0, 2**32), st.sampled_from([100, 1000, 10**30]))
def test_the_counts_always_add_up_and_the_ranges_hold_what_they_count(seed: int, size: int) -> None:
    chance = random.Random(seed)
    service, list_id = make(size, attempts=1 + seed % 2)
    held: list[Any] = []
    for _ in range(30):
        lease = exchange(service, list_id, worker=f"w{chance.randrange(3)}")
        held += [lease] if lease else []
        if held and chance.random() < 0.7:
            lease = held.pop(chance.randrange(len(held)))
            upto = lease.index + chance.randrange(lease.size + 1)
            wrong = ReportError("broken", chance.choice([None, lease.index])) if chance.random() < 0.4 else None
            release = wrong is None and chance.random() < 0.3
            exchange(
                service, list_id, Report(lease.lease, lease.index, upto, error=wrong, release=release), claim=False
            )
    with service.view(service.find("nums")) as view:
        shown = shown_list(view)
        handed_out = shown.done + shown.leased + shown.returned + shown.parked
        assert handed_out + (shown.start + shown.size - shown.frontier) == shown.size
        counts = {state: ranges_in(view, state).size for state in RangeState}
        assert counts == {
            RangeState.DONE: shown.done,
            RangeState.LEASED: shown.leased,
            RangeState.RETURNED: shown.returned,
            RangeState.PARKED: shown.parked,
        }
        whole = IntervalSet(run for state in RangeState for run in ranges_in(view, state))
        assert whole == IntervalSet([(shown.start, shown.frontier)])
        for state in RangeState:
            blocks = shown_blocks(view, state)
            assert [block.index for block in blocks] == sorted(block.index for block in blocks)
            if state is not RangeState.LEASED:
                ranges = IntervalSet((block.index, block.index + block.size) for block in blocks)
                assert ranges == ranges_in(view, state)
        assert sum(worker.done for worker in shown_workers(view)) == shown.done


def test_the_rate_is_that_of_the_workers_who_are_at_it_and_gives_the_eta() -> None:
    clock = Moment()
    service, list_id = make(1000, clock)
    for worker in ("fast", "slow"):
        lease = exchange(service, list_id, worker=worker)
        clock.now += 1 if worker == "fast" else 10
        exchange(service, list_id, Report(lease.lease, lease.index, lease.index + 10), worker=worker)
    shown = show(service)
    assert (shown.rate, shown.workers) == (11.0, 2)
    assert shown.eta_seconds == 980 / 11
    gone = show(service, lambda worker: worker == "slow")
    assert (gone.rate, gone.workers, gone.eta_seconds) == (10.0, 1, 98.0)
    assert show(service, lambda _worker: True).eta_seconds is None
    service.move(list_id, Move.PAUSE)
    assert show(service).eta_seconds is None


def test_an_eta_beyond_every_float_is_unknown() -> None:
    service, list_id = make(10**3999)
    lease = exchange(service, list_id)
    exchange(service, list_id, Report(lease.lease, 0, 10))
    assert show(service).rate > 0
    assert show(service).eta_seconds is None


def test_a_finished_list_has_its_dates_and_nobody_at_work() -> None:
    service, list_id = make(10)
    before = show(service)
    assert (before.started_at, before.completed_at) == (None, None)
    lease = exchange(service, list_id)
    begun = show(service)
    assert begun.started_at is not None
    assert begun.started_at >= before.created_at
    exchange(service, list_id, Report(lease.lease, 0, 10), claim=False)
    after = show(service)
    assert after.started_at == begun.started_at
    assert (after.state, after.workers, after.rate, after.eta_seconds) == ("complete", 0, 0.0, 0.0)
    assert after.completed_at is not None
    assert after.completed_at >= after.created_at
    with service.view(service.find("nums")) as view:
        assert [(block.index, block.size, block.state) for block in shown_blocks(view)] == [(0, 10, "done")]
        assert [worker.state for worker in shown_workers(view)] == ["idle"]


def test_a_block_shows_its_lease_as_it_stands() -> None:
    clock = Moment()
    service, list_id = make(100, clock)
    lease = exchange(service, list_id)
    clock.now += 4
    exchange(service, list_id, Report(lease.lease, 0, 4, ranges=((6, 1),)), claim=False)
    clock.now += 1
    with service.view(service.find("nums")) as view:
        (block,) = shown_blocks(view)
    assert (block.name, block.state, block.index, block.size, block.done) == (lease.name, "ready", 0, 10, 5)
    assert (block.worker, block.principal, block.attempt, block.restarts) == ("w", "me", 1, 0)
    assert (block.expires_in_seconds, block.rate) == (59.0, 1.0)
    assert block.leased_at is not None
    age = datetime.now(UTC) - datetime.fromisoformat(block.leased_at)
    assert 4 <= age.total_seconds() < 60
    clock.now += 1000
    with service.view(service.find("nums")) as view:
        assert shown_blocks(view)[0].expires_in_seconds == 0.0


def test_times_of_a_clock_that_has_started_anew_are_unknown() -> None:
    clock = Moment()
    service, list_id = make(100, clock)
    exchange(service, list_id)
    clock.now, clock.epoch = 5.0, "second"
    with service.view(service.find("nums")) as view:
        (block,) = shown_blocks(view)
        (worker,) = shown_workers(view)
    assert (block.leased_at, block.expires_in_seconds, block.rate) == (None, None, None)
    assert (worker.first_seen_at, worker.last_seen_at) == (None, None)


def test_workers_are_told_apart_by_principal_and_name() -> None:
    service, list_id = make(100)
    for principal, name in (("me", "w"), ("you", "w"), ("me", "größe")):
        service.exchange(list_id, principal, Exchange(name, want=Want()))
    with service.view(service.find("nums")) as view:
        workers = shown_workers(view)
    assert len({worker.id for worker in workers}) == 3
    assert {(worker.principal, worker.name, worker.blocks, worker.state) for worker in workers} == {
        ("me", "w", 1, "active"), ("you", "w", 1, "active"), ("me", "größe", 1, "active"),
    }  # fmt: skip


def test_what_is_parked_says_why_and_neighbours_of_one_fate_are_one_block() -> None:
    service, list_id = make(10, attempts=1)
    lease = exchange(service, list_id)
    failed = ((2, "no such file"), (3, "no such file"), (4, "broken"), (7, "broken"))
    exchange(service, list_id, Report(lease.lease, 0, 10, failed=failed), claim=False)
    with service.view(service.find("nums")) as view:
        blocks = shown_blocks(view, RangeState.PARKED)
    assert [(block.index, block.size, block.attempt, block.reason) for block in blocks] == [
        (2, 2, 1, "no such file"), (4, 1, 1, "broken"), (7, 1, 1, "broken"),
    ]  # fmt: skip


def test_what_a_list_was_created_with_is_shown_as_it_is_given() -> None:
    service, _ = make(10**20)
    shown = show(service)
    assert shown.source == {"kind": "range", "start": 0, "stop": str(10**20)}
    assert shown.block == {"size": 10}
    assert shown.limits == {
        "blocks_per_worker": 1000, "blocks_per_principal": 1000, "workers_per_principal": 1000, "workers": 10000,
        "items_per_second": None, "parked": 1000,
    }  # fmt: skip
    other = Service(MemoryStore())
    source = {"kind": "permutations", "items": [2**60, 1], "shuffle": 2**60}
    rules = Rules(block=BlockRule(seconds=5, max=7))
    roles = {"worker": ("group:staff", "token:ci")}
    definition = Definition(source, "f", roles=roles, labels={"team": "maths"}, priority=5, weight=0.5)
    other.create("nums", definition, rules, 2, None)
    assert show(other).source == source, "an owner's values are never rewritten"
    assert show(other).block == {"seconds": 5.0, "max": 7}
    assert (show(other).priority, show(other).weight, show(other).labels) == (5, 0.5, {"team": "maths"})
    assert show(other).roles == {"worker": ["group:staff", "token:ci"]}


@pytest.mark.parametrize(("date", "text"), [(0.0, "1970-01-01T00:00:00Z"), (1.7e9, "2023-11-14T22:13:20Z")])
def test_dates_are_rfc_3339_in_utc(date: float, text: str) -> None:
    assert rfc_3339(date) == text
