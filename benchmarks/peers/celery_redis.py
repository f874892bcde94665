"""`CeleryRedis`: tasks that do nothing, sent to Celery over Redis, worked by a prefork pool, each result kept in Redis.

    python -m peers.celery_redis URL    # the worker

The clock runs from the first task that is sent until the last result lies in Redis; Celery's way of waiting for results
takes longer. The pool has a process a CPU; prefetching and what the worker leaves out are as "Optimizing" in its manual
advises for short tasks.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _contenders import LeftOut, Round, wait_until
from peers.redis_server import Redis

if TYPE_CHECKING:
    from celery import Celery

PREFETCH = 128
WARM_UP_TASKS = 500
PATIENCE_SECONDS = 60


def application(url: str) -> tuple[Celery, Any]:
    """Give the application and its task."""
    import celery

    app = celery.Celery("bench", broker=url, backend=url)
    app.conf.worker_prefetch_multiplier = PREFETCH
    app.conf.worker_disable_rate_limits = True

    @app.task(name="nothing")
    def nothing(number: int) -> int:
        return number

    return app, nothing


class CeleryRedis:
    """A Redis, a worker, and this process, which sends."""

    name = "Celery"
    told = f"send, work, keep the result; prefork, a process a CPU, prefetch {PREFETCH}; Redis keeps nothing on disk"

    def __init__(self) -> None:
        """Start Redis and the worker, and warm up. Raises LeftOut."""
        if find_spec("celery") is None:
            raise LeftOut("Celery (it is not installed)")
        self._redis = Redis()
        self._worker = subprocess.Popen(
            [sys.executable, "-m", "peers.celery_redis", self._redis.url],
            cwd=Path(__file__).parents[1], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._app, self._task = application(self._redis.url)
        try:
            self._send(1)  # until the worker is there
            self._rate = self._send(WARM_UP_TASKS).rate
        except BaseException:
            self.close()
            raise

    def measure(self, seconds: float) -> Round:
        """Send as many tasks as take about so long."""
        done = self._send(max(1, int(self._rate * seconds)))
        self._rate = done.rate
        return done

    def close(self) -> None:
        """Stop the worker and Redis."""
        self._worker.terminate()
        self._worker.wait(PATIENCE_SECONDS)
        self._redis.close()

    def _send(self, tasks: int) -> Round:
        backend = self._app.backend
        before, began = self._redis.cpu_seconds(), time.perf_counter()
        with self._app.producer_or_acquire() as producer:
            sent = [self._task.apply_async((number,), producer=producer) for number in range(tasks)]
        keys = [backend.get_key_for_task(result.id) for result in sent]
        wait_until(lambda: backend.client.exists(*keys) == tasks, PATIENCE_SECONDS, "Celery (it does not get on)")
        took, cpu = time.perf_counter() - began, self._redis.cpu_seconds() - before
        backend.client.delete(*keys)
        return Round(tasks, took, cpu, [])


if __name__ == "__main__":
    left_out = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    pool = ("--pool", "prefork", "--concurrency", str(os.cpu_count()))
    application(sys.argv[1])[0].worker_main(["worker", *pool, *left_out, "--loglevel", "ERROR"])
