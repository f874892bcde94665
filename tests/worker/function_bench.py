"""What the tests of `FunctionWork` share: a list in memory with real processes, and a log that outlives them."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from teamtask.ledger.rules import BlockRule, Limits, Rules
from teamtask.service.definition import Definition
from teamtask.service.results import Recorded, results_by_index
from teamtask.service.service import Service
from teamtask.sources import range as numbers
from teamtask.stores.memory import MemoryStore
from teamtask.worker.function_folds import FoldOfResults
from teamtask.worker.function_loop import FunctionTask
from teamtask.worker.function_pool import FunctionPool
from teamtask.worker.held_ranges import KeepFold, KeepOutcomes, KeepPartialFolds
from teamtask.worker.port import InlinePort
from teamtask.worker.work_functions import FunctionWatcher, FunctionWork

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from teamtask.ledger.ids import ListId
    from teamtask.ledger.ledger import Ledger
    from teamtask.wire.messages import Exchange, Reply

SOON_SECONDS = 20.0  # after which something that should have happened never will
MANY = 10**9


class Bench(FunctionWatcher):
    """A list of numbers in memory, and work on it."""

    def __init__(self, size: int, *, fold: Any = None, attempts: int = 3, block: int | None = None) -> None:
        self.service = Service(MemoryStore())
        source = numbers(size)
        rules = Rules(
            block=BlockRule(size=block, seconds=2.0),
            limits=Limits(blocks_per_worker=MANY, blocks_per_principal=MANY),
            attempts=attempts,
            fold=fold,
        )
        definition = Definition(source.definition(), source.fingerprint)
        self.list_id: ListId = self.service.create("numbers", definition, rules, size, None)
        self.source = source
        self.rule = fold
        self.on_tick: Callable[[], None] = lambda: None
        self.until = time.monotonic() + SOON_SECONDS
        self.refusals: list[int] = []
        self.work: FunctionWork | None = None

    def exchange(self, message: Exchange) -> Reply:
        return self.service.exchange(self.list_id, "local", message)

    def tick(self, running: int) -> None:
        assert time.monotonic() < self.until, f"it hangs, {running} still run: {self.ledger.done}"
        self.on_tick()

    def refused(self, index: int, _error: bytes) -> None:
        self.refusals.append(index)

    def run(
        self,
        function: Callable[[int], Any],
        processes: int = 2,
        *,
        merge: Callable[[Any, Any], Any] | None = None,
        retries: int = 0,
        timeout_seconds: float | None = None,
        exchange: Callable[[Exchange], Reply] | None = None,
        **options: Any,
    ) -> FunctionWork:
        fold = FoldOfResults(merge=merge) if merge else FoldOfResults(self.rule) if self.rule else None
        keeping = KeepPartialFolds(fold) if fold and merge else KeepFold(fold) if fold else KeepOutcomes()
        task = FunctionTask(function, self.source, fold, retries, exact=timeout_seconds is not None)
        with FunctionPool(task, processes) as pool:
            self.work = FunctionWork(
                InlinePort(exchange or self.exchange), "host/1", pool, self, keeping=keeping, lease_seconds=60.0,
                retries=retries, timeout_seconds=timeout_seconds, ask_seconds_max=0.1, **options,
            )  # fmt: skip
            self.work.run()
        return self.work

    @property
    def ledger(self) -> Ledger:
        with self.service.view(self.service.find("numbers")) as view:
            return view.ledger

    def results(self) -> list[Recorded]:
        with self.service.store.read() as reader:
            return list(results_by_index(reader, self.list_id))

    def values(self) -> list[Any]:
        return [result.value for result in self.results()]


class Log:
    """A file that each call appends a line to, in one write, so that it is there whatever happens next."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def write(self, item: object) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        os.write(descriptor, f"{item} {os.getpid()}\n".encode())
        os.close(descriptor)

    def items(self) -> list[int]:
        return [int(line.split()[0]) for line in self.path.read_text().splitlines()]

    def processes(self) -> set[int]:
        return {int(line.split()[1]) for line in self.path.read_text().splitlines()}


def is_odd(number: int) -> int:
    return number & 1
