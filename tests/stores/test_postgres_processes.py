"""Several processes on one database: each sees what the others did, and no kill takes what was acknowledged."""

from __future__ import annotations

import random
import signal
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from own_postgres import PostgresServer
from writers import acknowledged, let_go, start_writer, whole_versions

from teamtask.stores.postgres.postgres_store import PostgresStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def durable_server() -> Iterator[PostgresServer]:
    """A PostgreSQL of one test, whose commits outlive a kill."""
    server = PostgresServer(fsync=True)
    yield server
    server.close()


def versions_in(url: str) -> list[int]:
    with closing(PostgresStore(url)) as store:
        return whole_versions(store)


def test_processes_that_write_at_once_take_turns(postgres_url: str) -> None:
    processes = [start_writer(postgres_url, f"writer {number}", 120) for number in range(3)]
    let_go(*processes)
    kept = [acknowledged(process) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert [len(versions) for versions in kept] == [120, 120, 120]
    assert sorted(version for versions in kept for version in versions) == versions_in(postgres_url)


def test_processes_that_open_an_empty_database_at_once_share_it(new_database: Callable[[], str]) -> None:
    for _attempt in range(3):
        url = new_database()
        processes = [start_writer(url, "writer", 3) for _ in range(3)]
        let_go(*processes)
        kept = [acknowledged(process) for process in processes]
        assert sorted(version for versions in kept for version in versions) == versions_in(url) == list(range(9))


def test_what_was_acknowledged_before_a_writer_is_killed_is_there(postgres_url: str) -> None:
    chance = random.Random()
    seen: set[int] = set()
    for _ in range(4):
        processes = [start_writer(postgres_url, f"writer {number}", 0, 3_000) for number in range(2)]
        let_go(*processes)
        for process in processes:
            assert process.stdout is not None
            seen.add(int(process.stdout.readline()))
        time.sleep(chance.uniform(0.0, 0.05))
        for process in processes:
            process.send_signal(signal.SIGKILL)
            seen.update(acknowledged(process))
        assert seen <= set(versions_in(postgres_url))


def test_what_was_acknowledged_before_postgresql_is_killed_is_there(durable_server: PostgresServer) -> None:
    """The writers go on by themselves each time, from what they read then."""
    url = durable_server.url()
    chance = random.Random()
    processes = [start_writer(url, f"writer {number}", 0, 1_000) for number in range(2)]
    let_go(*processes)
    for _ in range(4):
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.3))
        durable_server.kill()
        durable_server.start()
    seen = []
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()  # it has gone on
        process.send_signal(signal.SIGKILL)
        seen.append(acknowledged(process))
    assert set(seen[0]).isdisjoint(seen[1])
    assert {*seen[0], *seen[1]} <= set(versions_in(url))
