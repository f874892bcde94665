"""`ListItems`: the items of a list by index: computed from its rule, or fetched from its server in pages, ahead."""

from __future__ import annotations

import math
import time
from collections import deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Final

from teamtask.client.answers import ApiError, ServerUnreachable
from teamtask.client.backoff import Backoff
from teamtask.client.connection import list_path
from teamtask.ledger.errors import TeamtaskError
from teamtask.sources import source_from_definition
from teamtask.sources.rows import Rows, arguments_of
from teamtask.wire.requests import integer
from teamtask.wire.views import ITEMS_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.client.connection import Connection
    from teamtask.sources import Source
    from teamtask.wire.messages import Lease

PAGES_MAX: Final = 8  # in memory: of each of four leases one that is read and one ahead
_KEPT_KINDS: Final = frozenset(("lines", "objects"))  # only the server knows their items
_LOOK_SECONDS: Final = 0.1  # how often whoever waits looks whether it is to go on waiting
_TRY_SECONDS_MAX: Final = 2.0


class OtherItems(TeamtaskError):
    """The items of this list are not what they were."""

    code = "other_items"
    hint = "Begin again; if that does not help, install the server's version of Teamtask here too."


class ItemsNotThere(TeamtaskError):
    """The next items could not be fetched before the work ended."""

    code = "items_not_there"


class Computed:
    """The items of a source by the indices of a list, which need not begin at 0."""

    def __init__(self, source: Source[Any], start: int) -> None:
        self._source, self._start = source, start

    def covers(self, index: int, size: int) -> bool:
        """Tell whether it has these: the list may have grown since."""
        return index + size <= self._start + self._source.size

    def items(self, index: int, size: int) -> Iterator[Any]:
        """Give the items of [index, index + size)."""
        return self._source.items(index - self._start, size)


class _Page:
    """The items from `start` on, once they are there; until then as many as were asked for are expected."""

    def __init__(self, start: int, stop: int) -> None:
        self.start, self.stop = start, stop
        self.found: Future[list[Any]] = Future()

    def put(self, items: list[Any]) -> None:
        self.stop = self.start + len(items)
        self.found.set_result(items)


