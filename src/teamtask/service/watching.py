"""`Watched`: a list that somebody watches: it is looked at now and then, and shown again when it has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teamtask.service.definition import decode_definition
from teamtask.service.service import ListView
from teamtask.service.views import shown_list
from teamtask.wire.result_lines import json_bytes
from teamtask.wire.views import wire_form

if TYPE_CHECKING:
    from teamtask.ledger.ids import ListId
    from teamtask.service.ledgers import Copy, Ledgers
    from teamtask.stores.store import Store


class Watched:
    """The state of one list as whoever watches it is told. For one thread at a time."""

    def __init__(self, store: Store, ledgers: Ledgers, list_id: ListId) -> None:
        self._store, self._ledgers, self._list_id = store, ledgers, list_id
        self._copy: Copy | None = None
        self._definition = b""

    def changed(self) -> bytes | None:
        """Give the list as shown and how many blocks are in which state, as JSON; None when it is as it was.

        Raises ListGone, StoreUnavailable.
        """
        with self._store.read() as reader:
            record = reader.list_by_id(self._list_id)
            before = self._copy.version if self._copy else None
            self._copy = self._ledgers.copy(reader, self._list_id, self._copy)
            if self._copy.version == before and record.definition == self._definition:
                return None
            self._definition = record.definition
            ledger = self._copy.ledger
            view = ListView(record, decode_definition(record.definition), ledger, reader.clock().now, reader)
            shown = wire_form(shown_list(view))
        blocks = {"ready": len(ledger.leases), "returned": len(ledger.returned.pieces), "parked": len(ledger.parked)}
        return json_bytes({**shown, "blocks": blocks})
