"""`Target`: where the database is, and connections to it with the settings that a store relies on."""

from __future__ import annotations

import logging
import os
import re
from contextlib import suppress
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.array import ListBinaryDumper
from psycopg.types.numeric import FloatBinaryDumper, Int8BinaryDumper
from psycopg.types.string import StrBinaryDumper

from teamtask.ledger.errors import InvalidField
from teamtask.stores.postgres.failures import SQL_ERRORS, cannot_connect, translated
from teamtask.stores.shown_url import shown_url
from teamtask.stores.store import StoreUnavailable

logging.getLogger("psycopg").setLevel(logging.ERROR)  # what it warns of, a lost connection, it raises as well

Connection = psycopg.Connection[tuple[Any, ...]]

VERSION_MIN: Final = 14
STATEMENT_SECONDS: Final = 60  # what no statement of ours ever needs
WRITER_IDLE_SECONDS: Final = 15  # between two statements: whoever is frozen longer loses its locks to the others
READER_IDLE_SECONDS: Final = 600  # a reader holds no lock, and may feed somebody slow
# For what the URL and the PG... variables leave open: a host that is cut off is noticed in half a minute, and a standby
# is not mistaken for the primary.
_DEFAULTS: Final = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "application_name": "teamtask",
    "target_session_attrs": "read-write",
}
_VARIABLES: Final = {
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "application_name": "PGAPPNAME",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
# One type each, whatever the value: one plan a query. psycopg's own would send small numbers as smallint, and a list of
# them as text that it goes on to call a list of smallint when larger ones come.
_DUMPERS: Final = (
    (int, Int8BinaryDumper),
    (float, FloatBinaryDumper),
    (str, StrBinaryDumper),
    (list, ListBinaryDumper),
)
# Every query has an index that gives its rows, in their order, so one plan is right for all values. The planner must
# not be talked out of it by statistics, which are those of an empty table when a list is new.
_SET_UP: Final = b"""
SELECT set_config(name, value, false) FROM (VALUES
    ('search_path', $1),
    ('statement_timeout', $2),
    ('lock_timeout', $3),
    ('idle_in_transaction_session_timeout', $4),
    ('synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END),
    ('client_min_messages', 'warning'),
    ('plan_cache_mode', 'force_generic_plan'),
    ('enable_seqscan', 'off'),
    ('enable_bitmapscan', 'off'),
    ('enable_hashjoin', 'off'),
    ('enable_mergejoin', 'off'),
    ('jit', 'off')
) AS settings(name, value)
"""


class Target:
    """The database that `url` names, a URL of libpq; `schema` is a namespace in it.

    Raises InvalidField for what libpq does not understand.
    """

    def __init__(self, url: str, schema: str, busy_seconds: float) -> None:
        self._url = url
        self.schema = schema
        self.busy_seconds = busy_seconds
        given = _read(url)
        variables = {name: os.environ.get(variable) for name, variable in _VARIABLES.items()}
        self._defaults = {
            name: value for name, value in _DEFAULTS.items() if name not in given and not variables.get(name)
        }
        self.shown = shown_url(url)

    def connect(self) -> Connection:
        """Open a connection, in no transaction and with our settings. Raises StoreUnavailable."""
        try:
            connection = psycopg.connect(
                self._url,
                autocommit=True,
                prepare_threshold=0,
                cursor_factory=psycopg.RawCursor,
                **self._defaults,  # type: ignore[arg-type] # parameters of libpq, none of psycopg's own
            )
        except psycopg.Error as error:
            raise cannot_connect(error, self.shown) from error
        try:
            self._set_up(connection)
        except SQL_ERRORS as error:
            connection.close()
            raise translated(error) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_up(self, connection: Connection) -> None:
        version = connection.info.server_version
        if version < VERSION_MIN * 10_000:
            raise StoreUnavailable(
                f"PostgreSQL at {self.shown} has version {version // 10_000}.",
                hint=f"Version {VERSION_MIN} or later is needed.",
            )
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise StoreUnavailable(
                f"The database at {self.shown} has the encoding {encoding}.",
                hint="Make one that keeps every text: CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0.",
            )
        for kind, dumper in _DUMPERS:
            connection.adapters.register_dumper(kind, dumper)
        milliseconds = [
            str(max(1, int(seconds * 1_000))) for seconds in (STATEMENT_SECONDS, self.busy_seconds, WRITER_IDLE_SECONDS)
        ]
        connection.execute(_SET_UP, [f'"{self.schema}"', *milliseconds])


def _read(url: str) -> dict[str, Any]:
    """Read a URL of libpq, whose own words are not repeated: they may have a part of the password.

    An @ that is left, or a port that is no number, comes of a password in which something special stands as it is.
    """
    with suppress(psycopg.ProgrammingError, UnicodeError):
        given = conninfo_to_dict(url)
        places = re.sub("^[^@/]*@", "", url.partition("://")[2], count=1).partition("?")[0]
        if "@" not in places and re.fullmatch("[0-9,]*", str(given.get("port", ""))):
            return given
    message = "The URL of the store cannot be read."
    raise InvalidField(
        message,
        field="store",
        hint="For example postgresql://user@host:5432/database?sslmode=verify-full, with libpq's parameters; what is "
        "special in a name or a password is written as %XX.",
    )
