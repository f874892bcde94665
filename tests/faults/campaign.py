"""`campaign`: rounds of faults on the real thing, each checked against a log that the load generator keeps itself.

    python tests/faults/campaign.py --rounds 100         # `make test-faults`: both stores, one and two servers in turn
    python tests/faults/campaign.py --rounds 1 --seed 7 --store postgres --servers 2   # repeats one

A round works a list of numbers with workers on two machines (network namespaces, where we may make them), while faults
happen one after the other. In the end, and after every kill of a server, what was acknowledged must be done; each index
must have been recorded once (the fold is the exact sum of the numbers), nothing that was acknowledged may have been
worked again, the memory of each server must be what a new one reads from the store, and the ledger's invariants hold.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from checks import disagreement, wrong_at_the_end, wrong_in_store
from faults import FAULTS
from logs import read_logs
from machines import Here, Machine, NoMachine, machines
from recorder import NAME, OVER
from report import Report
from server_process import TOKEN
from site_under_test import Site

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

WORKERS_WAIT_SECONDS = 120.0
SAID_MAX = 40_000  # characters of what a server said last, where something is wrong


@dataclass(frozen=True)
class Plan:
    """What a round is; without faults it takes about `seconds`."""

    store: str = "sqlite"  # or postgres
    servers: int = 1
    items: int = 100_000
    seconds: float = 5.0
    faults: int = 3
    seed: int = 0
    only: tuple[str, ...] = ()  # of FAULTS; all without
    processes: int = 3  # of workers, on each of two machines
    threads: int = 1  # workers in each of them
    lease_seconds: int = 3
    block_size: int = 1_000
    results_every: int = 10


@dataclass
class Round:
    """One round: what the faults happen to, and what was found. Everything it needs lies in `folder`."""

    plan: Plan
    folder: Path
    machines: Sequence[Here | Machine]
    site: Site
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)
    undone_at: list[tuple[str, float]] = field(default_factory=list)  # when each fault was over
    recovery_seconds: list[tuple[str, float]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    workers: list[tuple[Here | Machine, subprocess.Popen[bytes]]] = field(default_factory=list)
    started: int = 0
    seconds: float = 0.0
    sent: int = 0  # items, more than once those that were sent more than once

    name = NAME

    @property
    def lease_seconds(self) -> int:
        """How long a lease is."""
        return self.plan.lease_seconds

    @property
    def logs(self) -> Path:
        """Where the workers keep their logs."""
        return self.folder / "logs"

    def run(self) -> None:
        """Work the list to its end, with faults on the way, and look."""
        plan, began = self.plan, time.monotonic()
        self.logs.mkdir()
        self.site.servers[0].call("POST", "/v1/lists", {
            "name": NAME, "source": {"kind": "range", "start": 0, "stop": plan.items}, "fold": "sum", "attempts": 100,
            "lease_seconds": plan.lease_seconds, "block": {"size": plan.block_size},
        })  # fmt: skip
        for machine in [*self.machines] * plan.processes:
            self.start_worker(machine)
        for _ in range(plan.faults):
            time.sleep(self.chance.uniform(0, plan.seconds / plan.faults))
            if self.is_over():
                break
            self.do_harm()
        self.look_in_the_middle()
        while not self.is_over():
            time.sleep(0.2)
        self.seconds = time.monotonic() - began
        for _, process in self.workers:
            if process.wait(timeout=WORKERS_WAIT_SECONDS):
                self.wrong.append(f"A worker ended with {process.returncode}.")
        self.look_at_the_end()

    def do_harm(self) -> None:
        """Have a fault happen, by chance, of those that can happen now."""
        possible = [name for name, (_, can) in FAULTS.items() if can(self) and name in (self.plan.only or FAULTS)]
        if possible:
            name = self.chance.choice(possible)
            FAULTS[name][0](self)
            self.done[name] += 1
            self.undone_at.append((name, time.monotonic()))

    def is_over(self) -> bool:
        """Tell whether the list is finished, as far as the first server knows."""
        return self.site.servers[0].show(NAME)["state"] in OVER

    def start_worker(self, machine: Here | Machine) -> None:
        """Start workers that nobody has seen before, in one process."""
        plan = self.plan
        urls = ",".join(f"http://{machine.host}:{server.port}" for server in self.site.servers)
        item_seconds = plan.seconds * plan.processes * plan.threads * len(self.machines) / plan.items
        words = [urls, TOKEN, self.logs, self.started, plan.threads, item_seconds, plan.results_every]
        program = str(Path(__file__).with_name("recorder.py"))
        self.workers.append((machine, machine.start([sys.executable, program, *map(str, words)])))
        self.started += plan.threads

    def replace_worker(self) -> None:
        """Kill a worker, and start another one."""
        machine, process = self.workers.pop(self.chance.randrange(len(self.workers)))
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.start_worker(machine)

    def sleep_longer_than_a_lease(self) -> None:
        """Wait."""
        time.sleep(self.lease_seconds * self.chance.uniform(1.1, 1.5))

    def look_in_the_middle(self) -> None:
        """Hold the list, and see that every server knows what is in the store."""
        if self.is_over():
            return
        self.site.servers[0].call("POST", f"/v1/lists/{NAME}/pause")
        self.compare()
        if not self.is_over():
            self.site.servers[0].call("POST", f"/v1/lists/{NAME}/resume")

    def compare(self) -> None:
        """See that the memory of each server is what a new one reads."""
        with self.site.fresh_server() as fresh:
            for server in self.site.servers:
                self.wrong += disagreement(server, fresh, NAME)

    def look_at_the_end(self) -> None:
        """See that everything was recorded once, and that it is sound."""
        parts = read_logs(self.logs)
        self.sent = sum(part.stop - part.start for part in parts.values())
        for server in self.site.servers:
            self.wrong += wrong_at_the_end(server, NAME, parts, self.plan.items, self.plan.results_every)
        self.compare()
        self.wrong += wrong_in_store(self.site.place.direct)
        for server in self.site.servers if self.wrong else ():
            self.wrong.append(f"The server said: {server.said.read_text()[-SAID_MAX:]}")
        for name, moment in self.undone_at:
            times = [part.acknowledged_at for part in parts.values() if part.acknowledged_at > moment]
            if times:
                self.recovery_seconds.append((name, min(times) - moment))

    def close(self) -> None:
        """End what still runs."""
        for _, process in self.workers:
            process.kill()
            process.wait()


def run_round(plan: Plan) -> Round:
    """Run one round, on two machines of our own where this system makes some; give what was found."""
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True)))
        folder.chmod(0o755)
        made: Sequence[Here | Machine]
        try:
            made = closing.enter_context(machines(2))
            bind = "0.0.0.0"  # noqa: S104 - the namespaces reach it
        except NoMachine:
            made, bind = (Here(), Here()), "127.0.0.1"
        chance = random.Random(plan.seed)
        with_standby = plan.store == "postgres" and (
            plan.only == ("PostgreSQL failed over",) or (not plan.only and chance.random() < 0.3)
        )
        site = Site(folder, plan.store, plan.servers, plan.items, bind=bind, with_standby=with_standby)
        closing.callback(site.close)
        one = Round(plan, folder, made, site, chance)
        closing.callback(one.close)
        one.run()
    return one


def main() -> None:
    """Run the campaign that the command line asks for."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no machine is left behind
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="of the first round")
    parser.add_argument("--store", choices=("sqlite", "postgres"), help="both in turn without")
    parser.add_argument("--servers", type=int, help="one and two in turn without")
    parser.add_argument("--only", action="append", default=[], choices=FAULTS, metavar="FAULT", help="this fault alone")
    for name in ("items", "seconds", "faults", "processes", "threads"):
        default = getattr(Plan, name)
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"of a round; {default}")
    parser.add_argument("--report", type=Path, help="write a page of Markdown")
    given = parser.parse_args()
    report = Report()
    for number in range(given.rounds):
        plan = Plan(
            store=given.store or ("sqlite", "postgres")[number % 2],
            servers=given.servers or (1, 2)[number // 2 % 2],
            seed=given.seed + number,
            only=tuple(given.only),
            items=given.items,
            seconds=given.seconds,
            faults=given.faults,
            processes=given.processes,
            threads=given.threads,
        )
        report.add(run_round(plan))
        print(report.last(), flush=True)
    print(report)
    if given.report:
        given.report.write_text(report.page(), "utf-8")
    sys.exit(report.is_wrong)


if __name__ == "__main__":
    main()
