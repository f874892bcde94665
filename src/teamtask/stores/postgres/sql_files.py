"""The SQL of this store, read from its .sql files: `QUERIES["lock_lists"]`."""

from __future__ import annotations

from teamtask.stores.sql_files import read_queries, read_statements

_PACKAGE = "teamtask.stores.postgres"


def schema_statements() -> list[bytes]:
    """Return the statements of schema.sql, in order."""
    return _encoded("schema.sql")


def migration_statements(version: int) -> list[bytes]:
    """Return the statements, in order, that lead from the version before to this one."""
    return _encoded(f"migration_{version}.sql")


def _encoded(name: str) -> list[bytes]:
    return [statement.encode() for statement in read_statements(_PACKAGE, name)]


# As bytes: psycopg takes no other text than what stands in the code.
QUERIES = {name: sql.encode() for name, sql in read_queries(_PACKAGE).items()}
