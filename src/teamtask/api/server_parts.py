"""`ServerParts`: what the routes of one server share."""

from __future__ import annotations

import re
import secrets
from itertools import count
from typing import TYPE_CHECKING, Final

from teamtask.api.watches import Watches
from teamtask.service.group_commit import SHUTTING_DOWN, Overloaded
from teamtask.service.scheduling import Scheduler
from teamtask.service.site import Site
from teamtask.service.site_owners import SiteOwners
from teamtask.service.site_work import SiteWork
from teamtask.service.tokens import Tokens
from teamtask.service.upkeep import Upkeep
from teamtask.telemetry import Metrics

if TYPE_CHECKING:
    from teamtask.api.commits import Commits
    from teamtask.stores.store import Store

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
EXCHANGE_ROUTE: Final = "/v1/lists/{list}/exchange"


class ServerParts:
    """One store's site, its tokens and its work; `commits` is there while the server runs."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.site = Site(store)
        self.owners = SiteOwners(self.site)
        self.work = SiteWork(self.site)
        self.scheduler = Scheduler(self.site)
        self.tokens = Tokens(store)
        self.upkeep = Upkeep(self.site)
        self.watches = Watches(self.site, self.listeners_changed)
        self.metrics = Metrics(self.site.remaining)
        self.exchanged = self.metrics.requests.labels(EXCHANGE_ROUTE, 200)
        self.exchange_took = self.metrics.seconds.labels(EXCHANGE_ROUTE)
        self._id = secrets.token_hex(4).encode()  # of this process: requests are numbered within it
        self._numbers = count(1)
        self.commits: Commits | None = None

    def running_commits(self) -> Commits:
        """Give what carries commands out. Raises Overloaded when the server is shutting down."""
        if self.commits is None:
            raise Overloaded(SHUTTING_DOWN)
        return self.commits

    def listeners_changed(self, count: int) -> None:
        """Note how many streams of events are open."""
        self.metrics.listeners.set(count)

    def stop_streams(self) -> None:
        """End what would never end by itself, so that the server can stop."""
        self.watches.stop()

    def request_id(self, given: bytes) -> bytes:
        """Give the id that a request came with, or one of ours in the place of none, or of one that may not be."""
        if given and _REQUEST_ID.fullmatch(given):
            return given
        return b"%s-%x" % (self._id, next(self._numbers))
