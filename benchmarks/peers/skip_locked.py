"""`SkipLocked`: a table of jobs in PostgreSQL, claimed with FOR UPDATE SKIP LOCKED, as one writes it by hand.

The rows are there before the clock starts; a claim and its acknowledgement are a statement and a commit each. One
statement for both deadlocks: SKIP LOCKED also locks rows that, as it then sees, somebody else has claimed meanwhile.
Both in one pipeline were slower than one after the other. And the order is that of a column of its own: by the primary
key, the planner at times takes that key's index, with all rows that are done, instead of the index of those that wait.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import uvloop
from _contenders import Round
from peers.postgres_server import TOLD

if TYPE_CHECKING:
    from peers.postgres_server import Postgres
    from psycopg import AsyncConnection

TABLE = """
    CREATE TABLE jobs (
        id bigint PRIMARY KEY, state smallint NOT NULL DEFAULT 0, due timestamptz NOT NULL DEFAULT clock_timestamp(),
        worker text, expires timestamptz
    )
"""
CLAIM = """
    UPDATE jobs SET state = 1, worker = %s, expires = now() + interval '60 s'
    WHERE id = (SELECT id FROM jobs WHERE state = 0 ORDER BY due LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id
"""
ACKNOWLEDGE = "UPDATE jobs SET state = 2, expires = NULL WHERE id = %s AND worker = %s"
JOBS_A_SECOND = 30_000  # more than anybody gets through
TRIED = (16, 32, 64)  # clients
TRY_SECONDS = 1.5


class SkipLocked:
    """So many clients, or as many as are best; each has a connection, all are coroutines of one process on uvloop."""

    def __init__(self, postgres: Postgres, clients: int | None) -> None:
        """Find out how many clients are best, where that is not said."""
        self._postgres = postgres
        self._clients = clients or max(TRIED, key=lambda tried: self._measure(tried, TRY_SECONDS).rate)
        self.name = f"SKIP LOCKED, {self._clients} clients"
        self.told = f"claim, acknowledge; psycopg, prepared statements, PostgreSQL {postgres.version}: {TOLD}"
        if not clients:
            self.told = f"the same with as many clients as are best, of {', '.join(map(str, TRIED))}"

    def measure(self, seconds: float) -> Round:
        """Work for so long."""
        return self._measure(self._clients, seconds)

    def close(self) -> None:
        """Nothing is left to stop: the server is somebody else's."""

    def _measure(self, clients: int, seconds: float) -> Round:
        import psycopg

        with psycopg.connect(self._postgres.url, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS jobs")
            connection.execute(TABLE)
            jobs = int(JOBS_A_SECOND * seconds)
            connection.execute("INSERT INTO jobs (id) SELECT generate_series(1, %s::bigint)", (jobs,))
            connection.execute("CREATE INDEX ready_jobs ON jobs (due) WHERE state = 0")
            connection.execute("VACUUM ANALYZE jobs")
            connection.execute("CHECKPOINT")
        return uvloop.run(self._run(clients, seconds))

    async def _run(self, clients: int, seconds: float) -> Round:
        from psycopg import AsyncConnection

        connections = [
            await AsyncConnection.connect(self._postgres.url, autocommit=True, prepare_threshold=0)
            for _ in range(clients)
        ]
        latencies: list[float] = []
        before, began = self._postgres.cpu_seconds(), time.perf_counter()
        working = (
            _work(connection, f"host-{number}/1", began + seconds, latencies)
            for number, connection in enumerate(connections)
        )
        await asyncio.gather(*working)
        took, cpu = time.perf_counter() - began, self._postgres.cpu_seconds() - before
        for connection in connections:
            await connection.close()
        return Round(len(latencies), took, cpu, sorted(latencies))


async def _work(connection: AsyncConnection, worker: str, until: float, latencies: list[float]) -> None:
    cursor = connection.cursor(binary=True)
    began = time.perf_counter()
    while began < until:
        await cursor.execute(CLAIM, (worker,))
        row = await cursor.fetchone()
        assert row is not None, "there are more jobs than time"
        await cursor.execute(ACKNOWLEDGE, (row[0], worker))
        now = time.perf_counter()
        latencies.append(now - began)
        began = now
