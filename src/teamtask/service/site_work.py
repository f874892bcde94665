"""`SiteWork`: what workers ask of a site: exchanges, and the two plain calls for people with curl.

Each is asked in two steps, so that no thread waits for a commit: `ask...` checks, and gives what the ledgers are to
carry out (GroupCommit does); `answer` makes the reply of what came of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from msgspec.structs import replace

from teamtask.access import Action
from teamtask.ledger import commands as c
from teamtask.ledger.big_numbers import shown
from teamtask.ledger.errors import InvalidField, TeamtaskError
from teamtask.ledger.events import WorkerKey
from teamtask.ledger.list_state import EXTENDING
from teamtask.service.conversions import to_asked, to_reply, to_report
from teamtask.service.ledgers import Asked
from teamtask.wire.limits import ITEMS_BYTES_MAX, ITEMS_OF_LEASE_MAX
from teamtask.wire.result_lines import json_bytes
from teamtask.wire.views import ITEMS_MAX, Items, wire_item

if TYPE_CHECKING:
    from teamtask.access import Principal
    from teamtask.ledger.ledger import Ledger
    from teamtask.service.directory import Entry
    from teamtask.service.ledgers import Answer
    from teamtask.service.site import Site
    from teamtask.stores.store import Writer
    from teamtask.wire import messages as wire
    from teamtask.wire.exchange_json import PlainReport

PAGE_BYTES_MAX: Final = 16 << 20  # of items in one answer


class ItemsNotKept(TeamtaskError):
    """The items of this list are objects of the program that made it."""

    code = "items_not_kept"


class Asking(NamedTuple):
    """What is to be carried out, and for which list; `items` says that the lease is to carry its items."""

    entry: Entry
    asked: Asked
    items: bool = False


class SiteWork:
    """Work on the lists of a site. Safe for threads."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._closed: str | None = None  # why nothing more is handed out

    def hand_out_nothing(self, reason: str) -> None:
        """Take reports and nothing else from now on: who wants a lease is told why there is none, and to go home."""
        self._closed = reason

    def ask(self, principal: Principal, name: str, exchange: wire.Exchange) -> Asking:
        """Take an exchange. Raises NoSuchList, Forbidden."""
        entry = self._site.directory.find(principal, name, Action.WORK)
        if self._closed is not None:
            exchange = replace(exchange, want=None)
        asked = to_asked(entry.record.id, principal.name, exchange)
        return Asking(entry, asked, exchange.want is not None and exchange.want.items)

    def answer(self, asking: Asking, answer: Answer) -> wire.Reply:
        """Give the reply to an exchange; with items it reads the store."""
        reply = to_reply(answer)
        if self._closed is not None and reply.state in EXTENDING:
            reply = replace(reply, retry_in_seconds=None, reason=self._closed)
        if not asking.items or not reply.leases:
            return reply
        return replace(reply, leases=tuple(self.with_items(asking.entry, lease) for lease in reply.leases))

    def ask_report(self, principal: Principal, name: str, lease: str, plain: PlainReport) -> Asking:
        """Take a report of one lease that may leave out what the lease knows. Raises NoSuchList, Forbidden."""
        entry = self._site.directory.find(principal, name, Action.WORK)

        def prepare(_writer: Writer, ledger: Ledger) -> c.Command:
            key, start, stop = _lease_of(ledger, lease, principal)
            return c.Exchange(key, (to_report(plain.report(start, stop)),))

        return Asking(entry, Asked(entry.record.id, None, (plain.told.results,), prepare))

    def with_items(self, entry: Entry, lease: wire.Lease) -> wire.Lease:
        """Give a lease with its items: 1,000 or 256 KiB of them at most, else the place where they are.

        Raises StoreDamaged, StoreUnavailable.
        """
        # Of more than one call gives it names the first ones; where the lease ends is known.
        size = min(lease.size, ITEMS_MAX)
        url = f"/v1/lists/{quote(entry.record.name)}/items?index={lease.index}&size={size}"
        if lease.size > ITEMS_OF_LEASE_MAX or entry.definition.source["kind"] == "objects":
            return replace(lease, items_url=url)
        items, length = [], 0
        for item in self._items(entry, lease.index, lease.size):
            items.append(wire_item(item))
            length += len(json_bytes(items[-1]))
            if length > ITEMS_BYTES_MAX:
                return replace(lease, items_url=url)
        return replace(lease, items=items)

    def items(self, principal: Principal, name: str, index: int, size: int) -> Items:
        """Give items from an index on, 10,000 or 16 MiB of them at most. Raises NoSuchList, InvalidField."""
        entry = self._site.directory.find(principal, name, Action.VIEW)
        if entry.definition.source["kind"] == "objects":
            raise ItemsNotKept
        if not 1 <= size <= ITEMS_MAX:
            raise InvalidField(f"A call gives 1 to {ITEMS_MAX:,} items.", field="size", hint="Ask for them in pages.")
        items, length = [], 0
        for item in self._items(entry, index, size):
            items.append(wire_item(item))
            length += len(json_bytes(items[-1]))
            if length > PAGE_BYTES_MAX:
                break
        return Items(index, items)

    def _items(self, entry: Entry, index: int, size: int) -> Any:  # noqa: ANN401 - items are any JSON
        with self._site.service.view(entry.record) as view:
            start, list_size = view.ledger.start, view.ledger.size
            source = self._site.source_of(view)
        if source is None or not start <= index < start + list_size:
            raise InvalidField("The list has no such index.", field="index", hint=f"It begins at {shown(start)}.")
        return source.items(index - start, min(size, start + list_size - index))


def _lease_of(ledger: Ledger, lease_id: str, principal: Principal) -> tuple[WorkerKey, int, int]:
    """Give who holds a lease or held it, and the range that it was given; of an unknown one an empty range."""
    lease = ledger.leases.get(lease_id)
    if lease is not None:
        return WorkerKey(principal.name, lease.key.worker), lease.start, lease.stop
    if lease_id in ledger.remembered:
        memories = (memory for piece in ledger.returned for memory in piece.memories)
        held = (memory for other in ledger.leases.values() for memory in other.memories)
        for memory in (*memories, *held):
            if memory.lease == lease_id:
                return WorkerKey(principal.name, memory.key.worker), memory.start, memory.stop
    return WorkerKey(principal.name, ""), ledger.start, ledger.start
