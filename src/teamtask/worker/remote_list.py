"""`RemoteList`: a list on a server as a worker loop needs it: its items by index, its rules, and the way to it."""

from __future__ import annotations

import re
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from teamtask.client.connection import list_path
from teamtask.client.exchanging import Exchanging
from teamtask.client.list_items import ListItems
from teamtask.client.spool import Spool
from teamtask.ledger.big_numbers import counted
from teamtask.ledger.errors import InvalidField, TeamtaskError
from teamtask.wire.messages import Exchange, Report, ReportStatus
from teamtask.wire.requests import integer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from teamtask.client.connection import Connection
    from teamtask.client.list_items import Computed
    from teamtask.wire.messages import Reply

_REPORT: Final = re.compile(r"reports\[(\d+)\]")
FIRST_PAGE_SECONDS: Final = 5.0  # so long whoever took a lease waits for its first items
IDLE_SECONDS: Final = 2.0  # slots that are idle for so long are worth a word
LOOK_SECONDS: Final = 2.0  # how often whoever shows progress asks how the list stands


class RemoteList:
    """A list as it was when it was looked at first; what may grow is looked at again when a lease says so.

    Its `items` may be called in any thread, and `exchange` in one other.
    """

    def __init__(self, connection: Connection, name: str, notify: Callable[[str], None]) -> None:
        """Look at the list. Raises ApiError, ServerUnreachable, InvalidSource."""
        self.connection = connection
        self.name = name
        self.notify = notify
        self.shown: dict[str, Any] = connection.call("GET", list_path(name))
        self.exchanging = Exchanging(connection, name, Spool(self.shown["id"]), notify)
        self._items = ListItems(connection, self.shown, rows=True)
        self._asked_at = float("-inf")
        self._asking: threading.Thread | None = None
        self._idle_since: float | None = None
        self._idle_told = False

    @property
    def computed(self) -> Computed | None:
        """What makes the items here; None where only the server knows them."""
        return self._items.computed

    def exchange(self, message: Exchange) -> Reply:
        """Say something, and see that what is leased are the items that this program makes. Raises as Exchanging.

        What cannot be said of a report is answered as the server would: with the status `error`.
        """
        if self.computed is None and message.want is not None:
            message = replace(message, want=replace(message.want, items=True))
        refused: dict[int, ReportStatus] = {}
        reply: Reply | None = None
        while reply is None:
            said = [number for number in range(len(message.reports)) if number not in refused]
            try:
                reply = self.exchanging(replace(message, reports=tuple([message.reports[number] for number in said])))
            except InvalidField as error:
                found = _REPORT.match(error.field or "")
                if found is None:
                    raise
                number = said[int(found[1])]
                told = {"code": error.code, "message": error.message, "hint": error.hint}
                refused[number] = ReportStatus(message.reports[number].lease, "error", error=told)
            else:
                statuses = dict(zip(said, reply.reports, strict=True)) | refused
                reply = replace(reply, reports=tuple([statuses[number] for number in range(len(message.reports))]))
        self._check_all(message.worker, reply)
        return reply

    def items(self, index: int, size: int) -> Iterator[Any]:
        """Give the items of [index, index + size). Raises as ListItems where only the server knows them."""
        return self._items.items(index, size)

    def refused(self, held: int, free: int) -> None:
        """Hear of a claim that was given nothing; say once that the list's limit keeps slots idle, when it stays so."""
        most = integer(self.shown["limits"]["blocks_per_worker"], "blocks_per_worker")
        if not free or held < most:
            self._idle_since = None
            return
        now = time.monotonic()
        self._idle_since = self._idle_since or now
        if now - self._idle_since >= IDLE_SECONDS and not self._idle_told:
            self._idle_told = True
            self.notify(
                f"{counted(free, 'slot is', 'slots are')} idle: {self.name} gives a worker "
                f"{counted(most, 'lease', 'leases')} at most. "
                f"{self.connection.more_leases(self.name)}"
            )

    @property
    def is_busy(self) -> bool:
        """Whether there is a thread beside that of the exchange."""
        return self._items.is_fetching or (self._asking is not None and self._asking.is_alive())

    def looked_at(self, seconds: float = LOOK_SECONDS) -> dict[str, Any]:
        """Give the list as shown about so long ago, if somebody asks that often; it comes beside what else goes on."""
        if time.monotonic() - self._asked_at > seconds and (self._asking is None or not self._asking.is_alive()):
            self._asked_at = time.monotonic()
            self._asking = threading.Thread(target=self._look, daemon=True, name="teamtask-look")
            self._asking.start()
        return self.shown

    def give_up(self, seconds: float) -> None:
        """Wait for items no longer than that, and not for a server that is away. May be called in signal handlers."""
        self._items.give_up(seconds)
        self.exchanging.hurry()

    def _look(self) -> None:
        try:
            self.shown = self.connection.call("GET", list_path(self.name), retry_seconds=0.0)
        except TeamtaskError:
            return  # whoever works hears of it from the exchange

    def _check_all(self, worker: str, reply: Reply) -> None:
        """Check what is leased, and give back what is not to be worked here."""
        try:
            for lease in reply.leases:
                self._items.check(lease, wait_seconds=FIRST_PAGE_SECONDS)
        except TeamtaskError:
            released = [Report(lease.lease, lease.index, lease.index, release=True) for lease in reply.leases]
            with suppress(TeamtaskError):  # it expires
                self.exchanging(Exchange(worker, reports=tuple(released)))
            raise
