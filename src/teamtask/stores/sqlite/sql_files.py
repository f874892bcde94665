"""The SQL of this store, read from its .sql files: `QUERIES["journal"]`."""

from __future__ import annotations

from teamtask.stores.sql_files import read_queries, read_statements

_PACKAGE = "teamtask.stores.sqlite"


def schema_statements() -> list[str]:
    """Return the statements of schema.sql, in order."""
    return read_statements(_PACKAGE, "schema.sql")


def migration_statements(version: int) -> list[str]:
    """Return the statements, in order, that lead from the version before to this one."""
    return read_statements(_PACKAGE, f"migration_{version}.sql")


QUERIES = read_queries(_PACKAGE)
