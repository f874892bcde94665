"""`Procrastinate`: tasks that do nothing, deferred in one batch to procrastinate and worked by a process a CPU.

    python -m peers.procrastinate_postgres URL    # a worker

The clock runs from the batch until the last task is done. Tasks are coroutines, several at a time, and are deleted when
they have succeeded, so that the table stays small.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _contenders import LeftOut, Round, wait_until

if TYPE_CHECKING:
    from peers.postgres_server import Postgres
    from procrastinate import App

CONCURRENCY = 20
WARM_UP_TASKS = 500
PATIENCE_SECONDS = 60
LEFT = "SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing')) AS left"


def application(url: str, *, is_worker: bool) -> tuple[App, Any]:
    """Give the application, of coroutines for a worker, and its task."""
    import procrastinate

    if is_worker:
        connector = procrastinate.PsycopgConnector(conninfo=url, max_size=CONCURRENCY + 2)
    else:
        connector = procrastinate.SyncPsycopgConnector(conninfo=url, min_size=1, max_size=2)
    app = procrastinate.App(connector=connector)

    @app.task(name="nothing")
    async def nothing(number: int) -> None:
        pass

    return app, nothing


class Procrastinate:
    """Workers, and this process, which defers."""

    name = "procrastinate"
    told = f"defer all in one batch, work; a process a CPU, {CONCURRENCY} tasks at once in each, deleted when done"

    def __init__(self, postgres: Postgres) -> None:
        """Start the workers, and warm up. Raises LeftOut."""
        if find_spec("procrastinate") is None:
            raise LeftOut("procrastinate (it is not installed)")
        self._postgres = postgres
        self._app, self._task = application(postgres.url, is_worker=False)
        self._app.open()
        self._app.schema_manager.apply_schema()
        self._workers = [
            subprocess.Popen(
                [sys.executable, "-m", "peers.procrastinate_postgres", postgres.url],
                cwd=Path(__file__).parents[1], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            for _ in range(os.cpu_count() or 1)
        ]  # fmt: skip
        try:
            self._defer(1)  # until the workers are there
            self._rate = self._defer(WARM_UP_TASKS).rate
        except BaseException:
            self.close()
            raise

    def measure(self, seconds: float) -> Round:
        """Defer as many tasks as take about so long."""
        done = self._defer(max(1, int(self._rate * seconds)))
        self._rate = done.rate
        return done

    def close(self) -> None:
        """Stop the workers; the server is somebody else's."""
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            worker.wait(PATIENCE_SECONDS)
        self._app.close()

    def _defer(self, tasks: int) -> Round:
        connector = self._app.connector
        before, began = self._postgres.cpu_seconds(), time.perf_counter()
        self._task.batch_defer(*({"number": number} for number in range(tasks)))
        connector.execute_query("ANALYZE procrastinate_jobs")  # else the planner believes in the empty table before
        wait_until(
            lambda: not connector.execute_query_one(LEFT)["left"],
            PATIENCE_SECONDS,
            "procrastinate (it does not get on)",
        )
        took, cpu = time.perf_counter() - began, self._postgres.cpu_seconds() - before
        return Round(tasks, took, cpu, [])


async def _work(url: str) -> None:
    app, _ = application(url, is_worker=True)
    async with app.open_async():
        await app.run_worker_async(concurrency=CONCURRENCY, delete_jobs="successful")


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1]))
