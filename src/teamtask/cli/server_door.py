"""`ServerDoor`: a list on a server; what the server says is read into the API's views, and nothing else is believed."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from msgspec import Struct

from teamtask.client.answers import ApiError, UnexpectedAnswer, read_view
from teamtask.client.connection import list_path
from teamtask.ledger.big_numbers import counted
from teamtask.ledger.errors import InvalidField, InvalidSource, TeamtaskError
from teamtask.ledger.list_state import ListState
from teamtask.local.processes import shown_worker
from teamtask.wire.result_batch import JSON
from teamtask.wire.result_lines import ResultLine
from teamtask.wire.views import ITEMS_MAX, Block, Changed, Items, Range, Worker, Worklist, wire_integer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.client.connection import Connection
    from teamtask.ledger.list_state import Move
    from teamtask.service.result_stream import Wanted
    from teamtask.service.views import RangeState
    from teamtask.wire.requests import ListChange

    _View = TypeVar("_View", bound=Struct)

PAGE: Final = 1_000  # as many as a page may have
_FIRST_ITEMS: Final = 100  # who wants the first few does not wait for 10,000


class ListInUse(TeamtaskError):
    """Somebody works on this list."""

    code = "list_in_use"


class _Result(Struct, frozen=True):
    seq: int
    index: int
    item: Any
    result: Any
    ok: bool
    worker: str


class ServerDoor:
    """The list of that name on a server."""

    def __init__(self, connection: Connection, name: str) -> None:
        self.name = name
        self.server = connection.url
        self._connection = connection

    def is_there(self) -> bool:
        """Tell whether the server has such a list, and shows it to us."""
        try:
            self.show()
        except InvalidField:  # a name that no path can have
            return False
        except ApiError as error:
            if error.code == "not_found":
                return False
            raise
        return True

    def command(self) -> str:
        """Give nothing: workers decide what they do with items."""
        return ""

    def again(self) -> None:
        """Give nothing: workers come by themselves."""

    def notes(self) -> list[tuple[str, str]]:
        """Give nothing more."""
        return []

    def kept_in(self) -> tuple[str, str]:
        """Give the server's address."""
        return "server", self.server

    def show(self) -> Worklist:
        """Give the list as it is now."""
        return read_view(self._call("GET"), Worklist)

    def blocks(self, state: RangeState | None = None) -> Iterator[Block]:
        """Give blocks by index."""
        return self._pages("blocks", Block, state=state)

    def ranges(self, state: RangeState) -> Iterator[Range]:
        """Give ranges by index."""
        return self._pages("ranges", Range, state=state)

    def workers(self) -> Iterator[Worker]:
        """Give the workers, by id."""
        return workers_of(self._connection, self.name)

    def items(self, index: int, size: int) -> Iterator[Any]:
        """Give items, pages of them at a time."""
        most = _FIRST_ITEMS
        while size > 0:
            query = {"index": index, "size": min(size, most)}
            found = read_view(self._connection.call("GET", list_path(self.name, "items"), query=query), Items).items
            if not found:
                raise UnexpectedAnswer(f"The server gives no item at index {index}.")
            yield from found
            index, size, most = index + len(found), size - len(found), ITEMS_MAX

    def results(self, wanted: Wanted) -> Iterator[ResultLine]:
        """Give results as the server sends them."""
        query = {
            "format": "ndjson",
            "from": wanted.index if wanted.since is None else None,
            "since": wanted.since,
            "ok": None if wanted.ok is None else str(wanted.ok).lower(),
        }
        for line in self._connection.lines("GET", list_path(self.name, "results"), query=query):
            try:
                told = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UnexpectedAnswer("The server gives a result that is no JSON.") from error
            found = read_view(told, _Result)
            yield ResultLine(found.seq, found.index, found.item, found.result, found.ok, found.worker, JSON)

    def move(self, move: Move) -> Worklist:
        """Pause, resume or cancel."""
        return read_view(self._connection.call("POST", list_path(self.name, str(move)), repeats=True), Worklist)

    def change(self, change: ListChange) -> Worklist:
        """Change the list."""
        return read_view(self._call("PATCH", msgspec.to_builtins(change), repeats=True), Worklist)

    def rerun(self, ranges: str | None, *, failed: bool) -> Changed:
        """Bring done indices back."""
        return self._post("rerun", {"ranges": ranges, "failed": failed})

    def unpark(self, ranges: str | None) -> Changed:
        """Bring parked indices back."""
        return self._post("unpark", {"ranges": ranges})

    def grow(self, size: int) -> Changed:
        """Make a range longer."""
        return self._post("grow", {"size": wire_integer(size)})

    def add_lines(self, batches: Iterator[list[bytes]]) -> Changed:
        """Upload the lines that the list awaits, in one piece; add them to those that it has, in several."""
        if self.show().state == ListState.AWAITING_ITEMS:
            body = (b"\n".join([*batch, b""]) for batch in batches)
            path = list_path(self.name, "items")
            told = self._connection.send("PUT", path, body=body, content_type="text/plain; charset=utf-8")
            shown = read_view(json.loads(told), Worklist)
            return Changed(shown, shown.size, 0)
        added = 0
        try:
            for batch in batches:
                changed = self._post("grow", {"items": [_text(line) for line in batch]})
                added += changed.changed
        except TeamtaskError as error:
            if added:
                error.hint = f"{counted(added, 'item is', 'items are')} added already; give the others alone."
            raise
        return Changed(self.show(), added, 0)

    def check_unused(self) -> None:
        """Refuse to remove a list of which somebody holds a block. Raises ListInUse."""
        for block in islice(self.blocks(), PAGE):
            if block.worker is not None and block.expires_in_seconds != 0:
                raise ListInUse(
                    f"{shown_worker(block.worker)} is working on {self.name} right now.",
                    hint="`teamtask cancel` ends the work; --force removes the list all the same.",
                )

    def remove(self) -> None:
        """Delete the list with all that was recorded of it."""
        self._call("DELETE")

    def _call(self, method: str, body: object = None, *, repeats: bool = False) -> Any:  # noqa: ANN401 - any JSON
        return self._connection.call(method, list_path(self.name), body=body, repeats=repeats)

    def _post(self, what: str, body: object) -> Changed:
        return read_view(self._connection.call("POST", list_path(self.name, what), body=body), Changed)

    def _pages(self, what: str, kind: type[_View], *, state: RangeState | None) -> Iterator[_View]:
        query = {"state": None if state is None else str(state), "limit": PAGE}
        for told in self._connection.pages(list_path(self.name, what), query=query):
            yield read_view(told, kind)


def lists_of(connection: Connection) -> Iterator[Worklist]:
    """Give the lists of a server, by name."""
    for told in connection.pages("/v1/lists", query={"limit": PAGE}):
        yield read_view(told, Worklist)


def workers_of(connection: Connection, name: str | None) -> Iterator[Worker]:
    """Give the workers of a server's list, or of all its lists."""
    for told in connection.pages("/v1/workers", query={"list": name, "limit": PAGE}):
        yield read_view(told, Worker)


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise InvalidSource(
            f"An item is no UTF-8: {line!a:.80}.", field="items", hint="Lines that are added travel as JSON."
        ) from error
