"""`server_of`: the server that somebody means: the one that is named, else one of this user's that runs here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from teamtask.ledger.errors import TeamtaskError
from teamtask.settings import known_servers, known_token

if TYPE_CHECKING:
    from pathlib import Path

    from teamtask.client.connection import Connection

PATIENCE_SECONDS: Final = 5.0  # somebody sits there and waits


class NoServer(TeamtaskError):
    """No server is named, and none runs on this machine."""

    code = "no_server"
    hint = "`teamtask serve` starts one here; --url and --token name another."


class Place(NamedTuple):
    """Where a list is to be looked for, as flags and environment say; all None: on this machine.

    A server that does not answer is asked again for `patience_seconds`, PATIENCE_SECONDS if that is None.
    """

    state: Path | None = None
    url: str | None = None
    token: str | None = None
    patience_seconds: float | None = None


def server_of(place: Place) -> Connection | None:
    """Give the server that is named, else the first of this user's that runs on this machine; None for none.

    The admin token of this user goes to this user's servers alone. Raises InvalidField for a url that is none.
    """
    url = place.url if place.url is not None else next(iter(known_servers()), None)
    if url is None:
        return None
    from teamtask.client.connecting import connection_to  # who has local runs alone needs no HTTP

    token = place.token or (known_token() if url.rstrip("/") in known_servers() else None)
    patience = PATIENCE_SECONDS if place.patience_seconds is None else place.patience_seconds
    return connection_to(url, token, retry_seconds=patience)


def need_server(place: Place) -> Connection:
    """Give the server that is meant. Raises NoServer."""
    server = server_of(place)
    if server is None:
        raise NoServer
    return server
