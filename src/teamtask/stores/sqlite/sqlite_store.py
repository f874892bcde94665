"""`SqliteStore`: lists in one SQLite file, for many threads and processes of one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teamtask.stores.sqlite import upkeep
from teamtask.stores.sqlite.database import Database
from teamtask.stores.sqlite.machine import machine_clock
from teamtask.stores.sqlite.reader import SqliteReader
from teamtask.stores.sqlite.writer import SqliteWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from teamtask.ledger.ids import ListId
    from teamtask.stores.store import Clock


class SqliteStore:
    """The state file at `path`, made (mode 0600) if there is none; its folder must exist.

    `busy_seconds` is how long a writer waits for others; `clock` may be a fake one. After a fork the child opens
    a store of its own. Raises StoreDamaged, StoreTooNew, StoreNotWritable, StoreFull, StoreUnavailable.
    """

    def __init__(self, path: str, *, clock: Callable[[], Clock] = machine_clock, busy_seconds: float = 30.0) -> None:
        self._database = Database(path, busy_seconds)
        self._clock = clock
        self.path = self._database.path
        self.url = f"sqlite:{self.path}"

    def read(self) -> SqliteReader:
        """See Store."""
        return SqliteReader(self._database, self._clock)

    def write(self, list_ids: Sequence[ListId] = ()) -> SqliteWriter:
        """See Store."""
        return SqliteWriter(self._database, self._clock, list_ids)

    def compact(self) -> None:
        """See Store."""
        upkeep.compact(self._database, self._clock())

    def backup(self, path: str) -> None:
        """See Store."""
        upkeep.backup(self._database, path)

    def verify(self) -> list[str]:
        """See Store."""
        with self.read() as reader:
            return upkeep.verify(reader)

    def close(self) -> None:
        """See Store."""
        self._database.close()
