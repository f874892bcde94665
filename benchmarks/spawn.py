"""Jobs per second of the command runner alone (no ledger, no disk), beside xargs, GNU parallel and bare ways to start.

    python benchmarks/spawn.py [jobs [rounds]]

Every contender runs `true NUMBER` so many times, two at once, in turn in each round; the ratios are taken within a
round. xargs and the bare ways keep nothing but exit statuses; the others capture stdout, stderr and exit status.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from teamtask.worker.placeholders import compile_template
from teamtask.worker.run_command import CommandRunner

if TYPE_CHECKING:
    from collections.abc import Callable

SLOTS = 2
TRUE = os.fsencode(shutil.which("true") or "/bin/true")
PARALLEL_SHARE = 10  # GNU parallel gets a tenth of the jobs: it is slow, and its rate does not depend on how many


def run_ours(jobs: int) -> None:
    """The runner as `teamtask run` uses it: a template filled in, an environment of its own for each job."""
    template = compile_template(["true"])
    with CommandRunner[int](SLOTS) as runner:
        started = finished = 0
        while finished < jobs:
            while started < jobs and runner.free_slots:
                argv = template.expand(str(started + 1), started, started + 1)
                index = b"%d" % started
                runner.start(started, argv, extra_env={b"TEAMTASK_INDEX": index, b"TEAMTASK_SIZE": b"1"})
                started += 1
            for job in runner.wait():
                if not job.ok:
                    raise SystemExit(f"job {job.tag} ended with {job.exit}: {job.stderr.kept!r}")
                finished += 1


def run_xargs(jobs: int) -> None:
    """`seq JOBS | xargs -P2 -n1 true`."""
    with subprocess.Popen(["seq", str(jobs)], stdout=subprocess.PIPE) as numbers:
        subprocess.run(["xargs", f"-P{SLOTS}", "-n1", "true"], stdin=numbers.stdout, check=True)


def run_parallel(jobs: int) -> None:
    """`seq JOBS | parallel -j2 true`."""
    numbers = "".join(f"{number}\n" for number in range(jobs)).encode()
    subprocess.run(["parallel", "--will-cite", f"-j{SLOTS}", "true"], input=numbers, check=True, capture_output=True)


def run_subprocess(jobs: int) -> None:
    """subprocess.run in two threads: what one writes by hand."""
    with ThreadPoolExecutor(SLOTS) as pool:
        for _ in pool.map(lambda number: subprocess.run(["true", str(number)], capture_output=True), range(jobs)):  # noqa: PLW1510 - true
            pass


def run_bare(start: Callable[[list[bytes]], int], jobs: int) -> None:
    """Start and reap, nothing else."""
    for number in range(jobs + SLOTS):
        if number >= SLOTS:
            os.wait()
        if number < jobs:
            start([TRUE, b"%d" % number])


def posix_spawn(argv: list[bytes]) -> int:
    """What the runner uses: vfork and exec inside the C library."""
    return os.posix_spawn(TRUE, argv, os.environ)


def popen(argv: list[bytes]) -> int:
    """subprocess, which also uses vfork where it can."""
    process = subprocess.Popen(argv)
    process.returncode = 0  # os.wait reaps it, not the destructor
    return process.pid


def fork_and_exec(argv: list[bytes]) -> int:
    """A fork copies the page tables of all our memory before it throws them away."""
    return os.fork() or os.execv(TRUE, argv)  # noqa: S606 - no shell is wanted


def cpu_seconds(who: int) -> float:
    """What this process (RUSAGE_SELF), or those that it has waited for (RUSAGE_CHILDREN), have used."""
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def measure(run: Callable[[int], None], jobs: int) -> tuple[float, float, float]:
    """Jobs per second, CPU milliseconds a job, and how many of these in this process."""
    mine, others = cpu_seconds(resource.RUSAGE_SELF), cpu_seconds(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    run(jobs)
    rate = jobs / (time.perf_counter() - start)
    mine = 1000 * (cpu_seconds(resource.RUSAGE_SELF) - mine) / jobs
    return rate, mine + 1000 * (cpu_seconds(resource.RUSAGE_CHILDREN) - others) / jobs, mine


def main(jobs: int = 5000, rounds: int = 3) -> None:
    """Print a table."""
    contenders: dict[str, tuple[Callable[[int], None], int]] = {
        "xargs -P2 -n1": (run_xargs, jobs),
        "teamtask's runner": (run_ours, jobs),
        "subprocess.run": (run_subprocess, jobs),
        "bare posix_spawn": (partial(run_bare, posix_spawn), jobs),
        "bare Popen": (partial(run_bare, popen), jobs),
        "bare fork + exec": (partial(run_bare, fork_and_exec), jobs),
    }
    if shutil.which("parallel"):
        contenders["parallel -j2"] = (run_parallel, max(1, jobs // PARALLEL_SHARE))
    else:
        print("GNU parallel is not installed and is left out.")
    figures: dict[str, list[tuple[float, float, float]]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, (run, count) in contenders.items():
            figures[name].append(measure(run, count))
    print(f"{jobs} x true, {SLOTS} at once, {rounds} rounds on {os.cpu_count()} CPUs; medians")
    print(f"{'':18} {'jobs/s':>8} {'x xargs':>8} {'CPU ms/job':>11} {'in our process':>15}")
    for name, measured in figures.items():
        ratio = statistics.median(
            mine[0] / peer[0] for mine, peer in zip(measured, figures["xargs -P2 -n1"], strict=True)
        )
        rate, cpu, mine = (statistics.median(column) for column in zip(*measured, strict=True))
        print(f"{name:18} {rate:8.0f} {ratio:8.2f} {cpu:11.2f} {mine:15.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
