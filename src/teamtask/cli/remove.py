"""`teamtask rm`: removes lists with all that is known of them, state files as well as lists on a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from teamtask.cli.arguments import complete_names, server_options
from teamtask.cli.find_list import where
from teamtask.cli.local_door import check_there, doors_in, holds_nothing, opened_file
from teamtask.cli.output import say
from teamtask.cli.tables import percentage
from teamtask.ledger.errors import InvalidField, TeamtaskError
from teamtask.local.open_run import check_unused
from teamtask.local.state_files import remove_state
from teamtask.service.service import NoSuchList
from teamtask.stores.store import StoreDamaged, StoreNotWritable, StoreTooNew

if TYPE_CHECKING:
    from teamtask.cli.servers import Place
    from teamtask.wire.views import Worklist

_SQLITE = b"SQLite format 3\0"
_OURS = slice(68, 72), b"TmTk"  # where SQLite keeps the application's id (sqlite.org/fileformat.html), and ours


class Removable(Protocol):
    """What can be removed."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def show(self) -> Worklist:
        """Give the list as it is now. Raises TeamtaskError."""
        ...

    def check_unused(self) -> None:
        """Raise TeamtaskError while somebody works on it."""
        ...

    def remove(self) -> None:
        """Remove it. Raises TeamtaskError."""
        ...


@click.command(short_help="Remove lists and their results.")
@click.argument("names", nargs=-1, metavar="NAME...", shell_complete=complete_names)
@click.option("--state", type=click.Path(path_type=Path), metavar="FILE", help="Remove this state file.")
@server_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Also while somebody works on it, who then stops with an error.")
def rm(*, names: tuple[str, ...], place: Place, yes: bool, force: bool) -> None:
    """Remove lists, with all that is known of them; on a terminal it asks first.

    \b
    Examples:
      teamtask rm hosts-1f2e3d4c
      teamtask rm -y primes hosts-1f2e3d4c
      teamtask rm --state ./primes.teamtask
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    if bool(names) == (place.state is not None):
        raise click.UsageError("Name the lists to remove, or one --state FILE.")
    if place.state is not None:
        found: list[Removable] = [StateFile(_of_ours(place.state), str(place.state))]
    else:
        found = [_removable(name, place) for name in dict.fromkeys(names)]
    if not force:
        for each in found:
            each.check_unused()
    if not yes and sys.stdin.isatty():
        for each in found:
            say(_described(each))
        click.confirm("Remove?" if len(found) == 1 else f"Remove these {len(found)}?", abort=True, err=True)
    for each in found:
        each.remove()
        say(f"Removed {each.name}.")


class StateFile:
    """A state file, which need not be readable to be removed."""

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        self._path = path

    def show(self) -> Worklist:
        """Give the first list in it."""
        with opened_file(self._path) as service:
            for door in doors_in(service, self._path):
                return door.show()
        raise NoSuchList("It holds no list.")

    def check_unused(self) -> None:
        """Refuse while a living process of this machine works on it. Raises RunInUse."""
        if holds_nothing(self._path):
            return
        try:
            with opened_file(self._path) as service:
                for record in service.lists():
                    check_unused(service, record)
        except (StoreDamaged, StoreTooNew):
            return  # nobody can work on it, but a newer version, which nobody asked

    def remove(self) -> None:
        """Delete the file. Raises StoreNotWritable."""
        try:
            remove_state(self._path)
        except OSError as error:
            raise StoreNotWritable(f"The state file {self._path} cannot be removed: {error.strerror}.") from error


def _removable(name: str, place: Place) -> Removable:
    found = where(name, place)
    return StateFile(found, name) if isinstance(found, Path) else found


def _described(each: Removable) -> str:
    try:
        shown = each.show()
    except TeamtaskError as error:
        return f"{each.name}: {error.message}"
    return f"{shown.name}: {shown.state}, {percentage(shown.done, shown.size)} done"


def _of_ours(path: Path) -> Path:
    """Give the path back if a state file of ours is there: what was named by its path may be anything."""
    check_there(path)
    try:
        with opened_file(path):
            return path
    except (StoreDamaged, StoreTooNew, NoSuchList) as error:
        if path.is_file() and _has_our_header(path):
            return path
        raise InvalidField(
            f"{path} is no state file of Teamtask: {error.message}", field="state", hint="Remove it with rm."
        ) from error


def _has_our_header(path: Path) -> bool:
    position, ours = _OURS
    with path.open("rb") as stream:
        header = stream.read(position.stop)
    return header.startswith(_SQLITE) and header[position] == ours
