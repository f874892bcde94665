"""`LocalDoor`: a list in a state file; `opened_file` opens one that is there, and never makes any."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from teamtask.access import LOCAL, Principal, SiteRole
from teamtask.cli.shell_text import shell_text, typed_flags
from teamtask.cli.text import compact
from teamtask.ledger.errors import WrongState
from teamtask.local.processes import is_dead
from teamtask.local.state_files import open_state, path_of
from teamtask.service.list_source import keep_lines
from teamtask.service.result_stream import result_lines
from teamtask.service.service import NoSuchList
from teamtask.service.site import Site
from teamtask.service.site_owners import SiteOwners
from teamtask.service.site_work import ItemsNotKept
from teamtask.service.views import ranges_in, shown_blocks, shown_list, shown_workers
from teamtask.wire.requests import GrowBody
from teamtask.wire.views import Changed, Range, wire_item

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from teamtask.ledger.list_state import Move
    from teamtask.service.definition import Definition
    from teamtask.service.result_stream import Wanted
    from teamtask.service.service import ListView, Service
    from teamtask.service.views import RangeState
    from teamtask.sources.source import Source
    from teamtask.stores.store import ListRecord
    from teamtask.wire.requests import ListChange
    from teamtask.wire.result_lines import ResultLine
    from teamtask.wire.views import Block, Worker, Worklist

# Whoever can open the file may do anything with it.
_PRINCIPAL: Final = Principal(LOCAL, site_roles=frozenset({SiteRole.ADMIN}))


class LocalDoor:
    """A list of an opened state file; processes of this machine that are dead do not work on it."""

    server = None

    def __init__(self, site: Site, record: ListRecord, path: Path, name: str) -> None:
        """Show the list under this name, which need not be the one that it was created with."""
        self.name = name
        self._record, self._path = record, path
        self._site, self._owners = site, SiteOwners(site)

    def opened(self) -> tuple[Service, ListRecord]:
        """Give the list as those need it who serve it."""
        return self._site.service, self._record

    def command(self) -> str:
        """Give what the run does with each item."""
        local = self._definition().local
        identity: dict[str, Any] = {} if local is None else local.identity
        if identity.get("python"):
            return f"--python {identity['python']}"
        return shell_text(map(str, identity.get("command") or ()))

    def again(self) -> str | None:
        """Give the command line that goes on; where it was not typed, which folder it belongs to."""
        local = self._definition().local
        if local is None:
            return None
        if local.typed[:1] != ("run",):
            return f"start it again in {local.folder}"
        return f"cd {shell_text([local.folder])} && {shell_text(['teamtask', *typed_flags(local.typed)])}"

    def notes(self) -> list[tuple[str, str]]:
        """Give what was typed, and where."""
        local = self._definition().local
        found = [] if local is None else [("command", self.command()), ("folder", local.folder)]
        if local is not None and local.blank:
            found.append(("blank", f"{compact(local.blank)} lines, left out"))
        return found

    def kept_in(self) -> tuple[str, str]:
        """Give the state file."""
        return "state file", str(self._path)

    def show(self) -> Worklist:
        """Give the list as it is now."""
        with self._view() as view:
            return shown_list(view, is_dead)

    def blocks(self, state: RangeState | None = None) -> list[Block]:
        """Give blocks by index."""
        with self._view() as view:
            return shown_blocks(view, state)

    def ranges(self, state: RangeState) -> list[Range]:
        """Give ranges by index."""
        with self._view() as view:
            return [Range(start, stop - start) for start, stop in ranges_in(view, state)]

    def workers(self) -> list[Worker]:
        """Give the workers, the latest first."""
        with self._view() as view:
            return shown_workers(view, is_dead)

    def items(self, index: int, size: int) -> Iterator[Any]:
        """Give items. Raises ItemsNotKept."""
        with self._view() as view:
            start, all_size = view.ledger.start, view.ledger.size
        source = self._source(all_size)
        if source is None:
            raise ItemsNotKept(
                f"The items of {self.name} were objects of the program that made it; they are not kept.",
                hint="Their results are: see `teamtask results`.",
            )
        return map(wire_item, source.items(index - start, size))

    def results(self, wanted: Wanted) -> Iterator[ResultLine]:
        """Give results, as they were when the first one was asked for."""
        with self._view() as view:
            yield from result_lines(view, self._source(view.ledger.size), wanted)

    def move(self, move: Move) -> Worklist:
        """Pause, resume or cancel. A run that works on it ends when it hears of that."""
        self._owners.move(_PRINCIPAL, self._record.name, move)
        return self.show()

    def change(self, change: ListChange) -> Worklist:
        """Change the list."""
        self._owners.change(_PRINCIPAL, self._record.name, change)
        return self.show()

    def rerun(self, ranges: str | None, *, failed: bool) -> Changed:
        """Bring done indices back."""
        return self._changed(self._owners.rerun(_PRINCIPAL, self._record.name, ranges, failed=failed))

    def unpark(self, ranges: str | None) -> Changed:
        """Bring parked indices back."""
        return self._changed(self._owners.unpark(_PRINCIPAL, self._record.name, ranges))

    def grow(self, size: int) -> Changed:
        """Make a range longer."""
        return self._changed(self._owners.grow(_PRINCIPAL, self._record.name, GrowBody(size=size)))

    def add_lines(self, batches: Iterator[list[bytes]]) -> Changed:
        """Add lines, all or none. Raises WrongState for a run, which would take them for another file's."""
        if self._definition().local is not None:
            raise WrongState(
                f"The items of {self.name} are those that its command reads.",
                hint="Add lines to its file, and give the same command again: it goes on with them.",
            )
        upload = keep_lines(self._site.store, batches)
        first = not self.show().size
        return self._changed(self._owners.add_lines(_PRINCIPAL, self._record.name, upload, first=first))

    def _changed(self, changed: Changed) -> Changed:
        return replace(changed, list=self.show())

    def _view(self) -> AbstractContextManager[ListView]:
        return self._site.service.view(self._record._replace(name=self.name))

    def _definition(self) -> Definition:
        with self._view() as view:
            return view.definition

    def _source(self, size: int) -> Source[Any] | None:
        """Give the items of the list; None where there are none yet, or they were objects of a program."""
        from teamtask.local.open_run import source_of

        if not size or self._definition().source["kind"] == "objects":
            return None
        return source_of(self._site.service, self._record, size)


