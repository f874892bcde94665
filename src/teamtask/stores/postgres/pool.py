"""`Pool`: connections that are kept, a bounded number in use; who gets none in time is told, not left waiting."""

from __future__ import annotations

import os
from contextlib import suppress
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, NamedTuple

from teamtask.stores.checks import check_process
from teamtask.stores.store import StoreUnavailable

if TYPE_CHECKING:
    from teamtask.stores.postgres.connecting import Connection, Target

READERS_MAX = 12  # transactions at a time; readers never keep the writers waiting
WRITERS_MAX = 4
_KEPT_MAX = 6  # connections that nobody uses


class Taken(NamedTuple):
    """A connection that nobody else uses."""

    connection: Connection
    was_idle: bool  # so that the server may have ended it meanwhile
    place: BoundedSemaphore


class Pool:
    """Connections to `target`, opened when they are needed."""

    def __init__(self, target: Target, *, readers_max: int = READERS_MAX, writers_max: int = WRITERS_MAX) -> None:
        self.target = target
        self._process: int | None = os.getpid()  # None: closed
        self._idle: list[Connection] = []
        self._readers = BoundedSemaphore(readers_max)
        self._writers = BoundedSemaphore(writers_max)

    def take(self, *, writes: bool) -> Taken:
        """Give a connection; it comes back with `give_back`. Raises StoreUnavailable."""
        check_process(self._process)
        place = self._writers if writes else self._readers
        if not place.acquire(timeout=self.target.busy_seconds):
            raise StoreUnavailable(
                f"All connections to PostgreSQL have been in use for {self.target.busy_seconds:g} seconds.",
                hint="The server has more to do than it can; try again in a moment.",
            )
        try:
            check_process(self._process)
            with suppress(IndexError):
                return Taken(self._idle.pop(), was_idle=True, place=place)
            return Taken(self.target.connect(), was_idle=False, place=place)
        except BaseException:
            place.release()
            raise

    def give_back(self, taken: Taken, *, broken: bool) -> None:
        """Take a connection back, in no transaction; a broken one is closed, and with it what was not committed."""
        if broken or len(self._idle) >= _KEPT_MAX:
            taken.connection.close()
        else:
            self._idle.append(taken.connection)
        taken.place.release()
        if self._process is None:
            self.drop_idle()

    def drop_idle(self) -> None:
        """Close the connections that nobody uses: what ended one of them ended all."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def close(self) -> None:
        """Close every connection; those in use are closed when they are given back."""
        if self._process != os.getpid():  # closed, or inherited by a fork: then they are the parent's
            return
        self._process = None
        self.drop_idle()
