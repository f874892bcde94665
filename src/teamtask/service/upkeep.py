"""`Upkeep`: what a server does unasked, in a thread: it expires leases that nobody asks about, and clears away."""

from __future__ import annotations

import time
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from teamtask.ledger.commands import Sweep
from teamtask.ledger.errors import TeamtaskError, UnknownFormat
from teamtask.service.auditing import forget_old_audit
from teamtask.service.idempotency import forget_old_keys
from teamtask.service.ledgers import Asked
from teamtask.service.tokens import forget_expired_tokens
from teamtask.stores.store import ListGone, StoreDamaged
from teamtask.telemetry import log

if TYPE_CHECKING:
    from teamtask.ledger.ids import ListId
    from teamtask.service.site import Site

SWEEP_SECONDS: Final = 0.25  # the shortest lease is a second, and wants to be looked at in the middle
ELSEWHERE_SECONDS: Final = 1.0
LOOKED_AT_ONCE: Final = 20  # lists so often that this process has not worked with: all get their turn
CLEAR_SECONDS: Final = 3_600.0
_OF_ONE_LIST: Final = (ListGone, StoreDamaged, UnknownFormat)  # whoever asks for that list hears of it


class Upkeep:
    """Runs from `start` to `stop`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="upkeep", daemon=True)
        self._looked_at = ""  # the name of the list that was looked at last
        self._elsewhere_at = 0.0
        self._clear_at = 0.0
        self._trouble = ""  # the code of what failed the last time

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, when what is in hand is done."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(SWEEP_SECONDS):
            self.turn()

    def turn(self) -> None:
        """Do what is due. What fails is logged, trouble that stays so only once, and that it is over."""
        trouble = ""
        try:
            self.sweep()
            if time.monotonic() >= self._clear_at:
                self._clear_at = time.monotonic() + CLEAR_SECONDS
                self.clear()
        except TeamtaskError as error:  # the store is away: whoever asks it hears of that too
            trouble = error.code
            if trouble != self._trouble:
                log().warning("upkeep_failed", code=error.code, message=error.message)
        except Exception:  # noqa: BLE001 - one list that is broken must not end the care for all others
            log().exception("upkeep_failed")
        if self._trouble and not trouble:
            log().warning("upkeep_goes_on")
        self._trouble = trouble

    def sweep(self) -> None:
        """Expire the leases that are due: of all lists in work here, and of some others each time."""
        for due in (self._due_here, self._due_elsewhere):
            for list_id in due():
                with suppress(*_OF_ONE_LIST):
                    self._site.service.ledgers.carry_out([Asked(list_id, Sweep())])

    def clear(self) -> None:
        """Remove what deleted lists and abandoned uploads left, and what has been kept long enough."""
        now = time.time()
        forget_old_keys(self._site.store, now)
        forget_old_audit(self._site.store, now)
        forget_expired_tokens(self._site.store, now)
        self._site.store.compact()

    def _due_here(self) -> list[ListId]:
        with self._site.store.read() as reader:
            now = reader.clock().now
        return self._site.service.ledgers.due(now)

    def _due_elsewhere(self) -> list[ListId]:
        """Give those of the next lists by name that have leases which are due, by what the store says."""
        ledgers = self._site.service.ledgers
        due: list[ListId] = []
        if time.monotonic() < self._elsewhere_at:
            return due
        self._elsewhere_at = time.monotonic() + ELSEWHERE_SECONDS
        with self._site.store.read() as reader:
            records = reader.lists(self._looked_at, LOOKED_AT_ONCE)
            self._looked_at = records[-1].name if len(records) == LOOKED_AT_ONCE else ""
            now = reader.clock().now
            for record in records:
                if ledgers.known(record.id) is not None:
                    continue
                with suppress(*_OF_ONE_LIST):
                    ledger = ledgers.read(reader, record.id)
                    if ledger.leases and ledger.next_expiry <= now:
                        due.append(record.id)
        return due
