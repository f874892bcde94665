"""`Worklist`: a list on a server, as its owner and viewers see it and what they can do with it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from teamtask.client.answers import read_view
from teamtask.client.connection import list_path
from teamtask.client.work_session import OVER
from teamtask.wire import views
from teamtask.wire.exchange_fields import fold_of
from teamtask.wire.requests import integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from teamtask.client.connection import Connection

    Ranges = str | Iterable[tuple[int, int]]

POLL_SECONDS = 1.0


class Recorded(Struct, frozen=True):
    """What was recorded of an index; `seq` rises by arrival, `item` is None where the list does not keep its items."""

    seq: int
    index: int
    item: Any
    result: Any
    ok: bool
    worker: str


class Worklist:
    """A list as it stood when it was last looked at: `list.state`, `list.done` and all else that `view` has.

    `refresh` looks again. What a call changes is seen at once.
    """

    def __init__(self, connection: Connection, shown: Mapping[str, Any]) -> None:
        self._connection = connection
        self._seen(shown)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what the view has under that name
        """Give what the view says; the number of results is `view.results`, as `results()` gives them."""
        if name.startswith("_") or name == "view":
            raise AttributeError(name)
        return getattr(self.view, name)

    def refresh(self) -> Worklist:
        """Look at the list again. Raises ApiError, ServerUnreachable, as every call."""
        return self._seen(self._connection.call("GET", self._path()))

    def pause(self) -> Worklist:
        """Hand out nothing more for now."""
        return self._moved("pause")

    def resume(self) -> Worklist:
        """Go on, if it is paused, cancelled or stopped."""
        return self._moved("resume")

    def cancel(self) -> Worklist:
        """Hand out nothing more."""
        return self._moved("cancel")

    def rerun(self, ranges: Ranges | None = None, *, failed: bool = False) -> int:
        """Bring done indices back, [(index, size), ...] or "0-99,200-", with `failed` only those that are not ok.

        Gives how many; call again until none is left where a list is in very many pieces.
        """
        return self._changed("rerun", {"ranges": _wire_ranges(ranges), "failed": failed})

    def unpark(self, ranges: Ranges | None = None) -> int:
        """Bring parked indices back, all of them without `ranges`; gives how many."""
        return self._changed("unpark", {"ranges": _wire_ranges(ranges)})

    def grow(self, *, size: int | None = None, items: Iterable[str] | None = None) -> int:
        """Make a range as long as `size` in all, or add lines; gives how many indices came."""
        wire_size = None if size is None else views.wire_integer(size)
        return self._changed("grow", {"size": wire_size, "items": None if items is None else list(items)})

    def change(self, **fields: Any) -> Worklist:  # noqa: ANN401 - any JSON
        """Change limits, block, lease_seconds, priority, weight, labels, roles and the like."""
        return self._seen(self._connection.call("PATCH", self._path(), body=fields, repeats=True))

    def results(
        self, *, ok: bool | None = None, since: int | None = None, start: int | None = None
    ) -> Iterator[Recorded]:
        """Go through the results by index, from `start` on; with `since` (a seq) through those that arrived later."""
        said = None if ok is None else str(bool(ok)).lower()
        query = {"ok": said, "since": since, "from": start, "format": "ndjson"}
        for line in self._connection.lines("GET", self._path("results"), query=query):
            yield read_view(json.loads(line), Recorded)

    def ranges(self, state: str = "done") -> Iterator[tuple[int, int]]:
        """Go through the merged ranges (index, size) that are done, leased, returned or parked."""
        for shown in self._connection.pages(self._path("ranges"), query={"state": state}):
            yield integer(shown["index"], "index"), integer(shown["size"], "size")

    def blocks(self, state: str | None = None) -> Iterator[views.Block]:
        """Go through the blocks that are worked on (of a finished list: what it has become), or those in a state."""
        for shown in self._connection.pages(self._path("blocks"), query={"state": state}):
            yield read_view(shown, views.Block)

    def items(self, index: int, size: int) -> list[Any]:
        """Give the items of [index, index + size), 10,000 or 16 MiB of them at most."""
        items: list[Any] = self._connection.call("GET", self._path("items"), query={"index": index, "size": size})[
            "items"
        ]
        return items

    def wait(self, poll: float = POLL_SECONDS) -> Worklist:
        """Wait until it is complete, complete_except, stopped or cancelled; look every `poll` seconds."""
        while self.refresh().view.state not in OVER:
            time.sleep(poll)
        return self

    def delete(self) -> None:
        """Delete it, with all that was recorded of it."""
        self._connection.call("DELETE", self._path())

    def _path(self, *more: str) -> str:
        return list_path(self.view.name, *more)

    def _seen(self, shown: Mapping[str, Any]) -> Worklist:
        view = read_view(shown, views.Worklist)
        self.view = replace(view, fold=fold_of(view.fold))
        return self

    def _moved(self, move: str) -> Worklist:
        return self._seen(self._connection.call("POST", self._path(move), repeats=True))

    def _changed(self, what: str, body: dict[str, Any]) -> int:
        given = {name: value for name, value in body.items() if value is not None}
        answer = self._connection.call("POST", self._path(what), body=given)
        self._seen(answer["list"])
        return integer(answer["changed"], "changed")

    def __repr__(self) -> str:
        return f"<Worklist {self.view.name}: {self.view.state}>"


def _wire_ranges(ranges: Ranges | None) -> Any:  # noqa: ANN401 - as JSON has them
    if ranges is None or isinstance(ranges, str):
        return ranges
    return [[views.wire_integer(index), views.wire_integer(size)] for index, size in ranges]
