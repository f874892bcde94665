"""A database that lost its last commits, to a standby that lacked them, say: servers go on from what it has."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from teamtask.ledger.rules import Rules
from teamtask.service.definition import Definition
from teamtask.service.service import Service
from teamtask.service.verifying import verify_list
from teamtask.service.watching import Watched
from teamtask.stores.postgres.postgres_store import PostgresStore
from teamtask.wire.messages import Exchange, Lease, Report, Want

sys.path.insert(0, str(Path(__file__).parents[1] / "stores"))

if TYPE_CHECKING:
    from collections.abc import Iterator

    from own_postgres import PostgresServer

    from teamtask.ledger.ids import ListId


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    from own_postgres import PostgresServer

    server = PostgresServer(fsync=False)
    yield server
    server.close()


def claim(service: Service, list_id: ListId, worker: str) -> Lease:
    return service.exchange(list_id, "me", Exchange(worker, None, Want())).leases[0]


def report(service: Service, list_id: ListId, worker: str, lease: Lease) -> str:
    done = Report(lease.lease, lease.index, lease.index + lease.size)
    return service.exchange(list_id, "me", Exchange(worker, reports=(done,))).reports[0].status


def test_a_lost_commit_is_lost_for_all_servers_alike_and_the_list_stays_sound(postgres: PostgresServer) -> None:
    with ExitStack() as closing_all:
        one, other, fresh = (
            Service(closing_all.enter_context(closing(PostgresStore(postgres.url())))) for _ in range(3)
        )
        list_id = one.create("n", Definition({"kind": "range", "start": 0, "stop": 1000}, "f"), Rules(), 1000, None)
        watched = Watched(one.store, one.ledgers, list_id)
        claim(one, list_id, "w1")
        claim(other, list_id, "w2")
        postgres.stop()
        before = postgres.folder / "before"
        shutil.copytree(postgres.data, before)
        postgres.start()
        lost = claim(one, list_id, "w3")
        watched.changed()
        postgres.stop()
        owner = postgres.data.stat().st_uid
        shutil.rmtree(postgres.data)
        before.rename(postgres.data)
        for path in (postgres.data, *postgres.data.rglob("*")):
            os.chown(path, owner, -1)
        postgres.start()
        kept = claim(other, list_id, "w4")
        claim(other, list_id, "w5")
        assert report(one, list_id, "w4", kept) == "done"
        assert report(one, list_id, "w3", lost) == "already_done"
        shown = watched.changed()
        assert shown is not None
        assert b'"ready":3' in shown, "w1, w2 and w5 hold one"
        for service in (one, other, fresh):
            assert claim(service, list_id, "w9").size
        assert list(verify_list(fresh, fresh.find("n"))) == []
