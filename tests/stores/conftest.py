"""One fixture, every store: a test that takes `place` or `store` is run against each of them."""

from __future__ import annotations

import re
import sqlite3
import sys
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from teamtask.ledger.ids import ListId
from teamtask.stores.memory import MemoryStore
from teamtask.stores.postgres.postgres_store import PostgresStore
from teamtask.stores.sqlite.sqlite_store import SqliteStore
from teamtask.stores.store import Clock, ListRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from own_postgres import PostgresServer

    from teamtask.stores.store import Store

sys.path.insert(0, str(Path(__file__).parent))  # for the modules that stand beside the tests
# DELETE, for TRUNCATE takes longer where there is little. Sequences go on: no test may rely on what they give.
EMPTY = """
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'teamtask' AND tablename <> 'schema_version' LOOP
        EXECUTE format('DELETE FROM teamtask.%I', name);
    END LOOP;
END $$
"""
SCHEMA_1 = Path(__file__).with_name("schema_1.sql")
PRIMES = ListId("id-of-primes")
_NUMBERS = count()


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.epoch = "first"

    def __call__(self) -> Clock:
        return Clock(self.now, self.epoch)


class Place(Protocol):
    """Where lists are kept: each `open` is another store over the same lists."""

    clock: FakeClock
    outlives_writers: bool  # a new epoch of the clock does not tell that whoever wrote has ended

    def open(self, *, busy_seconds: float = 30.0) -> Store: ...


class MemoryPlace:
    """Memory has one store for all who share it."""

    outlives_writers = False

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self._store: MemoryStore | None = None
        self._busy_seconds = 0.0

    def open(self, *, busy_seconds: float = 30.0) -> Store:
        if self._store is None:
            self._store = MemoryStore(clock=self.clock, busy_seconds=busy_seconds)
        return self._store


class SqlitePlace:
    """A file, opened anew each time."""

    outlives_writers = False

    def __init__(self, clock: FakeClock, path: Path, stack: ExitStack) -> None:
        self.clock = clock
        self.path = path
        self._stack = stack

    def open(self, *, busy_seconds: float = 30.0) -> Store:
        store = SqliteStore(str(self.path), clock=self.clock, busy_seconds=busy_seconds)
        return self._stack.enter_context(closing(store))


class PostgresPlace:
    """An empty database, connected to anew each time."""

    outlives_writers = True

    def __init__(self, clock: FakeClock, url: str, stack: ExitStack) -> None:
        self.clock = clock
        self.url = url
        self._stack = stack

    def open(self, *, busy_seconds: float = 30.0) -> Store:
        store = PostgresStore(self.url, clock=self.clock, busy_seconds=busy_seconds, readers_max=30)
        return self._stack.enter_context(closing(store))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL for the whole session, whose commits need not outlive a loss of power."""
    from own_postgres import PostgresServer

    server = PostgresServer(fsync=False)
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """Name a database in which nothing is kept, whatever the tests before have left; its tables are there already."""
    return empty_database(postgres_server)


@pytest.fixture
def new_database(postgres_server: PostgresServer) -> Callable[[], str]:
    """Make a database without anything in it; its URL."""

    def make() -> str:
        name = f"new_{next(_NUMBERS)}"
        postgres_server.execute(f"CREATE DATABASE {name}")
        return postgres_server.url(name)

    return make


def empty_database(server: PostgresServer) -> str:
    """Leave nothing in the database that tests share; its URL."""
    if not server.execute("SELECT 1 FROM pg_database WHERE datname = 'shared'"):
        server.execute("CREATE DATABASE shared")
        PostgresStore(server.url("shared")).close()
    server.execute(EMPTY, "shared")
    return server.url("shared")


@pytest.fixture
def make_place(request: pytest.FixtureRequest) -> Callable[[str, Path, ExitStack], Place]:
    """Make a place of a kind in which nothing is kept yet."""

    def make(kind: str, folder: Path, stack: ExitStack) -> Place:
        clock = FakeClock()
        if kind == "memory":
            return MemoryPlace(clock)
        if kind == "sqlite":
            return SqlitePlace(clock, folder / "state.db", stack)
        return PostgresPlace(clock, empty_database(request.getfixturevalue("postgres_server")), stack)

    return make


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def place(
    request: pytest.FixtureRequest, make_place: Callable[[str, Path, ExitStack], Place], tmp_path: Path
) -> Iterator[Place]:
    with ExitStack() as stack:
        yield make_place(request.param, tmp_path, stack)


@pytest.fixture
def make_version_1() -> Callable[[Path], None]:
    """Make an empty state file as Teamtask did while its schema was the one that schema_1.sql keeps."""

    def make(path: Path) -> None:
        text = re.sub(r"--.*", "", SCHEMA_1.read_text("utf-8"))  # as it was read then
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            for statement in ["BEGIN", *text.split(";\n"), "PRAGMA user_version = 1", "COMMIT"]:
                connection.execute(statement.strip())

    return make


@pytest.fixture
def store(place: Place) -> Store:
    return place.open()


@pytest.fixture
def primes(store: Store) -> ListId:
    """Make a list without events; its id."""
    with store.write() as writer:
        writer.create_list(ListRecord(PRIMES, "primes", b'{"kind": "range"}', 5.5))
    return PRIMES


@pytest.fixture
def new_list() -> Callable[[Store], ListId]:
    """Make a list of a new name, for the examples of a property, which share a store; give its id."""

    def make(store: Store) -> ListId:
        list_id = ListId(f"list {next(_NUMBERS)}")
        with store.write() as writer:
            writer.create_list(ListRecord(list_id, list_id, b"", 0.0))
        return list_id

    return make
