"""`SiteOwners`: what owners may do with the lists of a site; the audit trail notes it in the same transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from teamtask.access import Action, Principal, SiteAction
from teamtask.ledger.errors import InvalidField, TooMany, WrongState
from teamtask.ledger.ids import ListId
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.list_state import ListState
from teamtask.ledger.rules import OWNER_RANGES_MAX
from teamtask.service.auditing import audit, told
from teamtask.service.creating import changed_definition, changed_rules, made_list
from teamtask.service.definition import Definition, encode_definition
from teamtask.service.directory import Entry, check_site
from teamtask.service.list_source import keep_lines
from teamtask.service.service import NoSuchList
from teamtask.service.uploading import Uploading
from teamtask.service.views import shown_list
from teamtask.sources import source_from_definition
from teamtask.stores.store import ListGone, NameTaken
from teamtask.wire.interval_text import parse_intervals
from teamtask.wire.requests import integer
from teamtask.wire.views import Changed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.ledger.list_state import Move
    from teamtask.service.idempotency import Idempotency
    from teamtask.service.list_source import Upload
    from teamtask.service.site import Site
    from teamtask.stores.store import Writer
    from teamtask.wire.requests import GrowBody, ListChange, NewList, Ranges
    from teamtask.wire.views import Worklist


class NoSuchBlock(NoSuchList):
    """The list has no such block."""

    hint = "`teamtask blocks` shows those there are."


class SiteOwners:
    """Owners of the lists of a site. Safe for threads."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def create(self, principal: Principal, body: NewList, idempotency: Idempotency | None = None) -> Worklist:
        """Create a list; a call that is repeated with its key shows the one that it created.

        Raises Forbidden, NameTaken, InvalidField, InvalidSource, IdempotencyKeyReused.
        """
        check_site(principal, SiteAction.CREATE_LISTS)
        before = self._made_before(idempotency)
        if before is not None:
            return before
        made = made_list(body, principal.name)
        upload = keep_lines(self._site.store, [made.lines]).id if made.lines is not None else None

        def then(writer: Writer, list_id: ListId) -> None:
            audit(writer, principal, "create", made.name, kind=made.definition.source["kind"])
            if idempotency is not None:
                idempotency.keep(writer, list_id)

        service = self._site.service
        try:
            created = service.create(
                made.name, made.definition, made.rules, made.size, upload, start=made.start, then=then
            )
        except NameTaken:  # maybe by the same call, a moment ago
            before = self._made_before(idempotency)
            if before is None:
                raise
            return before
        self._site.directory.forget(made.name)
        return self._shown(created, made.name)

    def _made_before(self, idempotency: Idempotency | None) -> Worklist | None:
        if idempotency is None:
            return None
        with self._site.store.read() as reader:
            made = idempotency.made_before(reader)
            record = reader.list_by_id(ListId(made)) if made is not None else None
        return self._shown(record.id, record.name) if record is not None else None

    def change(self, principal: Principal, name: str, change: ListChange) -> Worklist:
        """Change limits, blocks, roles and the like. Raises NoSuchList, Forbidden, InvalidField."""
        entry = self._site.directory.find(principal, name, Action.CHANGE)

        def then(writer: Writer) -> None:
            record = writer.list_by_id(entry.record.id)
            definition = changed_definition(Entry.of(record).definition, change)
            writer.replace_definition(record.id, encode_definition(definition))
            audit(writer, principal, "change", name, **told(change))

        changed_definition(entry.definition, change)  # what is wrong with it is said before anything is done
        self._site.service.change_rules(entry.record.id, lambda rules: changed_rules(rules, change), then)
        self._site.directory.forget(name)
        return self._shown(entry.record.id, name)

    def move(self, principal: Principal, name: str, move: Move) -> Worklist:
        """Pause, resume or cancel a list. Raises NoSuchList, Forbidden, WrongState."""
        entry = self._site.directory.find(principal, name, Action.CHANGE)
        self._site.service.move(entry.record.id, move, lambda writer: audit(writer, principal, str(move), name))
        return self._shown(entry.record.id, name)

    def rerun(self, principal: Principal, name: str, ranges: Ranges | None, *, failed: bool) -> Changed:
        """Bring done indices back. Raises NoSuchList, Forbidden, InvalidField, FoldCannotBeDivided, TooMany."""
        entry = self._site.directory.find(principal, name, Action.CHANGE)
        asked = None if ranges is None else self._ranges(entry, ranges)
        if asked is None and not failed:
            raise InvalidField(
                "It is not said what to rerun.", field="ranges", hint='Give ranges, "0-" for all, or {"failed": true}.'
            )
        reply = self._site.service.rerun(
            entry.record.id, asked, failed=failed, then=lambda writer: audit(writer, principal, "rerun", name)
        )
        return Changed(self._shown(entry.record.id, name), reply.changed, reply.left)

    def unpark(self, principal: Principal, name: str, ranges: Ranges | None) -> Changed:
        """Bring parked indices back. Raises NoSuchList, Forbidden, InvalidField, TooMany."""
        entry = self._site.directory.find(principal, name, Action.CHANGE)
        asked = None if ranges is None else self._ranges(entry, ranges)
        reply = self._site.service.unpark(
            entry.record.id, asked, lambda writer: audit(writer, principal, "unpark", name)
        )
        return Changed(self._shown(entry.record.id, name), reply.changed, reply.left)

    def grow(self, principal: Principal, name: str, body: GrowBody) -> Changed:
        """Give a range a new size, or lines some more. Raises NoSuchList, Forbidden, InvalidField, WrongState."""
        entry = self._site.directory.find(principal, name, Action.CHANGE)
        lines = entry.definition.source["kind"] == "lines"
        if (body.items is None) == lines or (body.size is None) != lines:
            what = '{"items": [...]} for lines' if lines else '{"size": N} for a range: so many items in all'
            raise InvalidField("That is not how this list grows.", field="items" if lines else "size", hint=what + ".")
        if body.items is not None:
            batch = [item.encode() for item in body.items]
            return self._add_lines(principal, entry, keep_lines(self._site.store, [batch]))
        size = integer(body.size or 0, "size", low=1)
        reply = self._site.service.grow(
            entry.record.id, size, then=lambda writer: audit(writer, principal, "grow", name)
        )  # fmt: skip
        return Changed(self._shown(entry.record.id, name), reply.changed, 0)

    def add_lines(self, principal: Principal, name: str, upload: Upload, *, first: bool = False) -> Changed:
        """Give a list the lines of an upload: behind those that it has, or with `first` those that it awaits.

        Raises NoSuchList, Forbidden, WrongState (there are items already), InvalidField (there are none).
        """
        entry = self._site.directory.find(principal, name, Action.CHANGE)
        return self._add_lines(principal, entry, upload, first=first)

    def _add_lines(self, principal: Principal, entry: Entry, upload: Upload, *, first: bool = False) -> Changed:
        name = entry.record.name
        if not upload.size:
            raise InvalidField("There are no items.", field="items", hint="Send one item a line.")
        size = self._check_awaiting(entry) if first else self._size(entry)

        def then(writer: Writer) -> None:
            audit(writer, principal, "grow" if size else "upload", name, items=upload.size)
            if not size:
                record = writer.list_by_id(entry.record.id)
                definition = _with_lines(Entry.of(record).definition, upload)
                writer.replace_definition(record.id, encode_definition(definition))

        reply = self._site.service.grow(entry.record.id, size + upload.size, upload.id, size_before=size, then=then)
        self._site.service.ledgers.forget(entry.record.id)  # it has another fingerprint
        self._site.directory.forget(name)
        return Changed(self._shown(entry.record.id, name), reply.changed, 0)

    def delete(self, principal: Principal, name: str) -> None:
        """Delete a list with all that was recorded of it. Raises NoSuchList, Forbidden."""
        entry = self._site.directory.find(principal, name, Action.CHANGE)
        try:
            self._site.service.delete(entry.record.id, lambda writer: audit(writer, principal, "delete", name))
        except ListGone:
            raise NoSuchList(f"There is no list {name!r:.80}.") from None
        finally:
            self._site.directory.forget(name)

    def take_back(self, principal: Principal, name: str, block: str) -> None:
        """End the lease of the block of that public name. Raises NoSuchList, NoSuchBlock, Forbidden."""
        entry = self._site.directory.find(principal, name, Action.CHANGE)
        with self._site.service.view(entry.record) as view:
            leases = [lease.id for lease in view.ledger.leases.values() if f"{name}-{lease.name}" == block]
        if not leases:
            raise NoSuchBlock(f"{name} has no block {block!r:.80} that anybody works on.")
        self._site.service.take_back(
            entry.record.id, leases, lambda writer: audit(writer, principal, "take_back", name, block=block)
        )

    def begin_upload(self, principal: Principal, name: str) -> Uploading:
        """Begin to take the items that a list awaits. Raises NoSuchList, Forbidden, WrongState."""
        begun = self._site.directory.find(principal, name, Action.CHANGE)
        self._check_awaiting(begun)

        def attach(upload: Upload) -> Worklist:
            entry = self._site.directory.find(principal, name, Action.CHANGE)
            if entry.record.id != begun.record.id:  # another one has taken its name
                raise NoSuchList(f"The list {name} has been deleted.")
            return self._add_lines(principal, entry, upload, first=True).list

        return Uploading(self._site.store, attach)

    def _shown(self, list_id: ListId, name: str) -> Worklist:
        with self._site.store.read() as reader:
            record = reader.list_by_id(list_id)
        with self._site.service.view(record._replace(name=name)) as view:
            return shown_list(view)

    def _size(self, entry: Entry) -> int:
        with self._site.service.view(entry.record) as view:
            return view.ledger.size

    def _check_awaiting(self, entry: Entry) -> int:
        with self._site.service.view(entry.record) as view:
            state = view.ledger.state
            if state is not ListState.AWAITING_ITEMS and not view.ledger.size:
                raise WrongState(f"{entry.record.name} is {state}: it takes no items.", hint="Resume it first.")
            if state is not ListState.AWAITING_ITEMS:
                raise WrongState(
                    f"{entry.record.name} has its items already.", hint="`grow` adds lines to those that are there."
                )
        return 0

    def _ranges(self, entry: Entry, ranges: Ranges) -> IntervalSet:
        with self._site.service.view(entry.record) as view:
            start, end = view.ledger.start, view.ledger.end
        if isinstance(ranges, str):
            return parse_intervals(ranges, start, end)
        if len(ranges) > OWNER_RANGES_MAX:
            message = f"One call carries {OWNER_RANGES_MAX:,} ranges at most, not {len(ranges):,}."
            raise TooMany(message, field="ranges", hint="Give them in several calls.")
        pairs = [(integer(index, "ranges", low=start), integer(size, "ranges", low=1)) for index, size in ranges]
        for index, size in pairs:
            if index + size > end:
                raise InvalidField("A range reaches past the end of the list.", field="ranges")
        return IntervalSet((index, index + size) for index, size in pairs)


def _with_lines(definition: Definition, upload: Upload) -> Definition:
    source = {**definition.source, "count": upload.size, "fingerprint": upload.fingerprint}
    fingerprint = source_from_definition(source, _no_lines).fingerprint
    return msgspec.structs.replace(definition, source=source, fingerprint=fingerprint)


def _no_lines(_index: int, _size: int) -> Iterator[bytes]:
    return iter(())
