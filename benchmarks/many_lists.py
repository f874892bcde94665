"""Many lists on one server: the memory that ten thousand of them take, their rate together, and the server's start.

    python benchmarks/many_lists.py [--lists 10000] [--together 1000] [--workers 200] [--rounds 3] [--seconds 4]

A server is given 10,000 lists, and a worker claims a block of each. Aims: 300 MiB of memory with the 10,000 active
leases; 1,000 lists that are worked on at the same time, by a worker each, get half the exchanges a second that one list
gets with 200 workers; and a server that starts with all of this in its file listens within a second.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time

from _contenders import FIGURES, figures, times
from _http_load import FAR, run_workers
from _served import Served, exchange_path

LEASE_SECONDS = 3_600  # nobody renews
MEMORY_MIB_MAX = 300


def fill(served: Served, lists: int) -> list[str]:
    """Create lists and claim a block of each; give the paths of their exchanges."""
    names = [f"list-{number}" for number in range(lists)]
    source = {"kind": "range", "stop": str(FAR)}
    body = {"source": source, "block": {"size": 1_000}, "lease_seconds": LEASE_SECONDS}
    served.calls([("POST", "/v1/lists", {"name": name, **body}) for name in names])
    paths = [exchange_path(name) for name in names]
    claims = served.calls([("POST", path, {"worker": "holder/1", "want": {}}) for path in paths])
    if not all(claim["leases"] for claim in claims):
        raise SystemExit("A claim was given no lease.")
    return paths


def start_again(served: Served, path: str) -> tuple[float, float]:
    """Give the seconds from the start of the program until it listens, and until it has answered an exchange."""
    served.close()
    seconds = served.start()
    began = time.perf_counter()
    served.call("POST", path, {"worker": "first/1", "want": {}})
    return seconds, seconds + time.perf_counter() - began


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lists", type=int, default=10_000)
    parser.add_argument("--together", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    one, together, starts = [], [], []
    with tempfile.TemporaryDirectory(prefix="teamtask-bench-") as folder:
        served = Served(folder)
        try:
            empty_mib = served.memory_mib()
            paths = fill(served, options.lists)
            full_mib = served.memory_mib()
            some = paths[1 : options.together + 1]
            for _ in range(options.rounds):
                one.append(run_workers([served], paths[:1], options.workers, seconds=options.seconds)[0])
                together.append(run_workers([served], some, len(some), seconds=options.seconds)[0])
            starts = [start_again(served, paths[-1]) for _ in range(options.rounds)]
        finally:
            served.close()
    print(f"{options.lists:,} lists on one server, SQLite, {os.cpu_count()} CPUs; medians of {options.rounds} rounds")
    leases = f"{options.lists:,} lists and as many active leases"
    print(f"{full_mib:.0f} MiB of memory with {leases} (aim: {MEMORY_MIB_MAX} or less), {empty_mib:.0f} without")
    print(f"\n{'exchanged at the same time':34}{FIGURES}")
    print(f"{f'one list, {options.workers} workers':34}{figures(one)}")
    print(f"{f'{len(some):,} lists, a worker each':34}{figures(together)}")
    print(f"{times(together, one):.2f} times the rate of one list (aim: 0.5 or more)")
    listens, answers = (statistics.median(column) for column in zip(*starts, strict=True))
    print(f"\nit starts with these lists in {listens:.2f} s (aim: 1.0 or less), and has answered in {answers:.2f} s")


if __name__ == "__main__":
    main()
