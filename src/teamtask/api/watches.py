"""`Watches`: streams of events; a list that many watch is looked at once for all of them, twice a second at most."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from teamtask.access import Action
from teamtask.ledger.errors import TeamtaskError
from teamtask.service.group_commit import Overloaded
from teamtask.service.service import NoSuchList
from teamtask.service.watching import Watched
from teamtask.stores.store import ListGone
from teamtask.telemetry import log

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from teamtask.access import Principal
    from teamtask.ledger.ids import ListId
    from teamtask.service.site import Site

LOOK_SECONDS: Final = 0.5
STILL_HERE_SECONDS: Final = 15.0  # a line to keep proxies from closing a stream that has nothing to tell
STREAMS_MAX: Final = 10_000
_STILL_HERE: Final = b": still here\n\n"


class _Watch:
    """One list that is watched: its last event, and who waits for the next one."""

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self.event = b""
        self.number = 0
        self.over = False
        self.changed = asyncio.Event()
        self.listeners = 0
        self.task: asyncio.Task[None] | None = None

    def tell(self, data: bytes | None) -> None:
        """Tell all listeners; None is the end."""
        self.over = data is None
        self.number += 1
        if data is not None:
            self.event = b"event: list\nid: %d\ndata: %s\n\n" % (self.number, data)
        self.changed.set()
        self.changed = asyncio.Event()


class Watches:
    """All streams of one server. For its event loop alone."""

    def __init__(self, site: Site, count_changed: Callable[[int], None]) -> None:
        self._site = site
        self._count_changed = count_changed
        self._watches: dict[ListId, _Watch] = {}
        self._streams = 0
        self._stopped = False

    async def open(self, principal: Principal, name: str) -> AsyncIterator[bytes]:
        """Open a stream of a list's events, the first one at once. Raises NoSuchList, Overloaded."""
        entry = await asyncio.to_thread(self._site.directory.find, principal, name, Action.VIEW)
        if self._stopped or self._streams >= STREAMS_MAX:
            raise Overloaded
        return self._stream(principal, name, entry.record.id)

    def stop(self) -> None:
        """End all streams."""
        self._stopped = True
        for watch in self._watches.values():
            watch.tell(None)

    async def _stream(self, principal: Principal, name: str, list_id: ListId) -> AsyncIterator[bytes]:
        watch = self._watches.get(list_id)
        if watch is None:
            watch = self._watches[list_id] = _Watch(Watched(self._site.store, self._site.service.ledgers, list_id))
            watch.task = asyncio.create_task(self._look(watch))
        watch.listeners += 1
        self._streams += 1
        self._count_changed(self._streams)
        try:
            told = 0
            while not watch.over and not self._stopped:
                if watch.number == told:
                    try:
                        async with asyncio.timeout(STILL_HERE_SECONDS):
                            await watch.changed.wait()
                    except TimeoutError:
                        yield _STILL_HERE
                    continue
                told = watch.number
                try:  # who may no longer see it hears no more of it
                    await asyncio.to_thread(self._site.directory.find, principal, name, Action.VIEW)
                except NoSuchList:
                    return
                yield watch.event
        finally:
            watch.listeners -= 1
            self._streams -= 1
            self._count_changed(self._streams)
            if not watch.listeners:
                self._watches.pop(list_id, None)
                if watch.task is not None:
                    watch.task.cancel()

    async def _look(self, watch: _Watch) -> None:
        while True:
            try:
                data = await asyncio.to_thread(watch.watched.changed)
            except ListGone:
                watch.tell(None)
                return
            except TeamtaskError as error:
                log().warning("watch_failed", code=error.code, message=error.message)
                data = None
            if data is not None:
                watch.tell(data)
            await asyncio.sleep(LOOK_SECONDS)
