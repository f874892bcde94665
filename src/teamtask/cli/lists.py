"""`teamtask ls`: the lists there are, a row each; a state file that cannot be read has a row that says so."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import click

from teamtask.cli.arguments import complete_names, output_option, place_options, watch_option
from teamtask.cli.find_list import find_list
from teamtask.cli.local_door import doors_in, holds_nothing, opened_file
from teamtask.cli.output import names_text, page_text, say, say_data, watch
from teamtask.cli.servers import server_of
from teamtask.cli.tables import percentage, rate_text, seconds_text, table, terminal_width
from teamtask.cli.text import compact, date_of
from teamtask.ledger.errors import TeamtaskError, UnknownFormat
from teamtask.ledger.list_state import FINISHED
from teamtask.local.state_files import state_files, tidy
from teamtask.service.service import NoSuchList
from teamtask.stores.store import StoreDamaged, StoreTooNew

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamtask.cli.door import Door
    from teamtask.cli.servers import Place
    from teamtask.wire.views import Worklist

COLUMNS = ("NAME", "STATE", "DONE", "RATE", "ETA", "WORKERS", "FAILED")
WIDE_COLUMNS = ("SIZE", "PARKED", "AGE", "COMMAND")
SERVER_COLUMN = ("SERVER",)  # only where there is one


class Listed(NamedTuple):
    """A list that can be shown, with what only people want to know of it."""

    shown: Worklist
    command: str = ""
    server: str | None = None


class Unreadable(NamedTuple):
    """A state file that cannot be shown: `state` in a word, `reason` in a sentence."""

    name: str
    state: str
    reason: str


@click.command(short_help="Show the lists there are.")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_names)
@place_options
@output_option("wide", "json", "name", text="More columns, the API's form, or names alone.")
@watch_option
def ls(*, names: tuple[str, ...], place: Place, output: str | None, watching: bool) -> None:
    """Show the lists there are: all of them, or those that are named.

    These are the runs of this machine, and the lists of its server if one runs; with --url the lists of that server.
    Runs that ended more than 30 days ago are removed, and it says so. WORKERS are those that hold a block or asked for
    one lately; processes of this machine that are dead do not count.

    \b
    Examples:
      teamtask ls
      teamtask ls -o wide
      teamtask ls -w
      teamtask ls -o json | jq -r '.items[] | select(.failed > 0) | .name'
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    if place.state is None and place.url is None and not names:
        _tidy()

    def draw() -> tuple[str, bool]:
        rows, _ = _found(names, place)
        return _text(rows, output), bool(names or place.state) and all(map(_is_finished, rows))

    if watching:
        watch(draw)
        return
    rows, trouble = _found(names, place)
    say_data(_text(rows, output))
    for row in rows:
        if isinstance(row, Unreadable):
            say(f"{row.name}: {row.reason}")
    if trouble is not None:
        say(trouble)
    elif not rows:
        say(_nothing(place))


def _nothing(place: Place) -> str:
    server = server_of(place)
    if server is None:
        return "There are no runs; `teamtask run` begins one."
    return f"There are no lists at {server.url}; `teamtask create` makes one."


def _tidy() -> None:
    try:
        for name in tidy(time.time()):
            say(f"Tidied away {name}, which ended more than 30 days ago.")
    except (TeamtaskError, OSError):
        return  # what cannot be opened or removed has a row that says so


def _found(names: tuple[str, ...], place: Place) -> tuple[list[Listed | Unreadable], str | None]:
    """Give the rows, and what is wrong with a server that nobody asked for."""
    rows: list[Listed | Unreadable] = []
    if names:
        for name in names:
            with find_list(name, place) as found:
                rows.append(_listed(found))
        return rows, None
    if place.state is not None:
        with opened_file(place.state):  # a file that was named and cannot be read is an error
            return list(_rows_of(place.state)), None
    if place.url is not None:
        return list(_rows_at(place)), None
    for path in state_files():
        rows += _rows_of(path)
    try:
        rows += _rows_at(place)
    except TeamtaskError as error:
        return rows, f"The server of this machine shows no lists: {error.message}"
    return rows, None


def _rows_at(place: Place) -> Iterator[Listed]:
    server = server_of(place)
    if server is None:
        return
    from teamtask.cli.server_door import lists_of

    for shown in lists_of(server):
        yield Listed(shown, server=server.url)


def _rows_of(path: Path) -> Iterator[Listed | Unreadable]:
    try:
        if holds_nothing(path):
            yield Unreadable(path.stem, "empty", f"The state file {path} is empty.")
            return
        with opened_file(path) as service:
            doors = doors_in(service, path)
            for door in doors:
                yield _listed(door)
            if not doors:
                yield Unreadable(path.stem, "empty", f"The state file {path} holds no list yet.")
    except (NoSuchList, FileNotFoundError):
        return  # it was removed meanwhile
    except TeamtaskError as error:
        yield Unreadable(path.stem, _trouble(error), error.message)


def _trouble(error: TeamtaskError) -> str:
    if isinstance(error, (StoreTooNew, UnknownFormat)):
        return "newer"
    return "damaged" if isinstance(error, StoreDamaged) else "unreadable"


def _listed(found: Door) -> Listed:
    return Listed(found.show(), found.command(), found.server)


def _is_finished(row: Listed | Unreadable) -> bool:
    return isinstance(row, Unreadable) or row.shown.state in FINISHED


def _text(rows: list[Listed | Unreadable], output: str | None) -> str:
    if output == "json":
        return page_text(row._asdict() if isinstance(row, Unreadable) else row.shown for row in rows)
    if output == "name":
        return names_text(row.name if isinstance(row, Unreadable) else row.shown.name for row in rows)
    if not rows:
        return ""
    columns: tuple[str, ...] = COLUMNS
    if output == "wide":
        columns += WIDE_COLUMNS
        if any(isinstance(row, Listed) and row.server is not None for row in rows):
            columns += SERVER_COLUMN
    return table(columns, [_cells(row)[: len(columns)] for row in rows], terminal_width())


def _cells(row: Listed | Unreadable) -> list[str]:
    if isinstance(row, Unreadable):
        return [row.name, row.state] + ["-"] * (len(COLUMNS + WIDE_COLUMNS + SERVER_COLUMN) - 2)
    shown = row.shown
    return [
        shown.name,
        shown.state,
        percentage(shown.done, shown.size),
        rate_text(shown.rate),
        seconds_text(shown.eta_seconds) if shown.state not in FINISHED else "-",
        str(shown.workers),
        compact(shown.failed),
        compact(shown.size),
        compact(shown.parked),
        seconds_text(max(0.0, time.time() - date_of(shown.created_at))),
        row.command or "-",
        row.server or "-",
    ]
