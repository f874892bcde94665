"""Lists that together want to write more than they may, on a simulated API server on which nothing goes wrong."""

from __future__ import annotations

import threading
import time
from typing import Any

from simulated_api import Leads, Line, SimulatedApi, block_document, wait_for_threads

from teamtask.controller.controller import Controller
from teamtask.controller.write_budget import WriteBudget
from teamtask.kube import objects as o

LISTS, BLOCKS = o.path("worklists", "default"), o.path("blocks", "default")
HOLDERS, LOOKS = 10, 150


def work(api: SimulatedApi, seen: dict[str, int]) -> None:
    """Have every holder report at once what he has."""
    for name, before in seen.items():
        sequence = o.read_block(api.get(f"{BLOCKS}/{name}")).status.sequence
        if sequence > before:
            seen[name] = sequence
            api.patch(f"{BLOCKS}/{name}", {"spec": {"report": {"sequence": sequence, "state": "Completed"}}})


def done_of(api: SimulatedApi, name: str) -> int:
    return int(api.get(f"{LISTS}/{name}")["status"]["completedItems"])


def handed_out(specs: dict[str, dict[str, Any]]) -> dict[str, int]:
    api = SimulatedApi(lambda _: None)
    seen = {}
    for name, more in specs.items():
        spec = {"source": {"kind": "range", "stop": 10**6}, "block": {"size": 1}, **more}
        api.create(LISTS, {"kind": "Worklist", "metadata": {"name": name}, "spec": spec})
        for number in range(HOLDERS):
            api.create(BLOCKS, block_document(f"{name}-{number}", name))
            seen[f"{name}-{number}"] = 0
    budget: WriteBudget[Any] = WriteBudget(1_000.0, 60.0, time.monotonic())
    controller = Controller(Line(api, 0, 1e-9), "default", Leads(), budget)  # type: ignore[arg-type]
    thread = threading.Thread(target=controller.run)
    thread.start()
    try:
        for _ in range(LOOKS):
            work(api, seen)
            time.sleep(0.03)
    finally:
        controller.stop()
        thread.join()
        wait_for_threads()
    return {name: done_of(api, name) for name in specs}


def test_a_list_of_higher_priority_is_served_before_the_others_where_writes_are_short() -> None:
    done = handed_out({"low": {}, "high": {"priority": 1}})
    assert done["high"] > 2 * done["low"]


def test_lists_are_served_by_their_weights_where_writes_are_short() -> None:
    done = handed_out({"light": {}, "heavy": {"weight": 3.0}})
    assert done["heavy"] > 1.5 * done["light"]
