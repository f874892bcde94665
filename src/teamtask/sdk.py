"""`Client`: lists on a server, from Python: create, look, work."""

from __future__ import annotations

import builtins
import json
import os
import secrets
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from teamtask.client.connecting import connection_to
from teamtask.client.connection import list_path
from teamtask.client.work import Work
from teamtask.client.worklist import Worklist
from teamtask.ledger.errors import InvalidSource, TeamtaskError
from teamtask.settings import DEFAULT_URL, TOKEN, URL, known_servers, known_token
from teamtask.sources import Lines, Shuffled, as_source
from teamtask.sources.source import IndexedSource
from teamtask.worker.function_run import FunctionRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from teamtask.sources import Source

_CHUNK_LINES: Final = 1_000


class Client:
    """A server at `url`, and who we are to it: `token`. Or a namespace of Kubernetes: k8s://CONTEXT/NAMESPACE.

    Without them TEAMTASK_URL and TEAMTASK_TOKEN hold, and without these the server of this user on this machine.
    Every call raises ApiError for what the server refuses, ServerUnreachable when it does not answer within 30 s.
    """

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        given = url or os.environ.get(URL)
        self.connection = connection_to(
            given or next(iter(known_servers()), DEFAULT_URL),
            token or os.environ.get(TOKEN) or (None if given else known_token()),
        )

    def create(self, name: str, source: Source[Any] | Iterable[str], **options: Any) -> Worklist:  # noqa: ANN401 - JSON
        """Create a list of a source, or of lines: an iterable of text, or `teamtask.lines(path)`, which is uploaded.

        Options are those of the API: start, block, lease_seconds, limits, attempts, item_seconds, fold,
        stop_after_results, priority, weight, labels, roles. Raises InvalidSource for what a server cannot keep.
        """
        definition, lines = _definition(source)
        body = {"name": name, "source": definition, **options}
        made = Worklist(
            self.connection,
            self.connection.call("POST", "/v1/lists", body=body, idempotency_key=secrets.token_urlsafe(16)),
        )
        if lines is None:
            return made
        try:
            self.connection.send("PUT", list_path(name, "items"), body=lines[1], content_type=lines[0])
        except BaseException:
            with suppress(TeamtaskError):
                if made.refresh().state == "awaiting_items":  # else they have arrived, and only the answer has not
                    made.delete()
            raise
        return made.refresh()

    def get(self, name: str) -> Worklist:
        """Give a list."""
        return Worklist(self.connection, self.connection.call("GET", list_path(name)))

    def lists(self, *, state: str | None = None, label: str | None = None) -> Iterator[Worklist]:
        """Go through the lists that one may see, by name; `label` is NAME or NAME=VALUE."""
        for shown in self.connection.pages("/v1/lists", query={"state": state, "label": label}):
            yield Worklist(self.connection, shown)

    def delete(self, name: str) -> None:
        """Delete a list, with all that was recorded of it."""
        self.connection.call("DELETE", list_path(name))

    def work(
        self, name: str, *, seconds: float | None = None, worker: str | None = None, forever: bool = False
    ) -> Work:
        """Work on a list: iterate what this gives for blocks, until the list is finished.

        `seconds` is how long blocks should take, if not what the list says; `worker` a name for us (host/pid); with
        `forever` it waits for more when the list is finished.
        """
        return Work(self.connection, name, seconds=seconds, worker=worker, forever=forever)

    def run(
        self,
        name: str,
        function: Callable[[Any], Any],
        *,
        processes: int | None = None,
        retries: int = 0,
        timeout_seconds: float | None = None,
        worker: str | None = None,
        forever: bool = False,
    ) -> Worklist:
        """Call a function for each item of a list, in `processes` processes (all CPUs), until the list is finished.

        What it returns, as JSON, is the item's result; what it raises too, as the result of a failed item. On a list
        with a fold its results are folded, and what it raises fails the item for this worker. An item that takes longer
        than `timeout_seconds` has failed; one that failed is tried `retries` times again. Gives the list as it is then.

        In the main thread, where the program does not do so itself, Ctrl-C, SIGTERM and SIGHUP finish the items in
        hand, give back the rest, and do then what they do; the second one kills the items in hand. Raises InvalidField,
        and OtherItems when this program would make other items of the list's source than its server.
        """
        FunctionRun(
            self.connection,
            name,
            function,
            processes=processes,
            retries=retries,
            timeout_seconds=timeout_seconds,
            worker=worker,
            forever=forever,
        )()
        return self.get(name)

    def close(self) -> None:
        """Close the connections that are open."""
        self.connection.close()


def _definition(source: Source[Any] | Iterable[str]) -> tuple[dict[str, Any], tuple[str, Iterator[bytes]] | None]:
    """Give the source as the API has it; and of lines, which are uploaded, the type and the body."""
    if isinstance(source, str):
        raise InvalidSource("Text is no list of items.", field="source", hint="Give a list of texts, or a source.")
    if isinstance(source, builtins.range):
        source = as_source(source)
    if not isinstance(source, IndexedSource):
        return {"kind": "lines"}, ("application/x-ndjson", _as_ndjson(source))
    inner = source.inner if isinstance(source, Shuffled) else source
    if isinstance(inner, Lines):
        shuffle = {"shuffle": source.seed} if isinstance(source, Shuffled) else {}
        return {"kind": "lines", **shuffle}, ("text/plain", _as_text(inner.read_lines(0, inner.size)))
    definition = source.definition()
    if definition["kind"] == "objects":
        raise InvalidSource("A server does not keep Python objects.", field="source", hint="Give lines of text.")
    return definition, None


def _as_ndjson(source: Any) -> Iterator[bytes]:  # noqa: ANN401 - what is iterable, and no source
    items = iter(source)
    while some := list(islice(items, _CHUNK_LINES)):
        yield "".join([json.dumps(item) + "\n" for item in some]).encode()


def _as_text(lines: Iterator[bytes]) -> Iterator[bytes]:
    while some := list(islice(lines, _CHUNK_LINES)):
        yield b"\n".join(some) + b"\n"
