"""Connections that end, are cut or not to be had: what was committed is there, whoever waits is told, all goes on."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing, nullcontext
from typing import TYPE_CHECKING

import pytest
from cutting_proxy import CuttingProxy
from own_postgres import PostgresServer

from teamtask.ledger.errors import InvalidField
from teamtask.ledger.ids import ListId
from teamtask.stores.open_store import open_store
from teamtask.stores.postgres import connecting
from teamtask.stores.postgres.postgres_store import PostgresStore
from teamtask.stores.store import ListRecord, StoreNotWritable, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIST = ListId("a")
END_ALL = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'teamtask'"


@pytest.fixture
def store(postgres_url: str) -> Iterator[PostgresStore]:
    """A store with an empty list."""
    with closing(PostgresStore(postgres_url)) as store:
        with store.write() as writer:
            writer.create_list(ListRecord(LIST, "a", b"", 0.0))
        yield store


@pytest.fixture
def private_server() -> Iterator[PostgresServer]:
    """A PostgreSQL that a test may stop."""
    server = PostgresServer(fsync=False)
    yield server
    server.close()


def append(store: PostgresStore, version: int) -> None:
    with store.write([LIST]) as writer:
        writer.append(LIST, version, b"%d" % version)


def versions(store: PostgresStore) -> list[int]:
    with store.read() as reader:
        return [version for version, _events in reader.journal(LIST, -1).rows]


@pytest.mark.parametrize("lost", ["request", "reply"])
def test_a_commit_whose_fate_is_unknown_is_told_and_what_came_of_it_is_read(
    postgres_server: PostgresServer, store: PostgresStore, lost: str
) -> None:
    proxy = CuttingProxy(postgres_server.port)
    with closing(proxy), closing(PostgresStore(postgres_server.url("shared", port=proxy.port))) as far:
        append(far, 0)

        def commits() -> None:
            with far.write([LIST]) as writer:
                assert writer.journal(LIST, 0).rows == []
                writer.append(LIST, 1, b"1")
                proxy.cut = lost

        with pytest.raises(StoreUnavailable):
            commits()
        proxy.cut = ""
        with far.write([LIST]) as writer:  # after whatever became of the other, whose lock it waited for
            rows = writer.journal(LIST, 0).rows
            assert rows == ([(1, b"1")] if lost == "reply" else [])
            writer.append(LIST, 1 + len(rows), b"next")
    assert versions(store) == ([0, 1, 2] if lost == "reply" else [0, 1])


def test_connections_that_ended_while_nobody_used_them_are_replaced_unseen(
    postgres_server: PostgresServer, store: PostgresStore
) -> None:
    with store.read(), store.read(), store.write():
        pass
    assert len(postgres_server.execute(END_ALL)) >= 3
    append(store, 0)
    assert versions(store) == [0]


def test_a_connection_that_ends_in_a_transaction_ends_that_alone(
    postgres_server: PostgresServer, store: PostgresStore
) -> None:
    def is_ended() -> None:
        with store.write([LIST]) as writer:
            writer.append(LIST, 0, b"lost")
            postgres_server.execute(END_ALL)

    with pytest.raises(StoreUnavailable):
        is_ended()
    with store.read() as reader:
        postgres_server.execute(END_ALL)
        with pytest.raises(StoreUnavailable):
            reader.lists()
    append(store, 0)
    assert versions(store) == [0]


def test_a_store_goes_on_by_itself_when_postgresql_does_and_its_clock_began_anew(
    private_server: PostgresServer,
) -> None:
    with closing(PostgresStore(private_server.url())) as store:
        with store.write() as writer:
            before = writer.clock()
            writer.create_list(ListRecord(LIST, "a", b"", 0.0))
        append(store, 0)
        private_server.stop()
        for _ in range(2):
            with pytest.raises(StoreUnavailable) as refusal, store.read():
                pass
            assert "running" in str(refusal.value.hint)
            with pytest.raises(StoreUnavailable):
                append(store, 1)
        private_server.start()
        append(store, 1)
        assert versions(store) == [0, 1]
        with store.read() as reader:
            after = reader.clock()
    assert after.epoch != before.epoch
    assert after.now > before.now


def test_all_stores_of_a_database_have_one_clock_which_rises(postgres_url: str, store: PostgresStore) -> None:
    with closing(PostgresStore(postgres_url)) as other:
        seen = []
        for one in (store, other, store):
            with one.write([LIST]) as writer:
                seen += [writer.clock(), writer.clock()]
        assert [clock.now for clock in seen] == sorted(clock.now for clock in seen)
        assert len({clock.epoch for clock in seen}) == 1


def test_who_gets_no_connection_in_time_is_told_and_readers_do_not_keep_writers_waiting(postgres_url: str) -> None:
    with (
        closing(PostgresStore(postgres_url, busy_seconds=0.1, readers_max=2, writers_max=1)) as store,
        ExitStack() as stack,
    ):
        for _ in range(2):
            stack.enter_context(store.read())
        with pytest.raises(StoreUnavailable, match="in use"), store.read():
            pass
        with store.write() as writer:
            writer.create_list(ListRecord(LIST, "a", b"", 0.0))
            failures: list[StoreUnavailable] = []

            def write() -> None:
                try:
                    with store.write():
                        pass
                except StoreUnavailable as failure:
                    failures.append(failure)

            thread = threading.Thread(target=write)
            thread.start()
            thread.join()
            assert ["in use" in failure.message for failure in failures] == [True]
        stack.close()
        append(store, 0)
        assert versions(store) == [0]


def test_a_writer_that_stands_still_loses_its_lock_to_the_others(
    postgres_url: str, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "WRITER_IDLE_SECONDS", 0.1)

    def stands_still(frozen: PostgresStore) -> None:
        with frozen.write([LIST]) as writer:
            writer.append(LIST, 0, b"late")
            append(store, 0)  # waits until the lock is free

    with closing(PostgresStore(postgres_url)) as frozen:
        with pytest.raises(StoreUnavailable):
            stands_still(frozen)
        append(frozen, 1)
    assert versions(store) == [0, 1]


def test_few_connections_are_kept_and_none_after_the_end(postgres_server: PostgresServer, postgres_url: str) -> None:
    store = PostgresStore(postgres_url)
    with ExitStack() as stack:
        for _ in range(12):
            stack.enter_context(store.read())
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'teamtask'"
    assert wait_for(lambda: postgres_server.execute(count)[0][0] == 6)
    store.close()
    assert wait_for(lambda: postgres_server.execute(count)[0][0] == 0)


def wait_for(is_so: Callable[[], bool]) -> bool:
    until = time.monotonic() + 10
    while not is_so():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


WRONG: dict[str, tuple[str, str, str]] = {
    "no such database": ("postgresql://teamtask@127.0.0.1:{port}/nowhere", "nowhere", "CREATE DATABASE"),
    "no such user": ("postgresql://stranger@127.0.0.1:{port}/postgres", "stranger", "CREATE ROLE"),
    "wrong password": ("postgresql://locked:wrong@127.0.0.1:{port}/postgres", "locked", "password"),
    "no password": ("postgresql://locked@127.0.0.1:{port}/postgres", "locked", "password"),
    "nobody listens": ("postgresql://teamtask@127.0.0.1:1/postgres", "127.0.0.1:1", "running"),
    "no TLS": ("postgresql://teamtask@127.0.0.1:{port}/postgres?sslmode=require", "SSL", "sslmode"),
}


@pytest.mark.parametrize(("url", "told", "hint"), WRONG.values(), ids=WRONG)
def test_whoever_names_a_wrong_place_is_told_what_to_look_at(
    postgres_server: PostgresServer, url: str, told: str, hint: str
) -> None:
    if "locked" in url and not postgres_server.execute("SELECT 1 FROM pg_roles WHERE rolname = 'locked'"):
        postgres_server.execute("CREATE ROLE locked LOGIN PASSWORD 'right'")
    with pytest.raises(StoreUnavailable, match=told) as refusal:
        open_store(url.format(port=postgres_server.port))
    assert hint in str(refusal.value.hint)
    assert "wrong" not in refusal.value.message


@pytest.mark.parametrize("url", ["postgresql://a b", "postgresql://host/db?colour=red"])
def test_a_url_that_cannot_be_read_is_refused(url: str) -> None:
    with pytest.raises(InvalidField) as refusal:
        open_store(url)
    assert refusal.value.field == "store"


def test_a_role_without_rights_is_told_which(postgres_server: PostgresServer, new_database: Callable[[], str]) -> None:
    url = new_database()
    if not postgres_server.execute("SELECT 1 FROM pg_roles WHERE rolname = 'poor'"):
        postgres_server.execute("CREATE ROLE poor LOGIN")
    poor = url.replace("teamtask@", "poor@")
    with pytest.raises(StoreNotWritable, match="permission denied") as refusal:
        PostgresStore(poor)
    assert "CREATE on the database" in str(refusal.value.hint)
    PostgresStore(url).close()
    with pytest.raises(StoreNotWritable, match="permission denied"):
        PostgresStore(poor)


def test_a_database_that_cannot_keep_every_text_is_refused(postgres_server: PostgresServer) -> None:
    postgres_server.execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0")
    with pytest.raises(StoreUnavailable, match="SQL_ASCII"):
        PostgresStore(postgres_server.url("ascii"))


def test_a_database_that_commits_before_the_disk_does_is_told_not_to(new_database: Callable[[], str]) -> None:
    url = new_database() + "?options=-csynchronous_commit%3Doff"
    with closing(PostgresStore(url)) as store, store._pool.target.connect() as connection:
        assert connection.execute(b"SHOW synchronous_commit").fetchall() == [("on",)]


@pytest.mark.parametrize("given", ["", "?target_session_attrs=any"])
def test_a_standby_is_refused_as_what_takes_no_writes(private_server: PostgresServer, given: str) -> None:
    url = private_server.url() + given
    with closing(PostgresStore(url)) as store:
        private_server.stop()
        (private_server.data / "standby.signal").touch()
        private_server.start()
        for _ in range(2):
            with pytest.raises(StoreUnavailable) as refusal:
                append(store, 0)
            assert "target_session_attrs" in str(refusal.value.hint)
        assert store._pool._idle == []
        with pytest.raises(StoreUnavailable) if not given else nullcontext(), store.read() as reader:
            assert reader.lists() == []


def test_a_database_that_is_told_to_be_read_only_is_refused_when_it_is_opened(
    new_database: Callable[[], str],
) -> None:
    url = new_database()
    PostgresStore(url).close()
    with pytest.raises(StoreUnavailable) as refusal:
        PostgresStore(url + "?options=-cdefault_transaction_read_only%3Don")
    assert "target_session_attrs" in str(refusal.value.hint)


def test_what_the_environment_sets_is_no_default_of_ours(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PGAPPNAME", "mine"), ("PGCONNECT_TIMEOUT", "7"), ("PGTARGETSESSIONATTRS", "primary")):
        monkeypatch.setenv(name, value)
    with closing(PostgresStore(postgres_url)) as store, store._pool.target.connect() as connection:
        options = {option.keyword: option.val for option in connection.pgconn.info}
    assert options[b"application_name"] == b"mine"
    assert options[b"connect_timeout"] == b"7"
    assert options[b"target_session_attrs"] == b"primary"
