"""`million`: a million items of size one and 300 workers, within the default write budget, to the end."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from _bench import Bench, Controller, percentile
from _holders import Holders

from teamtask.kube import objects as o

if TYPE_CHECKING:
    from collections.abc import Callable

ITEMS, WORKERS = 1_000_000, 300
LOOK_SECONDS = 1.0
TOLD_SECONDS = 120.0


class Look(NamedTuple):
    """What somebody else sees who asks in between."""

    read_seconds: float
    write_seconds: float
    worklist_bytes: int
    throttled: str


def million(bench: Bench) -> None:
    """Print how the list comes to its end, and how the API server answers others meanwhile."""
    controller = Controller(bench.namespace)
    source = {"kind": "range", "stop": ITEMS}
    bench.create_list("million", source=source, block={"size": 1}, blocksPerHolder=WORKERS)
    path = f"{o.path('worklists', bench.namespace)}/million"
    others = f"/api/v1/namespaces/{bench.namespace}/configmaps"
    bench.server.call("POST", others, {"metadata": {"name": "others"}})
    holders, began = Holders(bench.server, bench.namespace, "million"), time.perf_counter()
    holders.create(f"million-{number}" for number in range(WORKERS))
    looks, told_at = [], began
    while (found := _look(bench, path, f"{others}/others", looks.append)) != "Complete":
        if time.perf_counter() - told_at > TOLD_SECONDS:
            told_at = time.perf_counter()
            handed_out = sum(one.items for one in holders.assigned)
            print(f"  {found}: {handed_out:,} items handed out after {told_at - began:,.0f} s", file=sys.stderr)
        time.sleep(LOOK_SECONDS)
    seconds = time.perf_counter() - began
    rate, done = ITEMS / seconds, bench.worklist("million").status.completed
    print(f"{ITEMS:,} items, {WORKERS} workers: {seconds:,.0f} s, {rate:,.0f} blocks/s; done: {done}")
    print(f"  controller: {controller.cpu_seconds():,.0f} CPU s, {controller.mebibytes():.0f} MiB")
    largest = max(look.worklist_bytes for look in looks)
    print(f"  the Worklist: {largest:,} bytes at most (aim: 32,768 or less)")
    print(f"  Throttled: {next((look.throttled for look in reversed(looks) if look.throttled), 'never')}")
    for verb, times in (("GET", [x.read_seconds for x in looks]), ("PATCH", [x.write_seconds for x in looks])):
        p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
        print(f"  another's {verb}: {p50:.0f} ms median, {p99:.0f} ms p99, {1000 * max(times):.0f} ms at most")
    holders.stop()
    bench.delete_list("million")
    controller.close()


def _look(bench: Bench, path: str, other: str, keep: Callable[[Look], None]) -> str:
    """Ask as somebody else; give the list's phase."""
    began = time.perf_counter()
    document = bench.server.call("GET", path)
    read = time.perf_counter()
    bench.server.call("PATCH", other, {"data": {"at": str(began)}})
    wrote = time.perf_counter()
    worklist = o.read_worklist(document)
    said = [one.message for one in worklist.status.conditions if one.type == "Throttled" and one.status == "True"]
    keep(Look(read - began, wrote - read, len(json.dumps(document)), said[0] if said else ""))
    return worklist.status.phase
