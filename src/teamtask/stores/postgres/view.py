"""`View`: a transaction on a pooled connection, from its `with` to the end of it, and the clock as it stood then."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from teamtask.stores.postgres.failures import SQL_ERRORS, is_over, translated
from teamtask.stores.postgres.sql_files import QUERIES
from teamtask.stores.store import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from teamtask.ledger.errors import TeamtaskError
    from teamtask.stores.postgres.connecting import Connection
    from teamtask.stores.postgres.pool import Pool, Taken

Statement = tuple[bytes, Sequence[Any]]
COMMIT: Statement = (b"COMMIT", ())
_CLOCK: Statement = (QUERIES["clock"], ())


class View:
    """What a reader and a writer have in common. `clock` is a fake one, None for the server's."""

    __slots__ = ("_clock", "_pool", "_read_at", "_server_clock", "_taken")

    def __init__(self, pool: Pool, clock: Callable[[], Clock] | None) -> None:
        self._pool = pool
        self._clock = clock
        self._taken: Taken | None = None
        self._server_clock = Clock(0.0, "")
        self._read_at = 0.0  # of this machine's clock, no earlier than the server's was read

    def clock(self) -> Clock:
        """See Reader. The server's, read when the transaction had its locks; from then on this machine counts."""
        if self._clock is not None:
            return self._clock()
        return self._server_clock._replace(now=self._server_clock.now + time.monotonic() - self._read_at)

    def _begin(self, statements: Sequence[Statement], *, writes: bool) -> list[list[Any]]:
        """Begin with these statements and a look at the clock, in one round trip; their rows.

        A connection that was kept may have been ended meanwhile: then nothing was done, and another is taken.
        """
        while True:
            taken = self._pool.take(writes=writes)
            try:
                cursors = send(taken.connection, [*statements, _CLOCK])
                rows = [cursor.fetchall() if cursor.description else [] for cursor in cursors]
            except SQL_ERRORS as error:
                over = is_over(taken.connection, error)
                self._pool.give_back(taken, broken=True)
                if not over or not taken.was_idle:
                    raise translated(error) from error
                self._pool.drop_idle()
                continue
            except BaseException:
                self._pool.give_back(taken, broken=True)
                raise
            self._read_at = time.monotonic()
            self._server_clock = Clock(*rows.pop()[0])
            self._taken = taken
            return rows

    def _send(self, *statements: Statement) -> list[psycopg.Cursor[tuple[Any, ...]]]:
        """Carry out statements in one round trip."""
        assert self._taken is not None, "a view was used after its with"
        try:
            return send(self._taken.connection, statements)
        except SQL_ERRORS as error:
            raise self._failed(translated(error)) from error

    def _run(self, name: str, *values: object) -> list[Any]:
        """Carry out a query; its rows."""
        return self._send((QUERIES[name], values))[-1].fetchall()

    def _failed(self, failure: TeamtaskError) -> TeamtaskError:
        return failure


def send(connection: Connection, statements: Sequence[Statement]) -> list[psycopg.Cursor[tuple[Any, ...]]]:
    """Carry out statements in one round trip; raises what went wrong first, whereupon the rest is not carried out."""
    if len(statements) == 1:
        sql, values = statements[0]
        return [connection.cursor(binary=True).execute(sql, values, prepare=True)]
    with connection.pipeline():
        return [connection.cursor(binary=True).execute(sql, values, prepare=True) for sql, values in statements]
