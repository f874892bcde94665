"""Blocks of size one over HTTP: a million trivial items, and ten thousand leases held at once.

    python benchmarks/size_one.py [--workers 200] [--rounds 3] [--items 1000000] [--leases 10000] [--seconds 4]

First, 200 workers who do nothing with an item work through a list of a million: from the first claim, which is given
one item, to the report that completes the list. Aim: 3 seconds. Then they hold 10,000 leases between them and complete
them in random order, beside workers who hold one lease each; both on lists of blocks of size one. Aim: half the rate.
At the end of each list one done range is left, and 64 KiB of state at most: snapshot and journal in the SQLite file.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from typing import TYPE_CHECKING, NamedTuple

from _http_load import FAR, run_workers
from _served import Served

if TYPE_CHECKING:
    from _contenders import Round
    from _http_load import Load, Moment

SIZE_ONE = {"size": 1}
EXCHANGES_WHILE_HELD = 5  # for each lease that is held
STATE_BYTES_MAX = 65_536
LEASE_SECONDS = 3_600  # nobody renews


class Left(NamedTuple):
    """What a finished list leaves."""

    ranges: int
    state_bytes: int


def left(served: Served, name: str, items: int) -> Left:
    """Check that a list is complete, and tell what it leaves."""
    ranges = served.call("GET", f"/v1/lists/{name}/ranges?state=done")["items"]
    if sum(int(found["size"]) for found in ranges) != items:
        raise SystemExit(f"{name} is not complete: {ranges[:3]}")
    return Left(len(ranges), served.state_bytes(name))


def finished(load: Load) -> Moment:
    """Give the moment of the report that completed the list."""
    if load.complete is None:
        raise SystemExit("Nobody was told that the list is complete.")
    return load.complete


def million(served: Served, name: str, items: int, workers: int) -> tuple[float, int, float, Left]:
    """Give the seconds, exchanges and CPU seconds that a list of so many items takes, and what it leaves."""
    path = served.create(name, items, SIZE_ONE)
    done, load = run_workers([served], [path], workers)
    return finished(load).at - load.began, done.operations, done.cpu_seconds, left(served, name, items)


def held(served: Served, name: str, leases: int, workers: int) -> tuple[float, Left]:
    """Give the exchanges a second while so many leases are held, and what the list leaves."""
    holding = max(1, leases // workers)
    items = workers * holding * (1 + EXCHANGES_WHILE_HELD)
    limits = {"blocks_per_worker": holding + 1, "blocks_per_principal": leases + workers}
    path = served.create(name, items, SIZE_ONE, limits=limits, lease_seconds=LEASE_SECONDS)
    _, load = run_workers([served], [path], workers, holding=holding)
    finished(load)
    begin, end = load.filled, load.handed_out
    assert begin is not None, "else nobody had gone on"
    assert end is not None, "the list has an end, and was complete"
    return (end.exchanges - begin.exchanges) / (end.at - begin.at), left(served, name, items)


def normal(served: Served, name: str, workers: int, seconds: float) -> Round:
    """Measure workers who hold one lease each."""
    return run_workers([served], [served.create(name, FAR, SIZE_ONE)], workers, seconds=seconds)[0]


def print_left(found: list[Left]) -> None:
    """Print the most that any of these lists left."""
    ranges, state = (max(figures) for figures in zip(*found, strict=True))
    counted = "1 done range" if ranges == 1 else f"{ranges:,} done ranges"
    print(f"  afterwards {counted} and {state:,} bytes of state (aim: 1 and {STATE_BYTES_MAX:,} or less)")


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--leases", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    lists, one_each, many_each = [], [], []
    with tempfile.TemporaryDirectory(prefix="teamtask-bench-") as folder:
        served = Served(folder)
        try:
            for number in range(options.rounds):
                lists.append(million(served, f"million-{number}", options.items, options.workers))
                one_each.append(normal(served, f"normal-{number}", options.workers, options.seconds).rate)
                many_each.append(held(served, f"held-{number}", options.leases, options.workers))
        finally:
            served.close()
    print(f"{options.workers} workers over HTTP, {options.rounds} rounds on {os.cpu_count()} CPUs; medians")
    seconds, exchanges, cpu = (statistics.median(figures) for figures in list(zip(*lists, strict=True))[:3])
    print(f"{options.items:,} items of size one: {seconds:.1f} s from the first probe to complete (aim: 3.0 or less)")
    print(f"  in {exchanges:,.0f} exchanges and {cpu:.1f} CPU seconds of the server")
    print_left([one[3] for one in lists])
    rate = statistics.median(rate for rate, _ in many_each)
    ratio = statistics.median(many / one for one, (many, _) in zip(one_each, many_each, strict=True))
    print(f"{options.leases:,} leases held at once, completed in random order: {rate:,.0f} exchanges/s")
    usual = statistics.median(one_each)
    print(f"  {ratio:.2f} times the {usual:,.0f}/s of {options.workers} leases (aim: 0.5 or more)")
    print_left([one for _, one in many_each])


if __name__ == "__main__":
    main()
