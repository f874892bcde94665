"""`PostgresStore`: lists in one PostgreSQL database, for many servers at once."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from teamtask.stores.copying import copy_to_file
from teamtask.stores.postgres import upkeep
from teamtask.stores.postgres.connecting import Target
from teamtask.stores.postgres.pool import READERS_MAX, WRITERS_MAX, Pool
from teamtask.stores.postgres.reader import PostgresReader
from teamtask.stores.postgres.schema import prepare
from teamtask.stores.postgres.writer import PostgresWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from teamtask.ledger.ids import ListId
    from teamtask.stores.store import Clock

SCHEMA = "teamtask"


class PostgresStore:
    """The schema `schema` in the database that `url` names, made or brought up to date first; the database must exist.

    `busy_seconds` is how long a writer waits for the others, and anybody for a connection; `clock` may be a fake one.
    After a fork the child opens a store of its own. Raises InvalidField, StoreUnavailable, StoreNotWritable,
    StoreTooNew, StoreDamaged.
    """

    def __init__(
        self,
        url: str,
        *,
        schema: str = SCHEMA,
        clock: Callable[[], Clock] | None = None,
        busy_seconds: float = 30.0,
        readers_max: int = READERS_MAX,
        writers_max: int = WRITERS_MAX,
    ) -> None:
        target = Target(url, schema, busy_seconds)
        self._pool = Pool(target, readers_max=readers_max, writers_max=writers_max)
        self._clock = clock
        self._seen: dict[ListId, tuple[int, int]] = {}
        self.url = target.shown
        with closing(target.connect()) as connection:
            prepare(connection, schema)

    def read(self) -> PostgresReader:
        """See Store."""
        return PostgresReader(self._pool, self._clock)

    def write(self, list_ids: Sequence[ListId] = ()) -> PostgresWriter:
        """See Store."""
        return PostgresWriter(self._pool, self._clock, list_ids, self._seen)

    def compact(self) -> None:
        """See Store. The space is given back by the database's own vacuuming."""
        upkeep.compact(self)

    def backup(self, path: str) -> None:
        """See Store."""
        with self.read() as reader:
            copy_to_file(reader, path)

    def verify(self) -> list[str]:
        """See Store."""
        with self.read() as reader:
            return upkeep.verify(reader)

    def close(self) -> None:
        """See Store."""
        self._pool.close()
