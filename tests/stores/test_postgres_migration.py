"""A database of an older version becomes one like a new one, all at once or not at all, while older servers work on."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from teamtask.ledger.errors import TeamtaskError
from teamtask.ledger.ids import ListId
from teamtask.stores.postgres import schema
from teamtask.stores.postgres.postgres_store import PostgresStore
from teamtask.stores.store import (
    Journal,
    ListRecord,
    ResultRow,
    StaleVersion,
    StoreDamaged,
    StoreTooNew,
    StoreUnavailable,
    Withdrawn,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from own_postgres import PostgresServer

SCHEMA_1 = Path(__file__).with_name("postgres_schema_1.sql")
WRITES_1 = Path(__file__).with_name("postgres_writes_1.sql")
# All that tells one schema from another.
CATALOG = """
SELECT 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text,
    a.attstorage::text, coalesce(l.collname, ''), coalesce(pg_get_expr(d.adbin, d.adrelid), ''), c.reloptions::text
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relnamespace = 'teamtask'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
ORDER BY c.relname, a.attnum
"""
INDICES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'teamtask' ORDER BY 1"
CONSTRAINTS = """
SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'teamtask'::regnamespace ORDER BY 1, 2
"""


def ask(url: str, sql: str) -> list[Any]:
    with psycopg.connect(url, autocommit=True, options="-csearch_path=teamtask") as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


def schema_of(url: str) -> list[Any]:
    return [ask(url, sql) for sql in (CATALOG, INDICES, CONSTRAINTS, "SELECT * FROM schema_version")]


def write_as_version_1(url: str, list_id: str) -> None:
    """Carry out what a server of version 1 did in a transaction."""
    text = re.sub(r"--.*", "", WRITES_1.read_text("utf-8")).replace("%s", list_id)
    with psycopg.connect(url, options="-csearch_path=teamtask") as connection:
        connection.execute(text.encode())


def check_written(store: PostgresStore, list_id: str) -> None:
    """Check that all of it is read as it was meant."""
    assert store.verify() == []
    name = ListId(list_id)
    with store.read() as reader:
        assert reader.list_named(list_id) == ListRecord(name, list_id, b"{}", 1.5)
        assert reader.journal(name, -1) == Journal((4, b"state"), [(version, b"events") for version in range(5, 10)])
        assert list(reader.results(name)) == [ResultRow(7, 5, 4, 3, 1, "worker", b"payload")]
        assert reader.withdrawn(name) == [Withdrawn(5, 1, 3)]
        assert list(reader.lines(name, 0, 9)) == [b"a", b"b"]


@pytest.fixture
def old(new_database: Callable[[], str]) -> str:
    """A database of version 1 with some of everything; its URL."""
    url = new_database()
    ask(url, "CREATE SCHEMA teamtask")
    ask(url, SCHEMA_1.read_text("utf-8"))
    write_as_version_1(url, "before")
    return url


def test_a_migrated_database_is_like_a_new_one_and_keeps_its_rows(old: str, new_database: Callable[[], str]) -> None:
    fresh = new_database()
    PostgresStore(fresh).close()
    with closing(PostgresStore(old)) as store:
        check_written(store, "before")
        with store.write() as writer:
            writer.put_document("kind", "key", b"value")
            writer.add_audit(1.0, b"entry")
    assert schema_of(old) == schema_of(fresh)
    with closing(PostgresStore(old)) as store, store.read() as reader:
        assert reader.document("kind", "key") == b"value"
        assert [entry.entry for entry in reader.audit(None, 9)] == [b"entry"]


def test_a_server_of_the_version_before_works_on_in_a_migrated_database(old: str) -> None:
    with closing(PostgresStore(old)) as store:
        ((version, works_from),) = ask(old, "SELECT version, works_from FROM schema_version")
        assert (version, works_from) == (schema.SCHEMA_VERSION, schema.SCHEMA_VERSION - 1)
        write_as_version_1(old, "after")
        check_written(store, "before")
        check_written(store, "after")
        with store.write([ListId("after")]) as writer:
            writer.append(ListId("after"), 10, b"of version 2")
        with pytest.raises(psycopg.errors.UniqueViolation):
            write_as_version_1(old, "after")
        with pytest.raises(StaleVersion), store.write([ListId("after")]) as writer:
            writer.append(ListId("after"), 10, b"again")


@pytest.mark.parametrize("carried_out", range(len(schema.migration_statements(2)) + 1))
def test_a_migration_that_fails_leaves_the_old_database(
    old: str, carried_out: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, before = schema.migration_statements, schema_of(old)
    monkeypatch.setattr(
        schema,
        "migration_statements",
        lambda version: [*whole(version)[:carried_out], b"SELECT pg_terminate_backend(pg_backend_pid())"],
    )
    with pytest.raises(StoreUnavailable):
        PostgresStore(old)
    assert schema_of(old) == before
    monkeypatch.undo()
    with closing(PostgresStore(old)) as store:
        check_written(store, "before")


def test_whoever_migrates_waits_for_whoever_does_so_already(old: str) -> None:
    with psycopg.connect(old) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [schema.MIGRATION_LOCK])
        with pytest.raises(StoreUnavailable, match="too long"):
            PostgresStore(old, busy_seconds=0.05)
    PostgresStore(old).close()


@pytest.mark.parametrize("default", ["read committed", "repeatable read", "serializable"])
def test_servers_that_begin_at_once_over_an_empty_database_wait_for_each_other(
    postgres_server: PostgresServer, new_database: Callable[[], str], default: str
) -> None:
    url = new_database()
    database = url.rpartition("/")[2]
    postgres_server.execute(f"ALTER DATABASE {database} SET default_transaction_isolation = '{default}'")
    waits = (
        "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database "
        "WHERE locktype = 'advisory' AND NOT granted AND datname = %s"
    )
    with ThreadPoolExecutor() as pool:
        with psycopg.connect(url) as other:
            other.execute("SELECT pg_advisory_xact_lock(%s)", [schema.MIGRATION_LOCK])
            opened = [pool.submit(PostgresStore, url) for _ in range(2)]
            while postgres_server.execute(waits, "postgres", database) != [(2,)]:
                time.sleep(0.01)
        for store in opened:
            store.result().close()


@pytest.mark.parametrize(("works_from", "refused"), [(2, False), (3, True)])
def test_a_database_of_a_newer_version_is_refused_unless_it_says_that_we_can_work_with_it(
    *, new_database: Callable[[], str], works_from: int, refused: bool
) -> None:
    url = new_database()
    PostgresStore(url).close()
    ask(url, f"UPDATE schema_version SET version = 3, works_from = {works_from}")  # noqa: S608 - a number of ours
    if refused:
        with pytest.raises(StoreTooNew, match="schema 3"):
            PostgresStore(url)
    else:
        with closing(PostgresStore(url)) as store:
            assert store.verify() == []
    assert ask(url, "SELECT version FROM schema_version") == [(3,)]


def test_a_database_of_another_make_is_left_alone(new_database: Callable[[], str]) -> None:
    url = new_database()
    ask(url, "CREATE SCHEMA teamtask")
    ask(url, "CREATE TABLE lists (mine integer)")
    with pytest.raises(TeamtaskError):
        PostgresStore(url)
    assert ask(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'teamtask'") == [(1,)]


def test_a_database_that_lost_a_table_is_called_damaged(new_database: Callable[[], str]) -> None:
    url = new_database()
    with closing(PostgresStore(url)) as store:
        ask(url, "DROP TABLE snapshots")
        with pytest.raises(StoreDamaged), store.read() as reader:
            reader.journal(ListId("a"), -1)
