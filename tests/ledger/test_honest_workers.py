"""With honest workers every list ends, although some of them die, some items fail and messages are lost."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from ledger_desk import LEASE_SECONDS, Desk
from ledger_model import value_of

from teamtask.ledger.commands import Failure, Outcomes, Report
from teamtask.ledger.list_state import FINISHED, ListState
from teamtask.ledger.rules import BlockRule, Limits

if TYPE_CHECKING:
    from teamtask.ledger.ledger import Lease


class Crew:
    """Workers of one list. An item of `bad` fails always, one of `deadly` kills its worker, who comes back later."""

    def __init__(self, desk: Desk, workers: int, seed: int, *, bad: set[int], deadly: set[int]) -> None:
        self.desk = desk
        self.chance = random.Random(seed)
        self.names = [f"worker-{number}" for number in range(workers)]
        self.dead_until = dict.fromkeys(self.names, 0.0)
        self.bad, self.deadly = bad, deadly
        self.held: dict[str, Lease] = {}
        self.requests = dict.fromkeys(self.names, 0)

    def work(self, rounds: int) -> None:
        """Take turns, in time to keep the leases, until the list is finished."""
        for _ in range(rounds):
            self.chance.shuffle(self.names)
            for name in self.names:
                self.desk.now += self.chance.choice([0.1, 1.0, 5.0])
                if self.desk.now >= self.dead_until[name] and self.desk.ledger.state not in FINISHED:
                    self.take_turn(name)

    def take_turn(self, name: str) -> None:
        lease = self.held.pop(name, None)
        if lease is None:
            reply = self.desk.exchange(name, want=True, request=f"{self.requests[name]}")
            if reply.lease is not None and self.chance.random() > 0.2:  # else the reply is lost, and it asks again
                self.requests[name] += 1
                self.held[name] = self.desk.ledger.leases[reply.lease]
        elif self.deadly & {index for start, stop in lease.rest for index in range(start, stop)}:
            self.dead_until[name] = self.desk.now + self.chance.choice([1.0, LEASE_SECONDS])
        else:
            self.report(name, lease)

    def report(self, name: str, lease: Lease) -> None:
        open_ranges = tuple(lease.rest)
        indices = [index for start, stop in open_ranges for index in range(start, stop)]
        if not indices:
            return  # it ended meanwhile
        failed = [index for index in indices if index in self.bad]
        done = [index for index in indices if index not in self.bad]
        fields: dict[str, Any] = {"failed": tuple((index, "bad") for index in failed)}
        if self.chance.random() < 0.2 and failed:  # it gives up at the first bad one instead
            done = [index for index in done if index < failed[0]]
            fields = {"error": Failure("bad", failed[0])}
        if self.desk.ledger.rules.fold is not None:
            fields["fold"] = sum(map(value_of, done)) if done else None
        ranges = tuple((index, index + 1) for index in done)
        fields["outcomes"] = Outcomes(ranges)
        report = Report(lease.id, lease.start, lease.start, ranges=ranges, **fields)
        for _ in range(self.chance.choice([1, 1, 2])):  # a message may come twice
            self.desk.exchange(name, report)


@given(
    size=st.integers(1, 60),
    workers=st.integers(1, 4),
    seed=st.integers(0, 10**6),
    bad=st.sets(st.integers(0, 59), max_size=3),
    deadly=st.sets(st.integers(0, 59), max_size=2),
    block=st.builds(BlockRule, size=st.none() | st.integers(1, 20), max=st.just(20)),
    attempts=st.integers(1, 4),
    fold=st.sampled_from([None, "sum"]),
    item_seconds=st.sampled_from([None, 10.0]),
    limits=st.builds(
        Limits,
        blocks_per_worker=st.integers(1, 2),
        workers=st.sampled_from([1, 3, 10]),
        items_per_second=st.sampled_from([None, 20.0]),
    ),
)
def test_with_honest_workers_every_list_ends(
    size: int, workers: int, seed: int, bad: set[int], deadly: set[int], **rules: Any
) -> None:
    bad, deadly = {index for index in bad if index < size}, {index for index in deadly if index < size}
    desk = Desk(size, checked=False, **rules)
    crew = Crew(desk, workers, seed, bad=bad, deadly=deadly)
    crew.work(3_000)
    desk.check_replay()
    ledger = desk.ledger
    assert ledger.state in FINISHED, f"it goes on for ever: {ledger.reason}, {desk.returned}"
    assert bad | deadly <= ledger.parked.keys()
    if not deadly:
        assert bad == ledger.parked.keys(), "only what is bad is parked"
    done = set(range(size)) - ledger.parked.keys()
    assert {index for start, stop in desk.done for index in range(start, stop)} == done
    assert ledger.results == len(done)
    assert (ledger.fold or 0) == (sum(map(value_of, done)) if rules["fold"] else 0)


def test_a_list_ends_although_every_worker_dies_at_every_lease_but_in_time_for_some() -> None:
    desk = Desk(200, block=10, checked=False, attempts=100)
    chance = random.Random(3)
    while desk.ledger.state is ListState.RUNNING:
        reply = desk.exchange(f"worker-{chance.randrange(5)}", want=True)
        if reply.lease is None:
            continue
        lease = desk.ledger.leases[reply.lease]
        if chance.random() < 0.7:
            desk.expire(lease)
        else:
            desk.report(lease)
    assert desk.done == [(0, 200)]
