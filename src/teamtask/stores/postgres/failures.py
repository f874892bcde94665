"""What went wrong, in words for people: `translated` makes our errors of PostgreSQL's and psycopg's."""

from __future__ import annotations

import re

import psycopg
from psycopg import errors

from teamtask.ledger.errors import InvalidField, TeamtaskError, TooMany
from teamtask.stores.store import StaleVersion, StoreDamaged, StoreFull, StoreNotWritable, StoreUnavailable

SQL_ERRORS = (psycopg.Error, UnicodeError)
# The server refuses everything on this connection, or will: another one may reach a server that does not.
_ENDS_CONNECTION = (
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.IdleInTransactionSessionTimeout,
    errors.ReadOnlySqlTransaction,
    errors.FeatureNotSupported,  # BEGIN READ WRITE on a standby, or a plan from before a migration
)
_DAMAGED = (
    errors.DataCorrupted,
    errors.IndexCorrupted,
    errors.InvalidSchemaName,
    errors.UndefinedColumn,
    errors.UndefinedObject,
    errors.UndefinedTable,
)
_NAME_THE_PRIMARY = (
    "Name the primary in the store's URL, or all hosts: the one that takes writes is looked for, unless "
    "target_session_attrs says otherwise."
)
_LIBPQ_ASKS = "Is the server running on that host and accepting TCP/IP connections?"  # as our hint does
# What libpq says when it cannot connect, in part, outside of names: it gives no code for that. A server that speaks
# another language gets the last hint.
_CONNECTING = (
    ("password authentication failed", "Look at the user and the password of the store's URL, or at your ~/.pgpass."),
    ("no password supplied", "Put the password into the store's URL, into PGPASSWORD or into your ~/.pgpass."),
    ("no pg_hba.conf entry", "Allow this user, database and address in the server's pg_hba.conf."),
    ("does not exist", "Make the role or the database first: CREATE ROLE, CREATE DATABASE; then try again."),
    ("too many clients", "Raise the server's max_connections, or use fewer servers of Teamtask."),
    ("remaining connection slots", "Raise the server's max_connections, or use fewer servers of Teamtask."),
    ("permission denied for database", "GRANT CONNECT ON DATABASE to this role."),
    ("ssl", "Look at sslmode, sslrootcert and the certificates; `sslmode=verify-full` checks who the server is."),
    ("session is read-only", _NAME_THE_PRIMARY),
    ("server is in hot standby mode", _NAME_THE_PRIMARY),
    ("starting up", "Nothing that was acknowledged is lost; try again in a moment."),
    (
        "",
        "Is PostgreSQL running where the store's URL leads, and does it take this user and password for this database?",
    ),
)
_NAMES = re.compile(r"""host '[^']*'|"[^"]*"|\([^)]*\)""")  # of hosts, users and databases


def is_over(connection: psycopg.Connection[object], error: BaseException | None = None) -> bool:
    """Tell whether a connection is of no more use after this error."""
    return connection.closed or isinstance(error, _ENDS_CONNECTION)


def cannot_connect(error: psycopg.Error, url: str) -> StoreUnavailable:
    """Say why there is no connection to the server at `url` (without a password)."""
    text = " ".join(str(error).split()).removesuffix(_LIBPQ_ASKS).rstrip()
    unnamed = _NAMES.sub("", text).lower()
    hint = next(hint for part, hint in _CONNECTING if part in unnamed)
    return StoreUnavailable(f"PostgreSQL at {url} cannot be used: {text.rstrip('.')}.", hint=hint)


def no_rights(error: psycopg.Error) -> StoreNotWritable:
    """Say which right this role lacks."""
    return StoreNotWritable(
        f"PostgreSQL refuses: {_first_line(error)}.",
        hint="The role needs CREATE on the database, once, to make the schema `teamtask`; afterwards the schema and "
        "its tables must be its own.",
    )


def damaged(what: str) -> StoreDamaged:
    """Say that the database holds what Teamtask has not written."""
    return StoreDamaged(f"The database {what}.", hint="teamtask verify tells more; restore a backup.")


def translated(error: psycopg.Error | UnicodeError) -> TeamtaskError:
    """Find our error for one of psycopg's."""
    if isinstance(error, UnicodeError | errors.CharacterNotInRepertoire):
        return InvalidField("A text is not valid Unicode.")
    if isinstance(error, errors.DiskFull):
        return StoreFull(f"PostgreSQL has no space left: {_first_line(error)}.")
    if isinstance(error, psycopg.IntegrityError):
        return StaleVersion(f"The list has moved on since it was read ({_first_line(error)}).")
    if isinstance(error, errors.ProgramLimitExceeded | errors.DataError):
        return TooMany(f"A value is longer than the store can keep ({_first_line(error)}).")
    if isinstance(error, errors.InsufficientPrivilege):
        return no_rights(error)
    if isinstance(error, _DAMAGED):
        return damaged(f"is damaged ({_first_line(error)})")
    return _unavailable(error)


def _unavailable(error: psycopg.Error) -> StoreUnavailable:
    if isinstance(error, errors.LockNotAvailable | errors.DeadlockDetected):
        return StoreUnavailable("Another writer held what this one waits for, for too long.")
    if isinstance(error, errors.OutOfMemory):
        return StoreUnavailable(
            f"PostgreSQL has not enough memory: {_first_line(error)}.",
            hint="Raise what its message names; for shared memory that is max_locks_per_transaction, mostly.",
        )
    if isinstance(error, errors.ConfigurationLimitExceeded):
        return StoreUnavailable(
            f"PostgreSQL refuses: {_first_line(error)}.", hint="Raise the limit in the settings of PostgreSQL."
        )
    plan_is_old = error.diag.source_function == "RevalidateCachedQuery"
    if isinstance(error, errors.ReadOnlySqlTransaction | errors.FeatureNotSupported) and not plan_is_old:
        message = "PostgreSQL takes no writes: it is a standby, or told to be read-only."
        return StoreUnavailable(message, hint=_NAME_THE_PRIMARY)
    return StoreUnavailable(f"PostgreSQL did not answer: {_first_line(error)}.")


def _first_line(error: psycopg.Error) -> str:
    text = error.diag.message_primary or str(error)
    return (text.strip().splitlines() or [type(error).__name__])[0].rstrip(".")
