"""Whether an exchange costs more as a list grows: in items, in exchanges that it has seen, and in leases held.

    python benchmarks/growth.py [--clients 200] [--rounds 3] [--seconds 4] [--exchanges 1000000]

Exchanges over HTTP with one server, on SQLite and on PostgreSQL. Everything is compared with a new list of 10^30 items,
in turns. Aims: the same rate within 10 % at 10^9 items and after 10^6 exchanges (10^3 items are over before a rate is
known; the ledger's table has them); within 30 % with 10,000 active leases. Then a snapshot of 10,000 scattered leases
is taken in a thread again and again, beside a loop that looks at the clock. Aim: no more than 20 ms go by.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from _contenders import LeftOut
from _http_load import FAR, run_workers
from _served import Served
from ledger import EPOCH, FIXED, new_list
from peers.postgres_server import Postgres

from teamtask.ledger.commands import Exchange, Facts, Report, Want
from teamtask.ledger.decide import carry_out
from teamtask.ledger.events import WorkerKey
from teamtask.ledger.snapshot import save_ledger

if TYPE_CHECKING:
    from teamtask.ledger.ledger import Ledger

HELD = 10_000
LEASE_SECONDS = 3_600  # nobody renews
STALL_SECONDS = 5.0
STALL_MILLISECONDS_MAX = 20
RATIO_AIMS = {"10^9 items": 0.9, "after many exchanges": 0.9, "10,000 active leases": 0.7}


class Lists:
    """The lists of one server that are compared."""

    def __init__(self, served: Served, clients: int) -> None:
        self._served, self._clients, self._held = served, clients, 0
        self.paths = {
            "10^30 items": self._create("far", FAR),
            "10^9 items": self._create("near", 10**9),
            "after many exchanges": self._create("old", FAR),
        }

    def _create(self, name: str, size: int) -> str:
        limits = {"blocks_per_worker": HELD, "blocks_per_principal": 2 * HELD}
        return self._served.create(name, size, {"size": 1}, limits=limits, lease_seconds=LEASE_SECONDS)

    def grow_old(self, exchanges: int) -> None:
        """Have one list see so many exchanges."""
        seen = 0
        while seen < exchanges:
            seen += run_workers([self._served], [self.paths["after many exchanges"]], self._clients, seconds=5.0)[
                0
            ].operations

    def rate(self, what: str, seconds: float) -> float:
        """Exchange with a list for so long."""
        path, holding = self.paths.get(what), 1
        if path is None:  # each time a new one: who ends a round goes on holding what he holds
            self._held += 1
            path, holding = self._create(f"held-{self._held}", FAR), HELD // self._clients
        measured, load = run_workers([self._served], [path], self._clients, holding=holding, seconds=seconds)
        if load.filled is None:
            return measured.rate
        return (measured.operations - load.filled.exchanges) / (load.began + measured.seconds - load.filled.at)


def compare(store: str, served: Served, options: argparse.Namespace) -> None:
    """Print how every list compares with a new one of 10^30 items."""
    lists = Lists(served, options.clients)
    lists.grow_old(options.exchanges)
    ratios: dict[str, list[float]] = {what: [] for what in RATIO_AIMS}
    rates = []
    for _ in range(options.rounds):
        for what, found in ratios.items():
            usual = lists.rate("10^30 items", options.seconds)
            rates.append(usual)
            found.append(lists.rate(what, options.seconds) / usual)
    print(f"{store}: {statistics.median(rates):,.0f} exchanges/s with 10^30 items and {options.clients} leases")
    for what, found in ratios.items():
        print(f"  {what:22} {statistics.median(found):5.2f} times that (aim: {RATIO_AIMS[what]} or more)")


def scattered() -> Ledger:
    """Give a ledger with 10,000 leases that lie apart."""
    chance = random.Random(1)
    ledger = new_list(FIXED, FAR)
    keys = [WorkerKey("team", f"host-{number}/1") for number in range(200)]
    held: list[Report] = []
    for number in range(6 * HELD):
        reports: tuple[Report, ...] = ()
        if len(held) == HELD:
            at = chance.randrange(HELD)
            held[at], held[-1] = held[-1], held[at]
            reports = (held.pop(),)
        facts = Facts(f"l{number}", "n", epoch=EPOCH)
        reply = carry_out(ledger, Exchange(keys[number % 200], reports, Want()), number * 0.01, facts)[1]
        lease = ledger.leases[reply.lease or ""]
        held.append(Report(lease.id, lease.start, lease.stop))
    return ledger


def longest_gap() -> float:
    """Give the milliseconds that a loop which looks at the clock every millisecond has missed at most."""
    longest, began = 0.0, time.perf_counter()
    last = began
    while last < began + STALL_SECONDS:
        time.sleep(0.001)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return 1_000 * longest


def stall() -> None:
    """Print for how long snapshots stall others."""
    ledger = scattered()
    ended = threading.Event()
    took = []

    def save() -> None:
        while not ended.wait(0.05):
            began = time.perf_counter()
            save_ledger(ledger)
            took.append(time.perf_counter() - began)

    idle = longest_gap()
    thread = threading.Thread(target=save)
    thread.start()
    gap = longest_gap()
    ended.set()
    thread.join()
    each = f"{len(save_ledger(ledger)):,} bytes, {1_000 * statistics.median(took):.0f} ms each"
    print(f"snapshots of {len(ledger.leases):,} leases and {len(ledger.done):,} ranges: {each}")
    print(f"  a loop beside them stood still for {gap:.0f} ms at most (aim: {STALL_MILLISECONDS_MAX} or less)")
    print(f"  without them for {idle:.0f} ms")


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--exchanges", type=int, default=1_000_000)
    options = parser.parse_args()
    with ExitStack() as closing:
        folder = closing.enter_context(tempfile.TemporaryDirectory(prefix="teamtask-bench-"))
        served = Served(folder)
        compare("SQLite", served, options)
        served.close()
        try:
            postgres = Postgres()
        except LeftOut as error:
            print(f"left out: PostgreSQL ({error})")
        else:
            closing.callback(postgres.close)
            served = Served(folder, postgres.url)
            compare(f"PostgreSQL {postgres.version}", served, options)
            served.close()
    print()
    stall()


if __name__ == "__main__":
    main()
