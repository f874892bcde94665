"""Jobs per second of `teamtask run`, outcomes kept and durable, beside xargs and GNU parallel; what long lists cost.

    python benchmarks/run_commands.py [jobs [rounds [lines]]]

Every contender runs `true` with each line of a file, two at once, in turn in each round; ratios are taken within a
round. xargs keeps nothing; GNU parallel writes its joblog; Teamtask keeps status, time and output, and syncs them to
disk. Start and end of the program are part of its time. The aim is 2 times GNU parallel's rate and 0.7 times xargs'.
Then how long `import teamtask` takes (aim: 100 ms), and time, memory and disk of a list of ten million lines.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

SLOTS = 2
PARALLEL_SHARE = 10  # GNU parallel gets a tenth of the jobs: it is slow, and its rate does not depend on how many
IMPORTS = 15
TEAMTASK = str(Path(sys.executable).parent / "teamtask")
OURS, XARGS, PARALLEL = "teamtask run", "xargs", "GNU parallel"


class Rate(NamedTuple):
    """What one contender did in one round."""

    jobs_per_second: float
    cpu_milliseconds: float  # a job


class LongList(NamedTuple):
    """What a list of lines cost."""

    items: int
    seconds: float
    memory_bytes: int  # at most, at once
    state_bytes: int
    file_bytes: int


class Import(NamedTuple):
    """Medians."""

    milliseconds: float  # beyond the start of the interpreter
    interpreter_milliseconds: float


def environment(folder: Path) -> dict[str, str]:
    """Give what our command sees: a state folder of its own."""
    return os.environ | {"XDG_STATE_HOME": str(folder)}


def run_ours(folder: Path, items: Path) -> None:
    """`teamtask run -j2 --fresh ITEMS -- true`."""
    command = [TEAMTASK, "run", f"-j{SLOTS}", "--fresh", "--name", "bench", str(items), "--", "true"]
    subprocess.run(command, env=environment(folder), check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run_xargs(_folder: Path, items: Path) -> None:
    """`xargs -P2 -n1 true < ITEMS`."""
    with items.open() as stdin:
        subprocess.run(["xargs", f"-P{SLOTS}", "-n1", "true"], stdin=stdin, check=True)


def run_parallel(folder: Path, items: Path) -> None:
    """`parallel -j2 --joblog LOG -a ITEMS true`."""
    command = ["parallel", "--will-cite", f"-j{SLOTS}", "--joblog", f"{folder}/joblog", "-a", str(items), "true"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


CONTENDERS: dict[str, Callable[[Path, Path], None]] = {OURS: run_ours, XARGS: run_xargs, PARALLEL: run_parallel}


def measure(run: Callable[[Path, Path], None], folder: Path, items: Path, jobs: int) -> Rate:
    """Measure one contender once."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run(folder, items)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Rate(jobs / seconds, 1000 * cpu / jobs)


def commands(jobs: int, rounds: int, folder: Path) -> dict[str, list[Rate]]:
    """Measure every contender that is installed, in turn."""
    found = {name: run for name, run in CONTENDERS.items() if name == OURS or shutil.which(name.rpartition(" ")[2])}
    for name in CONTENDERS.keys() - found.keys():
        print(f"{name} is not installed and is left out.")
    figures: dict[str, list[Rate]] = {name: [] for name in found}
    for _ in range(rounds):
        for name, run in found.items():
            count = max(1, jobs // PARALLEL_SHARE) if name == PARALLEL else jobs
            items = folder / f"{count}.txt"
            items.write_text("".join(f"{number}\n" for number in range(count)))
            figures[name].append(measure(run, folder, items, count))
    return figures


def ratio(figures: dict[str, list[Rate]], peer: str) -> float | None:
    """Give how many times a peer's rate ours is, the median of all rounds; None where there is no such peer."""
    if peer not in figures:
        return None
    pairs = zip(figures[OURS], figures[peer], strict=True)
    return statistics.median(ours.jobs_per_second / theirs.jobs_per_second for ours, theirs in pairs)


def imports() -> Import:
    """Measure `import teamtask` in new interpreters."""

    def seconds(program: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        return time.perf_counter() - start

    pairs = [(seconds("pass"), seconds("import teamtask")) for _ in range(IMPORTS)]
    return Import(
        1000 * statistics.median(ours - bare for bare, ours in pairs),
        1000 * statistics.median(bare for bare, _ in pairs),
    )


def lines(count: int, folder: Path) -> LongList:
    """Measure a list of so many lines: a run that halts at its first item has read and stored them all."""
    items = folder / "lines.txt"
    with items.open("w") as file:
        file.writelines(f"item-{number}\n" for number in range(count))
    start = time.perf_counter()
    command = [TEAMTASK, "run", "-j1", "--halt-after", "1", "--name", "lines", str(items), "--", "false"]
    process = subprocess.Popen(
        command, env=environment(folder), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode != 1:
        raise SystemExit(f"the run ended with {process.returncode} instead of 1, its only failed item")
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    state = sum(path.stat().st_size for path in (folder / "teamtask").glob("lines.*"))
    return LongList(count, seconds, usage.ru_maxrss * unit, state, items.stat().st_size)


def main(jobs: int = 20_000, rounds: int = 3, line_count: int = 10_000_000) -> dict[str, list[Rate]]:
    """Print three tables; give the rates."""
    with tempfile.TemporaryDirectory(prefix="teamtask-bench-") as name:
        folder = Path(name)
        figures = commands(jobs, rounds, folder)
        print(f"{jobs:,} x true, {SLOTS} at once, {rounds} rounds on {os.cpu_count()} CPUs; medians")
        print(f"{'':14} {'jobs/s':>8} {'CPU ms/job':>11}  keeps")
        keeps = {OURS: "status, time, output; synced", PARALLEL: "status, time; not synced", XARGS: "nothing"}
        for contender, rates in figures.items():
            rate, cpu = (statistics.median(column) for column in zip(*rates, strict=True))
            print(f"{contender:14} {rate:8,.0f} {cpu:11.2f}  {keeps[contender]}")
        for peer, aim in ((PARALLEL, 2.0), (XARGS, 0.7)):
            found = ratio(figures, peer)
            if found is not None:
                print(f"{found:.2f} times {peer}'s rate (aim: {aim} or more)")
        cost = imports()
        print(
            f"\nimport teamtask: {cost.milliseconds:.0f} ms beside the {cost.interpreter_milliseconds:.0f} ms of the "
            "interpreter (aim: less than 100)"
        )
        long = lines(line_count, folder)
        print(
            f"\n{long.items:,} lines, {long.file_bytes / 1e6:.0f} MB: read and stored in {long.seconds:.1f} s "
            f"({long.items / long.seconds:,.0f} lines/s), at most {long.memory_bytes / 1e6:.0f} MB of memory, "
            f"{long.state_bytes / 1e6:.0f} MB on disk"
        )
    return figures


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
