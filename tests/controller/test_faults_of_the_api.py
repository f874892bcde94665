"""Controllers on an API server on which all sorts of things go wrong: each index counts once, and the list ends.

What goes wrong: calls refused with 429 and 503, calls and answers lost, watches that are late, repeat themselves, break
off and are told 410 Gone, conflicts; two controllers that both lead, each of them killed again and again. A run prints
its seed; threads make each run another one all the same.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from simulated_api import Leads, Line, SimulatedApi, block_document, wait_for_threads

from teamtask.controller import controller as controllers
from teamtask.controller import event_writer, reflector
from teamtask.controller.controller import Controller
from teamtask.controller.write_budget import WriteBudget
from teamtask.kube import objects as o
from teamtask.kube.kubernetes_error import KubernetesError
from teamtask.ledger.interval_set import IntervalSet
from teamtask.wire.interval_text import interval_text, parse_intervals

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE, BLOCK_SIZE, HOLDERS = 400, 7, 6
FACTOR, MODULUS = 2654435761, 2**31  # an index gives a value that no few others add up to
FAULT_SHARE = 0.15
END_SECONDS = 60
LISTS, BLOCKS = o.path("worklists", "default"), o.path("blocks", "default")
LIST = f"{LISTS}/list"


def total(ranges: IntervalSet) -> int:
    return sum(index * FACTOR % MODULUS for start, stop in ranges for index in range(start, stop))


class Truth:
    """What was reported; and that no write of the list says anything else, or less than the one before."""

    def __init__(self) -> None:
        self.reported = IntervalSet()
        self.wrong: list[str] = []
        self._done = IntervalSet()

    def see(self, document: dict[str, Any]) -> None:
        text = document.get("status", {}).get("completed")
        if document["kind"] != "Worklist" or not text:
            return
        done = parse_intervals(text, 0, SIZE)
        if self._done.difference(done).size:
            self.wrong.append(f"{text} has less than {interval_text(self._done)}")
        if done.difference(self.reported).size:
            self.wrong.append(f"{text} has more than what was reported")
        if document["status"].get("fold") != total(done):
            self.wrong.append(f"{text} has the fold {document['status'].get('fold')}, not {total(done)}")
        self._done = done


class Holders:
    """Honest holders who have bad luck."""

    def __init__(self, api: SimulatedApi, truth: Truth, seed: int) -> None:
        self._api, self._truth, self._chance = api, truth, random.Random(seed)
        self._made = 0
        self._seen: dict[str, int] = {}
        self._wait_until: dict[str, float] = {}
        self._names = [self._make() for _ in range(HOLDERS)]

    def _make(self) -> str:
        self._made += 1
        name = f"block-{self._made}"
        self._api.create(BLOCKS, block_document(name, "list"))
        return name

    def go_on(self) -> None:
        """Have each look at its block, and do something if it has work."""
        for number, name in enumerate(self._names):
            try:
                block = o.read_block(self._api.get(f"{BLOCKS}/{name}"))
            except KubernetesError:
                self._names[number] = self._make()
                continue
            if block.status.phase == "Expired":
                self._leave(name)
            elif block.status.phase == "Ready" and block.status.sequence > self._seen.get(name, 0):
                slow = self._wait_until.setdefault(name, time.monotonic() + self._chance.choice((0, 0, 0, 0, 0.3, 1.5)))
                if time.monotonic() >= slow:
                    del self._wait_until[name]
                    self._seen[name] = block.status.sequence
                    self._act(name, block)

    def _act(self, name: str, block: o.Block) -> None:
        held = IntervalSet((one.index, one.index + one.size) for one in block.status.assignments)
        match self._chance.choices(("Completed", "Failed", "Released", "vanish", "leave"), (80, 5, 5, 5, 5))[0]:
            case "vanish":
                return
            case "leave":
                self._leave(name)
            case "Completed":
                self._report(name, block, "Completed", held)
            case state:
                indices = [index for start, stop in held for index in range(start, stop)]
                some = self._chance.sample(indices, self._chance.randrange(len(indices)))
                self._report(name, block, state, IntervalSet((index, index + 1) for index in sorted(some)))
        if self._chance.random() < 0.1:
            self._leave(name)

    def _report(self, name: str, block: o.Block, state: str, done: IntervalSet) -> None:
        for start, stop in done:
            self._truth.reported.add(start, stop)
        results = [{"index": index, "value": index**2} for start, stop in done for index in range(start, stop)]
        report: dict[str, Any] = {"sequence": block.status.sequence, "state": state, "results": results}
        report["done"] = interval_text(done) if state != "Completed" else None
        report["fold"] = total(done) if done.size else None
        with suppress(KubernetesError):  # expired meanwhile, and refused
            self._api.patch(f"{BLOCKS}/{name}", {"spec": {"report": report}})

    def _leave(self, name: str) -> None:
        with suppress(KubernetesError):
            self._api.delete(f"{BLOCKS}/{name}", {})


class Manager:
    """Keeps one controller running, each time with another line, and kills it now and then."""

    def __init__(self, api: SimulatedApi, seed: int) -> None:
        self._api, self._seed = api, seed
        self._over = threading.Event()
        self._line: Line | None = None
        self._controller: Controller | None = None
        self.starts = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            self.starts += 1
            self._line = Line(self._api, self._seed + self.starts, FAULT_SHARE)
            budget: WriteBudget[Any] = WriteBudget(1e9, 1e9, time.monotonic())
            self._controller = Controller(self._line, "default", Leads(), budget)  # type: ignore[arg-type]
            with suppress(KubernetesError):  # of its first calls
                self._controller.run()

    def kill(self) -> None:
        if self._line is not None and self._controller is not None:
            self._line.kill()
            self._controller.stop()

    def close(self) -> None:
        self._over.set()
        while self._thread.is_alive():
            self.kill()
            self._thread.join(0.1)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have little time between two tries, and pages of three objects."""
    for name in ("RETRY_SECONDS", "LIST_PASS_SECONDS", "PASS_SECONDS", "EVENTS_SECONDS"):
        monkeypatch.setattr(controllers, name, 0.02)
    monkeypatch.setattr(reflector, "BACKOFF_SECONDS", 0.02)
    monkeypatch.setattr(reflector, "PAGE", 3)
    monkeypatch.setattr(event_writer, "EVENTS_PER_SECOND", 1e4)


