"""Streams: results out, items in."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import anyio.to_thread
from starlette.responses import Response, StreamingResponse

from teamtask.api.call import body_chunks, json_response
from teamtask.ledger.errors import InvalidField
from teamtask.service.result_pages import ResultPages
from teamtask.service.result_stream import Wanted
from teamtask.wire.line_splitter import LineSplitter, NdjsonSplitter
from teamtask.wire.result_lines import CSV_HEADER, csv_line, ndjson_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from teamtask.api.call import Call

FORMATS: Final = {"ndjson": "application/x-ndjson", "csv": "text/csv"}
NDJSON_TYPES: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl")
_LINES_BYTES: Final = 1 << 20  # of an upload, kept in one transaction


async def results(call: Call) -> Response:
    """Give results by index, or with `since` in order of arrival; as ndjson or csv."""
    form = _format(call)
    since = None if call.query("since") is None else call.integer("since")
    if since is not None and call.query("from") is not None:
        raise InvalidField("They exclude one another.", field="since", hint="Give `from` or `since`.")
    wanted = Wanted(call.integer("from", 0), since, call.boolean("ok"))
    pages = await call.in_thread(ResultPages, call.site, call.principal, call.path("list"), wanted)
    return StreamingResponse(_pages(pages, form), media_type=FORMATS[form])


async def _pages(pages: ResultPages, form: str) -> AsyncIterator[bytes]:
    write = csv_line if form == "csv" else ndjson_line
    if form == "csv":
        yield CSV_HEADER
    while True:
        page = await anyio.to_thread.run_sync(partial(pages.next, write))
        if not page:
            return
        yield page


def _format(call: Call) -> str:
    asked = call.query("format")
    if asked is not None:
        if asked not in FORMATS:
            raise InvalidField(f"{asked!r:.80} is no format.", field="format", hint=f"One of {', '.join(FORMATS)}.")
        return asked
    accepted = call.request.headers.get("accept", "")
    return "csv" if FORMATS["csv"] in accepted else "ndjson"


async def events(call: Call) -> Response:
    """Tell how a list stands, now and whenever it has changed, as server-sent events.

    Events carry absolute state, so one that is missed is no loss; they come twice a second at most.
    """
    stream = await call.parts.watches.open(call.principal, call.path("list"))
    return StreamingResponse(stream, media_type="text/event-stream", headers={"cache-control": "no-store"})


async def upload(call: Call) -> Response:
    """Take the items that a list awaits, of any size; an upload that is cut half-way is nothing."""
    splitter = NdjsonSplitter() if call.media_type() in NDJSON_TYPES else LineSplitter()
    uploading = await call.in_thread(call.parts.owners.begin_upload, call.principal, call.path("list"))
    waiting: list[bytes] = []
    length = 0
    async for chunk in body_chunks(call.receive):
        waiting.append(chunk)
        length += len(chunk)
        if length >= _LINES_BYTES:
            await call.in_thread(uploading.add, splitter, b"".join(waiting))
            waiting, length = [], 0
    await call.in_thread(uploading.add, splitter, b"".join(waiting))
    return json_response(await call.in_thread(uploading.finish, splitter))