class ListItems:
    """May be used by several threads; a server that is away is asked again until it answers, or `give_up`.

    `computed` makes the items here; it is None where only the server knows them, and is another one when the list has
    grown.
    """

    def __init__(self, connection: Connection, shown: dict[str, Any], *, rows: bool = False) -> None:
        """Begin with the list as the API shows it; with `rows` the product of a run's `:::` gives lists of text.

        Raises InvalidSource for a kind that this version does not know.
        """
        self._connection = connection
        self._name: str = shown["name"]
        self._id: str = shown["id"]
        self._rows = rows
        self._lock = Lock()  # of the two that follow
        self._pages: deque[_Page] = deque(maxlen=PAGES_MAX)
        self._leases: deque[tuple[int, int]] = deque(maxlen=PAGES_MAX)
        self._hurry = Event()
        self._until = math.inf
        self.computed: Computed | None = None
        self._take(shown)

    @property
    def is_fetching(self) -> bool:
        """Whether a thread fetches a page now."""
        with self._lock:
            return any(not page.found.done() for page in self._pages)

    def check(self, lease: Lease, *, wait_seconds: float = 0.0) -> None:
        """See that a lease is of these items, before the first one is worked, and fetch those that it did not bring.

        For the first ones it waits no longer than that. Raises OtherItems, and as Connection.call.
        """
        if lease.list_id != self._id:
            message = f"The list {self._name} was deleted, and another one has its name now."
            raise OtherItems(message, hint="Begin again, if its items are meant.")
        if not self._has(lease):  # it may have grown
            self._take(self._asked(list_path(self._name)))
        if not self._has(lease):
            message = f"This program would make other items than {self._name} has: {lease.fingerprint} is their hash."
            raise OtherItems(message)
        if self.computed is None:
            self._expect(lease, wait_seconds)

    def items(self, index: int, size: int) -> Iterator[Any]:
        """Give the items of [index, index + size), and fetch what follows up to the end of its lease meanwhile.

        Raises ApiError; after `give_up` also ServerUnreachable and ItemsNotThere.
        """
        return self._fetched(index, index + size) if self.computed is None else self.computed.items(index, size)

    def give_up(self, seconds: float) -> None:
        """Wait no longer for a server that is away, nor for an answer than this. May be called in signal handlers."""
        self._until = time.monotonic() + seconds
        self._hurry.set()

    def _take(self, shown: dict[str, Any]) -> None:
        start = integer(shown["start"], "start")
        self._end = start + integer(shown["size"], "size")
        self._fingerprint: str = shown["fingerprint"]
        definition = shown["source"]
        if definition["kind"] not in _KEPT_KINDS:
            source = source_from_definition(definition)
            if self._rows and arguments_of(definition):
                source = Rows(source)
            self.computed = Computed(source, start)
            self._fingerprint = source.fingerprint

    def _has(self, lease: Lease) -> bool:
        return lease.fingerprint == self._fingerprint and lease.index + lease.size <= self._end

    def _expect(self, lease: Lease, wait_seconds: float) -> None:
        """Take the items that came with a lease, or fetch the first ones."""
        with self._lock:
            self._leases.append((lease.index, lease.index + lease.size))
            if lease.items is not None:
                page = _Page(lease.index, lease.index)
                page.put(list(lease.items))
                self._pages.append(page)
                return
        try:
            self._page_at(lease.index, lease.index + 1).found.result(wait_seconds)
        except (TeamtaskError, NotYet):
            return  # whoever works them will wait longer, or hear of it

    def _fetched(self, index: int, stop: int) -> Iterator[Any]:
        while index < stop:
            page = self._page_at(index, stop)
            some = self._there(page)[index - page.start : stop - page.start]
            if page.stop < self._end_at(index, stop):
                self._fetch_ahead(page.stop, stop)
            yield from some
            index += len(some)

    def _fetch_ahead(self, index: int, stop: int) -> None:
        self._page_at(index, stop)

    def _there(self, page: _Page) -> list[Any]:
        while True:
            try:
                return page.found.result(_LOOK_SECONDS)
            except NotYet:
                if time.monotonic() >= self._until:
                    raise ItemsNotThere from None

    def _end_at(self, index: int, stop: int) -> int:
        """Tell how far it is worth reading: to the end of the lease that holds an index."""
        return max((end for start, end in self._leases if start <= index < end), default=stop)

    def _page_at(self, index: int, stop: int) -> _Page:
        """Find the page with an index, or have it fetched."""
        with self._lock:
            for page in self._pages:
                if page.start <= index < page.stop:
                    return page
            page = _Page(index, min(self._end_at(index, stop), index + ITEMS_MAX))
            self._pages.append(page)
        Thread(target=self._fetch, args=(page,), daemon=True, name="teamtask-items").start()
        return page

    def _fetch(self, page: _Page) -> None:
        query = {"index": page.start, "size": page.stop - page.start}
        try:
            page.put(self._asked(list_path(self._name, "items"), query)["items"])
        except Exception as error:  # noqa: BLE001 - whoever waits hears of it
            with self._lock:
                if page in self._pages:
                    self._pages.remove(page)
            page.found.set_exception(error)

    def _asked(self, path: str, query: dict[str, int] | None = None) -> Any:  # noqa: ANN401 - any JSON
        """Ask, for as long as the server is away: that is no reason for work to end."""
        backoff = Backoff()
        while True:
            try:
                return self._connection.call("GET", path, query=query, retry_seconds=0.0)
            except (ApiError, ServerUnreachable) as error:
                if not error.may_pass(repeats=True) or self._hurry.is_set():
                    raise
                self._hurry.wait((error.retry_after or 0.0) + min(backoff.next(None), _TRY_SECONDS_MAX))
