"""Seconds for a million trivial Python items in two processes, beside multiprocessing.Pool and dask.bag.

    python benchmarks/million.py [items [rounds]]

Every contender works in a fresh interpreter, in turn in each round; ratios are taken within a round. The time begins
when everything is imported, and ends with the result: processes, state file and commits (SQLite, synchronous FULL) are
in it. Pool and dask.bag get several chunk sizes, of which the best counts; they keep nothing. The aims: with a fold
alone at most 1.5 times Pool's time, with every outcome kept and yielded at most 3 times, and faster than dask.bag.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PROCESSES = 2
CHUNKS = (10_000, 50_000, 100_000)
PARTITIONS = (2, 8)
OURS = ("teamtask.fold", "teamtask.map", "teamtask.map again")


def work(number: int) -> int:
    """A trivial item."""
    return number & 1


def in_a_loop(items: int) -> Callable[[], int]:
    """One process, and nothing else."""
    return lambda: sum(map(work, range(items)))


def pool(items: int, how: str, chunk: int) -> Callable[[], int]:
    """What the standard library has."""
    from multiprocessing import Pool

    def run() -> int:
        with Pool(PROCESSES) as processes:
            return sum(getattr(processes, how)(work, range(items), chunksize=chunk))

    return run


def dask_bag(items: int, partitions: int) -> Callable[[], int]:
    """The same with dask."""
    import dask.bag
    import dask.multiprocessing

    bag = dask.bag.range(items, npartitions=partitions).map(work).sum()
    return partial(bag.compute, scheduler="processes", num_workers=PROCESSES)


def fold(items: int) -> Callable[[], int]:
    """A fold alone."""
    import teamtask

    run = teamtask.fold
    return lambda: int(run(work, range(items), "sum", processes=PROCESSES))


def outcomes(items: int, *, again: bool = False) -> Callable[[], int]:
    """Every outcome kept and yielded; `again` from what was kept before."""
    import teamtask

    run = teamtask.map

    def sum_of_all() -> int:
        return sum(outcome.result for outcome in run(work, range(items), processes=PROCESSES))

    if again:
        sum_of_all()
    return sum_of_all


def contenders(items: int) -> dict[str, Callable[[], Callable[[], int]]]:
    """Give how to prepare each of them, by a name that may have a variant behind a slash."""
    made: dict[str, Callable[[], Callable[[], int]]] = {"one process": partial(in_a_loop, items)}
    for how in ("map", "imap_unordered"):
        for chunk in CHUNKS:
            made[f"multiprocessing.Pool/{how} {chunk}"] = partial(pool, items, how, chunk)
    if find_spec("dask") is not None:
        for partitions in PARTITIONS:
            made[f"dask.bag/{partitions} partitions"] = partial(dask_bag, items, partitions)
    prepared = (partial(fold, items), partial(outcomes, items), partial(outcomes, items, again=True))
    return made | dict(zip(OURS, prepared, strict=True))


def measure(name: str, items: int) -> float:
    """Seconds of one contender, in an interpreter and with a state folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, __file__, "--one", name, str(items)],
            env=os.environ | {"XDG_STATE_HOME": folder}, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
    return float(done.stdout)


def measure_here(name: str, items: int) -> None:
    """Print the seconds of one contender."""
    run = contenders(items)[name]()
    begin = time.perf_counter()
    result = run()
    seconds = time.perf_counter() - begin
    if result != items // 2:
        raise SystemExit(f"{name} gave {result}")
    print(seconds)


def main() -> None:
    """Print a table."""
    items = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    figures: dict[str, list[float]] = {}
    for _ in range(rounds):
        best: dict[str, float] = {}
        for name in contenders(items):
            who = name.partition("/")[0]
            best[who] = min(best.get(who, float("inf")), measure(name, items))
        for who, seconds in best.items():
            figures.setdefault(who, []).append(seconds)
    if "dask.bag" not in figures:
        print("dask is not installed and is left out.")
    print(f"{items:,} items, {PROCESSES} processes, {rounds} rounds on {os.cpu_count()} CPUs; medians")
    peers: dict[str, Any] = {"x Pool": "multiprocessing.Pool", "x dask.bag": "dask.bag"}
    print(f"{'':22} {'seconds':>8}" + "".join(f" {title:>11}" for title, peer in peers.items() if peer in figures))
    for who, measured in figures.items():
        ratios = [
            statistics.median(mine / theirs for mine, theirs in zip(measured, figures[peer], strict=True))
            for peer in peers.values()
            if peer in figures
        ]
        print(f"{who:22} {statistics.median(measured):8.3f}" + "".join(f" {ratio:11.2f}" for ratio in ratios))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure_here(sys.argv[2], int(sys.argv[3]))
    else:
        main()
