"""Programs that share a list while answers are lost, leases are taken away and blocks are left: all counts once."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from teamtask.client import work_session
from teamtask.client.block import Block
from teamtask.client.work_session import WorkSession
from teamtask.ledger.rules import BlockRule, Limits, Rules
from teamtask.service.definition import Definition
from teamtask.service.service import Service
from teamtask.stores.memory import MemoryStore
from teamtask.wire.exchange_json import decode_exchange, decode_reply, encode_exchange, encode_reply
from teamtask.wire.messages import Exchange, Reply, Report, Want
from teamtask.wire.result_batch import from_payload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from teamtask.client.held_lease import HeldLease
    from teamtask.ledger.ids import ListId

SIZE = 400
SOON_SECONDS = 20.0


class RoughWay:
    """The way of one worker to a list: some of its answers are lost, and some of its leases are taken away."""

    def __init__(self, service: Service, list_id: ListId, chance: random.Random) -> None:
        self.kept: list[Report] = []
        self._service = service
        self._list_id = list_id
        self._chance = chance

    def __call__(self, exchange: Exchange) -> Reply:
        sent = encode_exchange(exchange)
        if self._chance.random() < 0.2:
            with self._service.view(self._service.find("numbers")) as view:
                leases = list(view.ledger.leases)
            self._service.take_back(self._list_id, leases[:2])
        for _ in range(self._chance.choice([0, 0, 0, 1, 2])):  # answers that are lost: it is repeated as it is
            self._service.exchange(self._list_id, "me", decode_exchange(sent))
        reply = decode_reply(encode_reply(self._service.exchange(self._list_id, "me", decode_exchange(sent))))
        return reply if reply.retry_in_seconds is None else replace(reply, retry_in_seconds=0.01)

    def give_up(self, seconds: float) -> None:
        """Everything is answered."""

    def hurry(self) -> None:
        """Nothing waits."""

    def leave(self, _worker: str) -> None:
        """A server hears of it by what is given back."""

    def keep(self, _worker: str, reports: Iterable[Report]) -> None:
        self.kept += reports


class Squares:
    """Items that are computed: those of the list are the squares of its indices."""

    def items(self, index: int, size: int) -> Iterator[int]:
        return (index * index for index in range(index, index + size))


class Program:
    """Works the list in one thread; what it does with each block is chance."""

    def __init__(self, service: Service, list_id: ListId, seed: int, fold: str | None) -> None:
        self._chance = random.Random(seed)
        self._fold = fold
        way: Any = RoughWay(service, list_id, random.Random(seed + 1))
        self.way = way
        self.session = WorkSession(way, f"worker-{seed}", fold_rule=fold, want=Want())

    def run(self) -> None:
        items: Any = Squares()

        def make(held: HeldLease, start: int, stop: int) -> Block:
            return Block(self.session, items, held, start, stop)

        self._work = self._chance.choice([self._at_the_end, self._as_it_comes])
        try:
            while (block := self.session.begin_block(make)) is not None:
                self._chance.choice([self._work, self._leave, self._fail])(block)
                block.leave()
        finally:
            self.session.close()

    def _at_the_end(self, block: Block) -> None:
        results = dict(enumerate(block, block.index))
        block.done(results if self._fold is None else None, fold=sum(results.values()) if self._fold else None)

    def _as_it_comes(self, block: Block) -> None:
        total = 0
        for index, item in enumerate(block, block.index):
            time.sleep(self._chance.choice([0, 0, 0.002]))  # so that others get on meanwhile
            if self._fold is None:
                block.result(index, item)
            total += item
            if self._fold and self._chance.random() < 0.3:
                block.progress(fold=total)
                total = 0
        block.done(fold=total if self._fold else None)

    def _leave(self, block: Block) -> None:
        for index, item in enumerate(block, block.index):
            if self._fold is None and self._work == self._as_it_comes:
                block.result(index, item)
            if self._chance.random() < 0.2:
                return

    def _fail(self, block: Block) -> None:
        blamed = self._chance.randrange(block.index, block.stop)
        if self._chance.random() < 0.3:
            block.fail("bad luck", blamed)


@pytest.mark.parametrize("fold", [None, "sum"])
@pytest.mark.parametrize("seed", range(0, 150, 10))
def test_every_index_counts_once_whatever_happens_to_blocks_and_answers(
    seed: int, fold: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_session, "TELL_SECONDS", 0.001)  # so that there is much to be lost
    service = Service(MemoryStore())
    definition = Definition({"kind": "range", "start": 0, "stop": SIZE}, "f")
    rules = Rules(block=BlockRule(size=7), fold=fold, attempts=100, lease_seconds=5.0)
    list_id = service.create("numbers", definition, rules, SIZE, None)
    programs = [Program(service, list_id, seed + number, fold) for number in range(3)]
    threads = [threading.Thread(target=program.run) for program in programs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with service.view(service.find("numbers")) as view:
        assert view.ledger.state == "complete"
        assert not view.ledger.leases
        if fold:
            assert view.ledger.fold == sum(index * index for index in range(SIZE))
        else:
            rows = [
                result
                for row in view.reader.results(list_id)
                for result in from_payload(row.index, row.payload).results()
            ]
            assert [(row.index, row.value) for row in sorted(rows, key=lambda row: row.index)] == [
                (index, index * index) for index in range(SIZE)
            ]
    assert all(program.way.kept == [] for program in programs)


class PatientWay(RoughWay):
    """A way on which nothing is lost; whoever is given nothing is to come back in an hour."""

    def __init__(self, service: Service, list_id: ListId) -> None:
        super().__init__(service, list_id, random.Random(0))
        self.refused = threading.Event()

    def __call__(self, exchange: Exchange) -> Reply:
        reply = self._service.exchange(self._list_id, "me", exchange)
        if reply.retry_in_seconds is None:
            return reply
        self.refused.set()
        return replace(reply, retry_in_seconds=3600.0)


def test_who_was_given_nothing_ahead_asks_again_when_his_lease_has_ended() -> None:
    service = Service(MemoryStore())
    rules = Rules(block=BlockRule(max=1), limits=Limits(blocks_per_worker=1))
    list_id = service.create("numbers", Definition({"kind": "range", "start": 0, "stop": 4}, "f"), rules, 4, None)
    way: Any = PatientWay(service, list_id)
    session = WorkSession(way, "me", want=Want())
    items: Any = Squares()
    worked: list[int] = []

    def work() -> None:
        while (block := session.begin_block(lambda *begun: Block(session, items, *begun))) is not None:
            worked.append(block.index)
            if block.index > 0:  # since then it knows how long one takes, and claims ahead
                way.refused.wait(SOON_SECONDS)
            way.refused.clear()
            block.done()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(SOON_SECONDS)
    session.stop()
    session.close()
    assert worked == [0, 1, 2, 3]
