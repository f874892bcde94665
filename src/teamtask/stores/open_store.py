"""`open_store`: from a URL to a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teamtask.ledger.errors import InvalidField
from teamtask.stores.memory import MemoryStore
from teamtask.stores.shown_url import shown_url

if TYPE_CHECKING:
    from teamtask.stores.store import Store

_KNOWN = (
    "Known are `sqlite:///absolute/file`, `sqlite:file` (relative to the folder you are in), "
    "`postgresql://user@host/database` and `memory:`."
)


def open_store(url: str) -> Store:
    """Open the store that `url` names; a SQLite file is made if there is none.

    What follows `sqlite:` or `sqlite://` is the file's path as it is, without any escapes; a URL of PostgreSQL is
    libpq's, with its parameters; `memory:` is a new, empty store each time. Raises InvalidField for a URL that names
    no known store, and what opening it raises.
    """
    scheme, colon, rest = url.partition(":")
    if scheme == "memory" and colon and not rest.strip("/"):
        return MemoryStore()
    if scheme == "sqlite" and colon:
        from teamtask.stores.sqlite.sqlite_store import SqliteStore  # sqlite3 is imported only for whoever uses it

        return SqliteStore(_path(url, rest))
    if scheme in ("postgresql", "postgres") and rest.startswith("//"):
        return _open_postgres(url)
    raise InvalidField(f"{shown_url(url)!r} names no store that Teamtask knows.", field="store", hint=_KNOWN)


def _open_postgres(url: str) -> Store:
    try:
        from teamtask.stores.postgres.postgres_store import PostgresStore
    except ImportError as error:
        raise InvalidField(
            f"What speaks to PostgreSQL is not installed ({error}).",
            field="store",
            hint="pip install 'teamtask[postgres]'",
        ) from error
    return PostgresStore(url)


def _path(url: str, rest: str) -> str:
    if rest.startswith("//"):
        rest = rest[2:]
        if rest and not rest.startswith("/"):
            raise InvalidField(
                f"{shown_url(url)!r} names another host; a SQLite file has three slashes.", field="store", hint=_KNOWN
            )
    if not rest:
        raise InvalidField(f"{shown_url(url)!r} names no file.", field="store", hint=_KNOWN)
    return rest
