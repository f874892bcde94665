"""A commit that the synchronous standby may not have is not called kept."""

from __future__ import annotations

import threading
import time
from contextlib import closing

from own_postgres import PostgresServer

from teamtask.ledger.ids import ListId
from teamtask.stores.postgres.postgres_store import PostgresStore
from teamtask.stores.store import ListRecord, StoreUnavailable

LIST = ListId("a")
SILENT = "?options=-cclient_min_messages%3Derror"  # somebody did not want to hear any warning
CANCEL = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


def test_a_commit_that_no_longer_waits_for_the_standby_has_an_unknown_fate() -> None:
    server = PostgresServer(fsync=False)
    with closing(server), closing(PostgresStore(server.url() + SILENT)) as store:
        with store.write() as writer:
            writer.create_list(ListRecord(LIST, "a", b"", 0.0))
            writer.append(LIST, 0, b"0")
        server.execute("ALTER SYSTEM SET synchronous_standby_names = 'gone'")
        server.execute("SELECT pg_reload_conf()")
        while server.execute("SHOW synchronous_standby_names") != [("gone",)]:
            time.sleep(0.01)
        outcome: list[BaseException | None] = []

        def write() -> None:
            try:
                with store.write([LIST]) as writer:
                    writer.append(LIST, 1, b"1")
            except StoreUnavailable as failure:
                outcome.append(failure)
            else:
                outcome.append(None)

        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        while thread.is_alive():
            server.execute(CANCEL)
            thread.join(0.05)
        assert [type(told) for told in outcome] == [StoreUnavailable]
        assert "standby" in str(outcome[0])
        server.execute("ALTER SYSTEM RESET synchronous_standby_names")
        server.execute("SELECT pg_reload_conf()")
        with store.write([LIST]) as writer:  # what became of it is read
            assert writer.journal(LIST, 0).rows == [(1, b"1")]
            writer.append(LIST, 2, b"2")
