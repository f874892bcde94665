"""`Site`: the lists of one store as a principal may see them; `SiteOwners` and `SiteWork` are what may be done."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from teamtask.access import Action, Principal, may
from teamtask.ledger.errors import InvalidField, UnknownFormat
from teamtask.ledger.list_state import FINISHED, ListState
from teamtask.service.directory import Directory, Entry
from teamtask.service.list_source import list_source
from teamtask.service.service import ListView, NoSuchList, Service
from teamtask.service.views import RangeState, ranges_in, remaining_of, shown_blocks, shown_list, shown_workers
from teamtask.stores.store import ListGone, StoreDamaged
from teamtask.telemetry import log
from teamtask.wire.views import Page, Range

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from teamtask.sources import Source
    from teamtask.stores.store import ListRecord, Store
    from teamtask.telemetry import Remaining
    from teamtask.wire.views import Worker, Worklist

LOOKED_AT_MAX = 2_000  # lists that one call looks at to find those that were asked for


class Site:
    """The lists of one store, and what principals may do with them. Safe for threads."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.service = Service(store)
        self.directory = Directory(store)

    @contextmanager
    def view(self, principal: Principal, name: str) -> Iterator[ListView]:
        """Show a list to somebody who may see it. Raises NoSuchList."""
        entry = self.directory.find(principal, name, Action.VIEW)
        try:
            with self.service.view(entry.record) as view:
                yield view
        except ListGone:
            self.directory.forget(name)
            raise NoSuchList(f"There is no list {name!r:.80}.") from None

    def show(self, principal: Principal, name: str) -> Worklist:
        """Show a list. Raises NoSuchList."""
        with self.view(principal, name) as view:
            return shown_list(view)

    def lists(self, principal: Principal, *, state: str | None, label: str | None, after: str, limit: int) -> Page:
        """Show the lists that somebody may see, by name; `label` is NAME or NAME=VALUE. Raises InvalidField."""
        if state is not None and state not in set(ListState):
            raise InvalidField(f"{state!r:.80} is no state.", field="state", hint=f"One of {', '.join(ListState)}.")
        found: list[Worklist] = []
        with self.store.read() as reader:
            records = reader.lists(after, LOOKED_AT_MAX)
        entries = map(Entry.of, records)
        seen = (
            entry.record for entry in entries if may(principal, Action.VIEW, entry.access) and _has_label(entry, label)
        )
        for view in self._views(seen):
            if state is None or view.ledger.state == state:
                found.append(shown_list(view))
            if len(found) == limit and view.record is not records[-1]:
                return Page(tuple(found), view.record.name)
        return Page(tuple(found), records[-1].name if len(records) == LOOKED_AT_MAX else None)

    def blocks(self, principal: Principal, name: str, state: RangeState | None, *, after: int, limit: int) -> Page:
        """Show blocks in order of index, those that begin behind `after`; see `shown_blocks`. Raises NoSuchList."""
        with self.view(principal, name) as view:
            may_report = may(principal, Action.WORK, view.definition.access(name))
            blocks = shown_blocks(view, state, principal.name if may_report else None)
            found = [block for block in blocks if block.index > after]
        return Page(tuple(found[:limit]), str(found[limit - 1].index) if len(found) > limit else None)

    def ranges(self, principal: Principal, name: str, state: RangeState, *, after: int, limit: int) -> Page:
        """Show the merged ranges in a state, those that begin behind `after`. Raises NoSuchList."""
        with self.view(principal, name) as view:
            found = [Range(start, stop - start) for start, stop in ranges_in(view, state) if start > after]
        return Page(tuple(found[:limit]), str(found[limit - 1].index) if len(found) > limit else None)

    def workers(self, principal: Principal, name: str | None, *, after: str, limit: int) -> Page:
        """Show who works on the lists that one may see, or on one of them, by list and worker. Raises NoSuchList."""
        found: list[tuple[str, Worker]] = []
        if name is not None:  # of what one asks for one hears why it cannot be read
            with self.view(principal, name) as view:
                found = _workers_after(view, after)
        else:
            after_list = after.partition(" ")[0]
            records = (record for record in self._records(principal) if record.name >= after_list)
            for view in self._views(records):
                found += _workers_after(view, after)
                if len(found) > limit:
                    break
        shown = tuple(worker for _, worker in found[:limit])
        return Page(shown, found[limit - 1][0] if len(found) > limit else None)

    def lift_quarantine(self, principal: Principal, worker_id: str) -> Worker:
        """Let a worker work again on the lists that one owns. Raises NoSuchWorker, Forbidden.

        No worker is ever quarantined by this version of the ledger, so nothing is left to be lifted.
        """
        for view in self._views(self._records(principal)):
            for worker in shown_workers(view):
                if worker.id == worker_id:
                    self.directory.find(principal, view.record.name, Action.CHANGE)
                    return worker
        raise NoSuchWorker(f"There is no worker {worker_id!r:.80}.")

    def remaining(self) -> Iterator[Remaining]:
        """Tell how every list stands that is not finished."""
        for view in self._views(self._records(None)):
            if view.ledger.state not in FINISHED:
                yield remaining_of(view)

    def _views(self, records: Iterable[ListRecord]) -> Iterator[ListView]:
        """Show one list after the other, but none that is gone, or that would spoil it for all the others."""
        for record in records:
            with ExitStack() as stack:
                try:
                    view = stack.enter_context(self.service.view(record))
                except ListGone:
                    continue
                except (StoreDamaged, UnknownFormat) as error:  # whoever asks for that list hears of it
                    log().warning("list_not_shown", list=record.name, code=error.code)
                    continue
                yield view

    def _records(self, principal: Principal | None) -> list[ListRecord]:
        """Give the lists that one may see; without a principal all."""
        with self.store.read() as reader:
            records = reader.lists()
        if principal is None:
            return records
        return [record for record in records if may(principal, Action.VIEW, Entry.of(record).access)]

    def source_of(self, view: ListView) -> Source[Any] | None:
        """Give the items of a list, the first one at 0, wherever the list itself begins; None where it keeps none."""
        if view.definition.source["kind"] == "objects" or not view.ledger.size:
            return None
        return list_source(self.store, view.record.id, view.definition, view.ledger.size)


class NoSuchWorker(NoSuchList):
    """There is no such worker."""

    hint = "`teamtask workers` shows those there are."


def _workers_after(view: ListView, after: str) -> list[tuple[str, Worker]]:
    """Give the workers of a list behind that place, each with its own: list and id."""
    keyed = ((f"{view.record.name} {worker.id}", worker) for worker in shown_workers(view))
    return sorted((pair for pair in keyed if pair[0] > after), key=lambda pair: pair[0])


def _has_label(entry: Entry, label: str | None) -> bool:
    if label is None:
        return True
    labels = entry.definition.labels
    name, equals, value = label.partition("=")
    return name in labels and (not equals or labels[name] == value)
