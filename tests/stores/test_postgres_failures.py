"""What PostgreSQL refuses is told by its code, in whatever language it speaks."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest

from teamtask.ledger.errors import InvalidField
from teamtask.stores.postgres.failures import cannot_connect, translated
from teamtask.stores.postgres.postgres_store import PostgresStore
from teamtask.stores.store import StoreFull, StoreUnavailable


def test_a_text_that_it_does_not_take_is_an_invalid_field(postgres_url: str) -> None:
    with closing(PostgresStore(postgres_url)) as store, store.read() as reader, pytest.raises(InvalidField):
        reader.select("list_named", "a\0b")


@pytest.mark.parametrize(
    ("code", "kind", "hint"),
    [
        ("53100", StoreFull, "space"),
        ("53200", StoreUnavailable, "max_locks_per_transaction"),
        ("53400", StoreUnavailable, "limit"),
    ],
)
def test_only_a_full_disk_is_called_full(postgres_url: str, code: str, kind: type, hint: str) -> None:
    fails = f"DO $$ BEGIN RAISE EXCEPTION 'es ist etwas' USING ERRCODE = '{code}'; END $$"
    with psycopg.connect(postgres_url) as connection, pytest.raises(psycopg.OperationalError) as raised:
        connection.execute(fails.encode())
    error = translated(raised.value)
    assert type(error) is kind
    assert "es ist etwas" in error.message
    assert hint in str(error.hint)


NEUTRAL = "Is PostgreSQL running"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('connection to server at "h", port 5 failed: FATAL:  Datenbank »d« existiert nicht', NEUTRAL),
        ('connection to server at "ssl-db.example", port 5 failed: Connection refused', NEUTRAL),
        ('connection to server at "h", port 5 failed: FATAL:  role "starting up" does not exist', "CREATE ROLE"),
        ("failed to resolve host 'ssl.does not exist': [Errno -2] Name or service not known", NEUTRAL),
        ("connection is bad: certificate verify failed: SSL error: unknown ca", "sslmode"),
    ],
)
def test_who_cannot_connect_is_told_nothing_that_only_a_name_or_a_language_suggests(text: str, hint: str) -> None:
    told = cannot_connect(psycopg.OperationalError(text), "postgresql://h/d")
    assert hint in str(told.hint)
