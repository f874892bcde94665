"""`prepare`: makes the schema in a database, or brings it up to date; one server at a time, all of it or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg import errors

from teamtask.stores.postgres.failures import SQL_ERRORS, damaged, no_rights, translated
from teamtask.stores.postgres.sql_files import QUERIES, migration_statements, schema_statements
from teamtask.stores.store import StoreTooNew

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.stores.postgres.connecting import Connection

SCHEMA_VERSION: Final = 2
MIGRATION_LOCK: Final = int.from_bytes(b"TmTkMigr", "big")  # of advisory locks: whoever prepares keeps others out

# Not to_regclass, which after the wait for the lock may still not see what whoever held it made.
_HAS_VERSION: Final = b"""
SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = 'schema_version'
"""


def prepare(connection: Connection, schema: str) -> None:
    """Make the schema in the database, or bring it up to date, unless it is.

    Raises StoreTooNew, StoreDamaged, StoreNotWritable, StoreUnavailable.
    """
    try:
        if _version(connection, schema) >= SCHEMA_VERSION:
            return
        connection.execute(b"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
        try:
            connection.execute(b"SET LOCAL statement_timeout = 0")
            connection.execute(QUERIES["keep_others_out"], [MIGRATION_LOCK])
            for statement in _missing(connection, schema):
                connection.execute(statement)
            connection.execute(b"COMMIT")
        except BaseException:
            if not connection.closed:
                connection.execute(b"ROLLBACK")
            raise
    except errors.InsufficientPrivilege as error:
        raise no_rights(error) from error
    except SQL_ERRORS as error:
        raise translated(error) from error


def _missing(connection: Connection, schema: str) -> Iterator[bytes]:
    """Give what leads from the database's version, or from nothing (0), to ours."""
    version = _version(connection, schema)
    if version == 0:
        if not connection.execute(b"SELECT FROM pg_namespace WHERE nspname = $1", [schema]).fetchall():
            yield b'CREATE SCHEMA "%b"' % schema.encode()
        yield from schema_statements()
    for number in range(version + 1, SCHEMA_VERSION + 1) if version else ():
        yield from migration_statements(number)


def _version(connection: Connection, schema: str) -> int:
    """Give the version of the schema, 0 when there is none; refuses one that is not for us."""
    table = f'"{schema}".schema_version'
    if not connection.execute(_HAS_VERSION, [schema]).fetchall():
        return 0
    rows = connection.execute(b"SELECT version, works_from FROM %b" % table.encode()).fetchall()
    if len(rows) != 1:
        raise damaged(f"has {len(rows)} rows in {table} instead of one")
    version, works_from = rows[0]
    if works_from > SCHEMA_VERSION:
        raise StoreTooNew(f"The database was made for a newer version of Teamtask (schema {version}).")
    return int(version)
