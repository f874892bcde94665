"""What must hold after every fault: nothing acknowledged is lost, all is recorded once, memory and store agree."""

from __future__ import annotations

import json
import math
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from logs import acknowledged

from teamtask.client.connection import list_path
from teamtask.ledger.interval_set import IntervalSet
from teamtask.service.service import Service
from teamtask.service.verifying import verify_list
from teamtask.stores.open_store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from logs import Part
    from server_process import ServerProcess

SAID_MAX = 20  # sentences about results
AGREE_SECONDS = 30.0  # so long what is in flight may take to arrive
STATES = ("done", "leased", "returned", "parked")
SAME = ("state", "start", "size", "done", "failed", "leased", "returned", "parked", "frontier", "results", "fold")
SAME_OF_BLOCK = ("name", "state", "index", "size", "done", "attempt", "restarts", "worker")


def lost(server: ServerProcess, name: str, before: IntervalSet) -> Iterator[str]:
    """Say what was acknowledged and is not done."""
    done = IntervalSet()
    with server.connection() as connection:
        for shown in connection.pages(list_path(name, "ranges"), query={"state": "done"}):
            done.add(int(shown["index"]), int(shown["index"]) + int(shown["size"]))
    missing = before.difference(done)
    if missing:
        yield f"Lost: {missing.size:,} items that were acknowledged, {next(iter(missing))} first."


def wrong_at_the_end(
    server: ServerProcess, name: str, parts: dict[str, Part], items: int, results_every: int
) -> Iterator[str]:
    """Say what is wrong with a list of the numbers from 0 that has been worked to its end."""
    yield from lost(server, name, acknowledged(parts))
    shown = server.show(name)
    is_so = (shown["state"], int(shown["done"]), int(shown["fold"]))
    should_be = ("complete", items, items * (items - 1) // 2)
    if is_so != should_be:
        yield f"The list is {is_so}; it should be {should_be}."
    yield from _wrong_results(server, name, parts, iter(range(0, items, results_every)), results_every)


def _wrong_results(
    server: ServerProcess, name: str, parts: dict[str, Part], expected: Iterator[int], every: int
) -> Iterator[str]:
    first: dict[int, float] = {}  # by index: when it was acknowledged first
    for part in parts.values():
        if part.acknowledged_stop is not None:
            for index in range(-(-part.start // every) * every, part.acknowledged_stop, every):
                first[index] = min(first.get(index, math.inf), part.acknowledged_at)
    said = 0
    with server.connection() as connection:
        for result in map(json.loads, connection.lines("GET", list_path(name, "results"))):
            index, value = int(result["index"]), result["result"]
            part = parts.get(value)
            wrong = (
                "is missing, or recorded twice, or too early" if index != next(expected, None)
                else "was sent by nobody" if part is None or not part.start <= index < part.stop
                else "was worked again after it had been acknowledged" if part.sent_at > first.get(index, math.inf)
                else None
            )  # fmt: skip
            if wrong is not None:
                yield f"The result of index {index:,}, {value}, {wrong}."
                said += 1
                if said == SAID_MAX:
                    return
    if next(expected, None) is not None:
        yield "There are fewer results than there should be."


def wrong_in_store(url: str) -> Iterator[str]:
    """Say what is wrong with what a store holds: its rows, its ledgers' invariants, its results."""
    with closing(open_store(url)) as store:
        yield from store.verify()
        service = Service(store)
        for record in service.lists():
            yield from verify_list(service, record)


def disagreement(server: ServerProcess, fresh: ServerProcess, name: str) -> Iterator[str]:
    """Say where the memory of a server is not what another one, which has just begun, reads from the store."""
    until = time.monotonic() + AGREE_SECONDS
    while True:
        one, other = told(server, name), told(fresh, name)
        if one == other:
            return
        if time.monotonic() > until:
            for what in one:
                if one[what] != other[what]:
                    yield f"In memory {what} is {one[what]!r:.300}; the store says {other[what]!r:.300}."
            return
        time.sleep(0.2)


def told(server: ServerProcess, name: str) -> dict[str, Any]:
    """Give what a server says of a list, without what changes by itself."""
    shown = server.show(name)
    found = {what: shown[what] for what in SAME}
    with server.connection() as connection:
        for state in STATES:
            found[f"ranges {state}"] = list(connection.pages(list_path(name, "ranges"), query={"state": state}))
        found["blocks"] = [
            [block[what] for what in SAME_OF_BLOCK] for block in connection.pages(list_path(name, "blocks"), query={})
        ]
    return found