def doors_in(service: Service, path: Path) -> list[LocalDoor]:
    """Give the lists of a state file under the names that `ls` shows: a run's is that of its file."""
    records = service.lists()
    is_run = len(records) == 1 and path == path_of(path.stem)
    site = Site(service.store)
    return [LocalDoor(site, record, path, path.stem if is_run else record.name) for record in records]


@contextmanager
def opened_file(path: Path) -> Iterator[Service]:
    """Open a state file. Raises NoSuchList, StoreDamaged, StoreTooNew, StoreNotWritable."""
    check_there(path)
    if holds_nothing(path):
        raise NoSuchList(f"The file {path} is empty.")
    service = open_state(path)
    try:
        yield service
    finally:
        service.store.close()


def holds_nothing(path: Path) -> bool:
    """Tell whether a file has nothing in it, so that opening it would make a state file of it."""
    return path.is_file() and not path.stat().st_size and not Path(f"{path}-wal").exists()


def check_there(path: Path) -> None:
    """Raise NoSuchList when there is no such file."""
    if not is_there(path):
        raise NoSuchList(f"There is no state file {str(path)!r:.200}.", hint="`teamtask ls` shows the runs there are.")


def is_there(path: Path) -> bool:
    """Tell whether there is such a file or folder; a name that no file can have is not there."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
