"""`find_list`: from what somebody typed to an opened list, local or on a server; nothing else looks lists up."""

from __future__ import annotations

import difflib
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from teamtask.cli.local_door import doors_in, is_there, opened_file
from teamtask.cli.servers import server_of
from teamtask.local.state_files import path_of, state_files
from teamtask.service.service import NoSuchList

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.cli.door import Door
    from teamtask.cli.server_door import ServerDoor
    from teamtask.cli.servers import Place
    from teamtask.client.connection import Connection
    from teamtask.service.service import Service

_NEAR = 3  # names that are proposed for one that fits nothing
_LOOKED_AT = 1_000  # of a server's names


@contextmanager
def find_list(name: str | None, place: Place) -> Iterator[Door]:
    """Open the list that was named, and close it at the end of the `with`.

    Raises UsageError when nothing was named, NoSuchList with names that are near, what opening a state file raises, and
    what a server says.
    """
    if name is None and place.state is None:
        raise click.UsageError("Name a list, as `teamtask ls` shows it, or its --state FILE.")
    found = place.state if place.state is not None else where(name or "", place)
    if not isinstance(found, Path):
        yield found
        return
    with opened_file(found) as service:
        yield _door(service, name, found)


def where(name: str, place: Place) -> Path | ServerDoor:
    """Give the state file of the run of that name, or the list on a server. Raises NoSuchList, and what that says."""
    if place.url is None:
        path = path_of(name)
        if path in state_files():
            return path
    server = server_of(place)
    if server is not None:
        from teamtask.cli.server_door import ServerDoor

        door = ServerDoor(server, name)
        if door.is_there():
            return door
        raise NoSuchList(f"There is no list {name!r:.80} at {server.url}.", hint=_hint(_names(place, server), name))
    return path_of_run(name)


def path_of_run(name: str) -> Path:
    """Give the state file of a run. Raises NoSuchList with names that are near."""
    path = path_of(name)
    if path in state_files():
        return path
    if is_there(Path(name)):
        raise NoSuchList(f"There is no run {name!r:.80}.", hint=f"A state file is given as --state {name}.")
    raise NoSuchList(f"There is no run {name!r:.80}.", hint=_hint([path.stem for path in state_files()], name))


def _names(place: Place, server: Connection) -> list[str]:
    from teamtask.cli.server_door import lists_of

    names = [shown.name for shown in islice(lists_of(server), _LOOKED_AT)]
    return names if place.url is not None else [*(path.stem for path in state_files()), *names]


def _door(service: Service, name: str | None, path: Path) -> Door:
    doors = doors_in(service, path)
    if name is None and len(doors) > 1:
        raise click.UsageError(f"{path} holds {len(doors)} lists; name one of them too.")
    found = [door for door in doors if name is None or door.name == name]
    if found:
        return found[0]
    if not doors:
        raise NoSuchList(
            f"The state file {path} holds no list yet.",
            hint="Its items are being read in, or that was broken off: then the same `teamtask run` begins anew.",
        )
    raise NoSuchList(f"There is no list {name!r:.80} in {path}.", hint=_hint([door.name for door in doors], name))


def _hint(names: list[str], wanted: str | None) -> str:
    if not names:
        return "There are none yet; `teamtask run` and `teamtask create` begin one."
    text = (wanted or "").lower()
    near = [name for name in names if text and text in name.lower()]
    near += [name for name in difflib.get_close_matches(text, names, _NEAR) if name not in near]
    if not near:
        return "`teamtask ls` shows those there are."
    return f"Did you mean {' or '.join(near[:_NEAR])}?"
