"""`Calls`: the calls of the web API that Worklists and Blocks have answers to; the table of them is at the end."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote

from teamtask.client.cluster.kept_results import asked_for, line_of
from teamtask.client.cluster.owner_calls import OwnerCalls
from teamtask.client.cluster.refusals import NotInKubernetes
from teamtask.client.cluster.shown import ranges_in, shown_blocks, shown_list, shown_workers
from teamtask.client.cluster.worker_block import WorkerBlock
from teamtask.kube.identity import who_we_are
from teamtask.kube.kubernetes_error import KubernetesError
from teamtask.ledger.errors import InvalidField, InvalidSource
from teamtask.ledger.list_state import Move
from teamtask.wire.exchange_json import decode_exchange, encode_reply
from teamtask.wire.line_splitter import LineSplitter, NdjsonSplitter
from teamtask.wire.requests import GrowBody, ListChange, NewList, RerunBody, UnparkBody, decode_body, integer
from teamtask.wire.views import ITEMS_MAX, Items, Page, Range, wire_item

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.client.cluster.lists import Lists
    from teamtask.kube.identity import Identity
    from teamtask.wire.views import Worklist

    Call = Callable[["Calls", "Asked"], object]

_PAGE: Final = 100
_PAGE_MAX: Final = 1_000
ITEMS_SECONDS: Final = 30.0  # items stay what they are
_LIST: Final = "/v1/lists/([^/]+)"
_JSON_LINES: Final = "application/x-ndjson"


class Asked(NamedTuple):
    """A call: what its path names, and what came with it."""

    words: tuple[str, ...]
    query: dict[str, str]
    body: bytes
    content_type: str

    @property
    def name(self) -> str:
        """The list."""
        return self.words[0]


class Calls:
    """May be used by many threads; what a worker says takes its turn.

    Raises KubernetesError, ApiError, ServerUnreachable, and TeamtaskErrors with the codes of the web API.
    """

    def __init__(self, lists: Lists) -> None:
        self._lists = lists
        self._owner = OwnerCalls(lists)
        self._lock = Lock()  # of the two that follow
        self._identity: Identity | None = None
        self._workers: dict[tuple[str, str], WorkerBlock] = {}

    def hurry(self, name: str) -> None:
        """Have exchanges with a list that wait for work be answered now. May be called in signal handlers."""
        for (of, _), worker in list(self._workers.items()):
            if of == name:
                worker.hurry()

    def in_the_way(self, name: str) -> str | None:
        """Say why workers of a list have no block yet; None where they have."""
        found = (worker.in_the_way for (of, _), worker in list(self._workers.items()) if of == name)
        return next(filter(None, found), None)

    def leave(self, name: str, worker: str) -> None:
        """Take a worker's block away; where that fails it expires."""
        with self._lock:
            found = self._workers.pop((name, worker), None)
        if found is not None:
            with suppress(KubernetesError):
                found.leave()

    def lists(self, asked: Asked) -> Page:
        """GET /v1/lists."""
        limit = integer(asked.query.get("limit", _PAGE), "limit", low=1)
        documents, following = self._lists.page(asked.query.get("cursor"), min(limit, _PAGE_MAX))
        found = [self._listed(document) for document in documents]
        state, (label, _, value) = asked.query.get("state"), asked.query.get("label", "").partition("=")
        some = [
            shown
            for shown in found
            if state in (None, shown.state)
            and (not label or (label in shown.labels and value in ("", shown.labels[label])))
        ]
        return Page(tuple(some), following)

    def _listed(self, document: dict[str, Any]) -> Worklist:
        seen = self._lists.put(document)
        return shown_list(seen.worklist, seen.labels, seen.source, None)

    def create(self, asked: Asked) -> Worklist:
        """POST /v1/lists."""
        return self._owner.create(decode_body(asked.body, NewList))

    def show(self, asked: Asked) -> Worklist:
        """GET a list."""
        awaiting = self._owner.awaits(asked.name)
        if awaiting is not None:
            return awaiting
        seen = self._lists.read(asked.name)
        status = seen.worklist.status
        is_worker = any(of == asked.name for of, _ in self._workers)
        # Only the blocks tell what is leased of what was handed out; a worker does not ask, as there may be thousands.
        blocks = self._lists.blocks(asked.name) if status.active_blocks and not is_worker else None
        return shown_list(seen.worklist, seen.labels, seen.source, blocks)

    def change(self, asked: Asked) -> Worklist:
        """PATCH a list."""
        return self._owner.change(asked.name, decode_body(asked.body, ListChange))

    def delete(self, asked: Asked) -> bytes:
        """DELETE a list."""
        self._owner.delete(asked.name)
        return b""

    def put_items(self, asked: Asked) -> Worklist:
        """PUT the items of a list that awaits them."""
        splitter = NdjsonSplitter() if asked.content_type == _JSON_LINES else LineSplitter()
        found = splitter.feed(asked.body) + splitter.finish()
        try:
            lines = [line.decode() for line in found]
        except UnicodeDecodeError as error:
            raise InvalidSource("An item is no UTF-8.", field="source.items") from error
        return self._owner.put_items(asked.name, lines)

    def items(self, asked: Asked) -> Items:
        """GET items."""
        seen = self._lists.seen(asked.name, ITEMS_SECONDS)
        start = seen.worklist.spec.start_index
        index = integer(asked.query.get("index", start), "index", low=0)
        size = min(integer(asked.query.get("size", 1), "size", low=1), ITEMS_MAX)
        source = self._lists.source_of(seen)
        if source is None or index < start or index + size > start + source.size:
            raise InvalidField(f"The list has no block of {size} at index {index}.", field="index")
        return Items(index, [wire_item(item) for item in source.items(index - start, size)])

    def blocks(self, asked: Asked) -> Page:
        """GET blocks."""
        seen = self._lists.read(asked.name)
        blocks = self._lists.blocks(asked.name)
        return Page(tuple(shown_blocks(seen.worklist, blocks, asked.query.get("state"), time.time())))

    def ranges(self, asked: Asked) -> Page:
        """GET ranges."""
        seen = self._lists.read(asked.name)
        found = ranges_in(seen.worklist, self._lists.blocks(asked.name), asked.query.get("state", "done"))
        return Page(tuple(Range(start, stop - start) for start, stop in found))

    def workers_of(self, asked: Asked) -> Page:
        """GET /v1/workers of a list."""
        name = asked.query.get("list")
        if name is None:
            raise NotInKubernetes("Workers are shown of one list.", field="list", hint="Name a list.")
        return Page(tuple(shown_workers(self._lists.read(name).worklist, self._lists.blocks(name))))

    def results(self, asked: Asked) -> bytes:
        """GET results, as ndjson."""
        query = asked.query
        found = asked_for(
            self._owner.results(asked.name),
            start=integer(query.get("from", 0), "from", low=0),
            since=integer(query["since"], "since", low=0) if "since" in query else None,
            ok={"true": True, "false": False}.get(query.get("ok", "")),
        )
        return b"".join([line_of(one) + b"\n" for one in found])

    def move(self, asked: Asked) -> Worklist:
        """POST pause, resume, cancel."""
        return self._owner.move(asked.name, Move(asked.words[1]))

    def rerun(self, asked: Asked) -> object:
        """POST rerun."""
        body = decode_body(asked.body, RerunBody)
        return self._owner.rerun(asked.name, body.ranges, failed=body.failed)

    def unpark(self, asked: Asked) -> object:
        """POST unpark."""
        return self._owner.unpark(asked.name, decode_body(asked.body, UnparkBody).ranges)

    def grow(self, asked: Asked) -> object:
        """POST grow."""
        body = decode_body(asked.body, GrowBody)
        return self._owner.grow(asked.name, None if body.size is None else integer(body.size, "size", low=1))

    def exchange(self, asked: Asked) -> bytes:
        """POST exchange."""
        message = decode_exchange(asked.body)
        with self._lock:
            if self._identity is None:
                self._identity = who_we_are(self._lists.server)
            key = (asked.name, message.worker)
            worker = self._workers.setdefault(key, WorkerBlock(self._lists, self._identity, *key))
        return encode_reply(worker.exchange(message))


