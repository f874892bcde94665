"""`candidates`: the lists that a worker for any list may be given work of, in the order in which they are asked.

The highest priority first; among equals chance decides by weight: the order of a weighted sample without replacement
(P. Efraimidis and P. Spirakis, "Weighted random sampling with a reservoir", 2006), so over time each list is asked
first as often as its share of the weights.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from teamtask.access import Action, may
from teamtask.ledger.list_state import CLAIMABLE
from teamtask.service.chance import chance
from teamtask.service.directory import KNOWN_SECONDS, Entry

if TYPE_CHECKING:
    from teamtask.access import Principal
    from teamtask.service.site import Site

ASKED_MAX: Final = 16  # lists that one exchange asks for work


class Scheduler:
    """Orders lists. Safe for threads."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._entries: list[Entry] = []
        self._read_at = float("-inf")

    def candidates(self, principal: Principal, worker: str, request: str | None) -> list[Entry]:
        """Give the lists to be asked, one that has granted this very request first."""
        ledgers = self._site.service.ledgers
        key = None if request is None else (principal.name, worker, request)
        ranked: list[tuple[bool, int, float, Entry]] = []
        for entry in self._all():
            if not may(principal, Action.WORK, entry.access):
                continue
            known = ledgers.known(entry.record.id)
            granted = key is not None and known is not None and key in known.requests
            if known is None or granted or known.state in CLAIMABLE:
                luck = chance() ** (1.0 / entry.definition.weight)
                ranked.append((granted, entry.definition.priority, luck, entry))
        ranked.sort(key=lambda rank: rank[:3], reverse=True)
        return [rank[3] for rank in ranked[:ASKED_MAX]]

    def _all(self) -> list[Entry]:
        """Give all lists; read anew every few seconds."""
        now = time.monotonic()
        if now - self._read_at > KNOWN_SECONDS:
            with self._site.store.read() as reader:
                self._entries = [Entry.of(record) for record in reader.lists()]
            self._read_at = now
        return self._entries
