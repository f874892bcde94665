"""What the tests of work through a `ThreadPort` share: a list far away, and the three ways to work it."""

from __future__ import annotations

import random
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from function_bench import Bench, Log
from msgspec.structs import replace

from teamtask.worker.function_folds import FoldOfResults
from teamtask.worker.function_loop import FunctionTask
from teamtask.worker.function_pool import FunctionPool
from teamtask.worker.held_ranges import KeepFold, KeepOutcomes
from teamtask.worker.placeholders import compile_template
from teamtask.worker.port import ThreadPort
from teamtask.worker.run_command import CommandRunner
from teamtask.worker.work_blocks import BlockWork
from teamtask.worker.work_functions import FunctionWork
from teamtask.worker.work_items import ItemWork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from teamtask.ledger.rules import Limits
    from teamtask.wire.messages import Exchange, Lease, Reply
    from teamtask.worker.port import Port

KINDS = ["items", "blocks", "functions"]
SOON_SECONDS = 20.0  # after which something that should have happened never will


class Network:
    """An exchange with a server far away; messages are carried out one after the other.

    By chance (`seed`) a message is lost, or carried out and the answer lost: then the same one is sent again; or the
    answer is late. Between `go_away` and `come_back` nothing is answered.
    """

    def __init__(self, exchange: Callable[[Exchange], Reply], seed: int | None = None) -> None:
        self._exchange = exchange
        self._chance = None if seed is None else random.Random(seed)
        self._busy = threading.Lock()
        self._back = threading.Event()
        self._back.set()
        self.messages: list[Exchange] = []
        self.leases: list[Lease] = []
        self.repeated = 0
        self.away_after = 0  # leases, if not 0

    def go_away(self) -> None:
        self._back.clear()

    def come_back(self) -> None:
        self._back.set()

    @property
    def is_awaited(self) -> bool:
        """Something was said, and nobody answers."""
        return self._busy.locked() and not self._back.is_set()

    def __call__(self, message: Exchange) -> Reply:
        assert self._busy.acquire(blocking=False), "one message at a time"
        try:
            assert self._back.wait(SOON_SECONDS), "nobody brought the server back"
            self.messages.append(message)
            if self._chance is not None:
                self._bad_luck(message, self._chance)
            reply = self._exchange(message)
            self.leases += reply.leases
            if self.away_after and len(self.leases) >= self.away_after:
                self.away_after = 0
                self.go_away()
            return reply
        finally:
            self._busy.release()

    def _bad_luck(self, message: Exchange, chance: random.Random) -> None:
        while chance.random() < 0.4:
            time.sleep(chance.random() / 100)
            if chance.random() < 0.5:
                self._exchange(message)
                self.repeated += 1
        time.sleep(chance.random() / 50)


class Far(Bench):
    """A list of numbers, worked by one worker that is far away from it; what is done is in the log too."""

    def __init__(
        self, size: int, log: Log, *, seed: int | None = None, limits: Limits | None = None, **options: Any
    ) -> None:
        super().__init__(size, **options)
        self.log = log
        self.network = Network(self.exchange, seed)
        self.timed_out: list[int] = []
        if limits is not None:
            self.service.change_rules(self.list_id, lambda rules: replace(rules, limits=limits))

    def finished(self, index: int, _item: object, finished: Any) -> None:
        assert finished.stderr.kept == b""
        if finished.timed_out:
            self.timed_out.append(index)

    @property
    def recorded(self) -> list[int]:
        """Give the index of every result, in order."""
        return [result.index for result in self.results()]

    @contextmanager
    def working(
        self, kind: str, *, slots: int = 2, first: str = "", function: Callable[[int], Any] | None = None,
        port: Port | None = None, timeout_seconds: float | None = None, **settings: Any,
    ) -> Iterator[Any]:  # fmt: skip
        """Make the work. Each item, `$n` or what `function` gets, is written to the log once `first` is done."""
        port = port or ThreadPort(self.network)
        settings = {"lease_seconds": 60.0, "ask_seconds_max": 0.05, "ahead": True, **settings}
        if kind == "functions":
            fold = FoldOfResults(self.rule) if self.rule else None
            task = FunctionTask(function or self._written, self.source, fold, settings.get("retries", 0))
            keeping = KeepFold(fold) if fold else KeepOutcomes()
            with FunctionPool(task, slots) as pool:
                yield FunctionWork(port, "far/1", pool, self, keeping=keeping, **settings)
            return
        write = f"{first} echo $n >>{self.log.path};"
        script = f"n={{}}; {write}"
        if kind == "blocks":
            script = f'while read n; do {write} echo "result $n $n" >>"$TEAMTASK_REPORT"; done'
            if self.rule:
                script = f's=0; while read n; do {write} s=$((s+n)); done; echo "fold $s" >>"$TEAMTASK_REPORT"'
            settings["fold"] = self.rule is not None
        template = compile_template(["sh", "-c", script], per_block=kind == "blocks")
        way: Any = ItemWork if kind == "items" else BlockWork
        with CommandRunner[Any](slots, timeout_seconds=timeout_seconds) as runner:
            yield way(
                port, "far/1", runner, self, source=self.source, template=template, list_name="numbers", **settings
            )

    def run_far(self, kind: str, **options: Any) -> Any:
        with self.working(kind, **options) as work:
            work.run()
        return work

    def _written(self, number: int) -> int:
        self.log.write(number)
        return number


def slowly(log: Log) -> Callable[[int], int]:
    """Make a function of pieces that are small."""

    def function(number: int) -> int:
        time.sleep(0.02)
        log.write(number)
        return number

    return function
