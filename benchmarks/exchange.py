"""The exchange over HTTP, on SQLite and PostgreSQL, beside Celery, procrastinate and SKIP LOCKED by hand, in one run.

    python benchmarks/exchange.py [--clients 200] [--rounds 3] [--seconds 5]

Ours completes one block and claims the next: from keep-alive clients, with a token, committed before the answer, by one
server process over SQLite or PostgreSQL, or by two on PostgreSQL and one list. The clients of all contenders share the
machine with the servers. Everybody has a turn in each round; ratios are taken within a round. The aims: 10 times
Celery's rate (two servers: 15 times), 2.5 times that of SKIP LOCKED, p99 below 60 ms, 0.8 CPU seconds of a server for
10,000 exchanges, and 0.1 of PostgreSQL.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from _contenders import FIGURES, LeftOut, figures, milliseconds, times
from _http_load import FAR, run_workers
from _served import Served
from peers.celery_redis import CeleryRedis
from peers.postgres_server import TOLD, Postgres
from peers.procrastinate_postgres import Procrastinate
from peers.skip_locked import SkipLocked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from _contenders import Contender, Round

P99_MILLISECONDS_MAX, CPU_SECONDS_MAX, POSTGRES_CPU_SECONDS_MAX = 60, 0.8, 0.1
ON_SQLITE, ON_POSTGRES, BY_TWO = "teamtask, SQLite", "teamtask, PostgreSQL", "teamtask, PostgreSQL, 2 servers"
AIMS = {ON_SQLITE: (10.0, 2.5), ON_POSTGRES: (10.0, 2.5), BY_TWO: (15.0, 2.5)}  # times Celery, SKIP LOCKED
PEERS = ("Celery", "SKIP LOCKED")


class Ours:
    """`teamtask serve` in some processes over one store, and so many workers of one list."""

    def __init__(self, clients: int, name: str, postgres: Postgres | None, servers: int = 1) -> None:
        self.name = name
        store = "SQLite, synchronous FULL" if postgres is None else f"PostgreSQL {postgres.version}, {TOLD}"
        processes = "one server process" if servers == 1 else f"{servers} server processes, one list"
        self.told = f"complete one block, claim the next; {processes}, HTTP, token; {store}"
        self.postgres_cpu: list[float] = []  # seconds for 10,000 exchanges, of each round
        self._clients = clients
        self._postgres = postgres
        self._folder = tempfile.TemporaryDirectory(prefix="teamtask-bench-")
        url = None if postgres is None else postgres.url
        self._served = [Served(self._folder.name, url) for _ in range(servers)]
        self._path = self._served[0].create(f"bench-{servers}", FAR, {"size": 1_000})

    def measure(self, seconds: float) -> Round:
        """Exchange for so long."""
        before = self._postgres.cpu_seconds() if self._postgres else 0.0
        measured = run_workers(self._served, [self._path], self._clients, seconds=seconds)[0]
        if self._postgres:
            self.postgres_cpu.append((self._postgres.cpu_seconds() - before) / measured.operations * 10_000)
        return measured

    def close(self) -> None:
        """Stop the servers."""
        for served in self._served:
            served.close()
        self._folder.cleanup()


def contenders(clients: int, closing: ExitStack) -> Iterator[Contender]:
    """Start everybody who is there; say who is left out."""
    ours = Ours(clients, ON_SQLITE, None)
    closing.callback(ours.close)
    yield ours
    postgres = None
    makers: list[Callable[[], Contender]] = [CeleryRedis]
    try:
        postgres = Postgres()
        closing.callback(postgres.close)
        makers += [
            partial(Ours, clients, ON_POSTGRES, postgres),
            partial(Ours, clients, BY_TWO, postgres, 2),
            partial(Procrastinate, postgres),
            partial(SkipLocked, postgres, None),
            partial(SkipLocked, postgres, clients),
        ]
    except LeftOut as error:
        print(f"left out: PostgreSQL, procrastinate, SKIP LOCKED ({error})")
    for make in makers:
        try:
            peer = make()
        except LeftOut as error:
            print(f"left out: {error}")
            continue
        closing.callback(peer.close)
        yield peer


def main() -> None:
    """Print a table, how the aims are met, and what was measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    with ExitStack() as closing:
        there = list(contenders(options.clients, closing))
        measured: dict[str, list[Round]] = {one.name: [] for one in there}
        for _ in range(options.rounds):
            for one in there:
                measured[one.name].append(one.measure(options.seconds))
    ratios = {name: times(measured[ON_SQLITE], rounds) for name, rounds in measured.items()}
    how = f"{options.rounds} rounds of about {options.seconds:g} s on {os.cpu_count()} CPUs"
    print(f"{options.clients} keep-alive clients, {how}; medians")
    print(f"{'':32}{FIGURES}{'on SQLite we are x':>20}")
    for name, rounds in measured.items():
        print(f"{name:32}{figures(rounds)}{ratios[name]:>20.2f}")
    for one in there:
        if isinstance(one, Ours):
            print(f"\n{one.name}:")
            tell_aims(one, measured)
    print("\nCPU is the server's: teamtask serve, Redis, PostgreSQL with its backends. What an operation is:")
    for one in there:
        print(f"- {one.name}: {one.told}")


def tell_aims(one: Ours, measured: Mapping[str, list[Round]]) -> None:
    """Print how the aims of one of ours are met."""
    ours = measured[one.name]
    for peer, aim in zip(PEERS, AIMS[one.name], strict=True):
        theirs = next((rounds for name, rounds in measured.items() if name.startswith(peer)), None)
        if theirs is not None:
            print(f"  {times(ours, theirs):.1f} times {peer}'s rate (aim: {aim:g} or more)")
    print(f"  p99 of {milliseconds(ours, 0.99):.0f} ms (aim: less than {P99_MILLISECONDS_MAX})")
    cpu = statistics.median(one.cpu_of_10_000 for one in ours)
    print(f"  {cpu:.2f} CPU seconds of the server for 10,000 exchanges (aim: {CPU_SECONDS_MAX} or less)")
    if one.postgres_cpu:
        cpu = statistics.median(one.postgres_cpu)
        print(f"  {cpu:.2f} CPU seconds of PostgreSQL for them (aim: {POSTGRES_CPU_SECONDS_MAX} or less)")


if __name__ == "__main__":
    main()