_CALLS: Final[list[tuple[str, str, Call]]] = [
    ("GET", "/v1/lists", Calls.lists),
    ("POST", "/v1/lists", Calls.create),
    ("GET", "/v1/workers", Calls.workers_of),
    ("GET", _LIST, Calls.show),
    ("PATCH", _LIST, Calls.change),
    ("DELETE", _LIST, Calls.delete),
    ("PUT", f"{_LIST}/items", Calls.put_items),
    ("GET", f"{_LIST}/items", Calls.items),
    ("GET", f"{_LIST}/blocks", Calls.blocks),
    ("GET", f"{_LIST}/ranges", Calls.ranges),
    ("GET", f"{_LIST}/results", Calls.results),
    ("POST", f"{_LIST}/(pause|resume|cancel)", Calls.move),
    ("POST", f"{_LIST}/rerun", Calls.rerun),
    ("POST", f"{_LIST}/unpark", Calls.unpark),
    ("POST", f"{_LIST}/grow", Calls.grow),
    ("POST", f"{_LIST}/exchange", Calls.exchange),
]


def called(method: str, path: str) -> tuple[Call, tuple[str, ...]]:
    """Find what a call asks for, and the words in its path."""
    for known, pattern, call in _CALLS:
        found = re.fullmatch(pattern, path) if known == method else None
        if found is not None:
            return call, tuple(map(unquote, found.groups()))
    raise NotInKubernetes(f"Kubernetes has no answer to {method} {path:.200}.")