def run(api: SimulatedApi, holders: Holders, chance: random.Random, managers: list[Manager]) -> None:
    """Work the list to its end; each controller is killed once at least, the first when a third is done."""
    until, planned = (
        time.monotonic() + END_SECONDS,
        [(SIZE * (one + 1) // 3, manager) for one, manager in enumerate(managers)],
    )
    while (status := api.get(LIST).get("status", {})).get("phase") != "Complete" and time.monotonic() < until:
        holders.go_on()
        time.sleep(0.02)
        if planned and status.get("completedItems", 0) >= planned[0][0]:
            planned.pop(0)[1].kill()
        if chance.random() < 0.02:
            chance.choice(managers).kill()
        if chance.random() < 0.02:
            api.compact()
    assert not planned


def wait_for(there: Callable[[], bool]) -> bool:
    """Tell whether it becomes so; a controller that is behind may undo it once more."""
    until = time.monotonic() + END_SECONDS
    while not (is_so := there()) and time.monotonic() < until:
        time.sleep(0.05)
    return is_so


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_list_ends_with_each_index_counted_once_whatever_the_api_server_and_the_controllers_do(number: int) -> None:
    seed = int(os.environ.get("TEAMTASK_SEED") or random.randrange(1_000_000)) + number
    print(f"TEAMTASK_SEED={seed - number}")
    truth = Truth()
    api = SimulatedApi(truth.see)
    spec = {"source": {"kind": "range", "stop": SIZE}, "block": {"size": BLOCK_SIZE}, "fold": "sum",
            "leaseSeconds": 1, "attempts": 100}  # fmt: skip
    api.create(LISTS, {"apiVersion": o.API_VERSION, "kind": "Worklist", "metadata": {"name": "list"}, "spec": spec})
    holders = Holders(api, truth, seed)
    managers = [Manager(api, 1_000 * (seed + one)) for one in range(2)]
    try:
        run(api, holders, random.Random(seed), managers)
        status = api.get(LIST)["status"]
        closed = wait_for(lambda: phases(api) <= {"Closed", "Expired"})
    finally:
        for manager in managers:
            manager.close()
        wait_for_threads()
    assert truth.wrong == []
    assert (status["phase"], status["completed"]) == ("Complete", f"0-{SIZE - 1}")
    assert status["fold"] == total(IntervalSet.of(0, SIZE))
    rows = api.get("/api/v1/namespaces/default/configmaps/list-results")["data"]
    assert {int(index): json.loads(row)["result"] for index, row in rows.items()} == {i: i**2 for i in range(SIZE)}
    assert status["results"] == SIZE
    assert closed


def phases(api: SimulatedApi) -> set[str]:
    there = [one for one in api.page(BLOCKS, {})["items"] if "deletionTimestamp" not in one["metadata"]]
    return {one.get("status", {}).get("phase", "Pending") for one in there}
