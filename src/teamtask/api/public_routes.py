"""What everybody is shown, credentials or not: whether the server lives and can serve, and what the API is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread
from starlette.responses import JSONResponse, Response

from teamtask.ledger.errors import TeamtaskError

if TYPE_CHECKING:
    from teamtask.api.server_parts import ServerParts


async def healthz(_parts: ServerParts) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


async def readyz(parts: ServerParts) -> Response:
    """The store answers too, and nobody has told the server to stop."""
    try:
        await anyio.to_thread.run_sync(_look, parts)
    except TeamtaskError as error:
        return JSONResponse({"status": "unavailable", "reason": error.code}, 503)
    if parts.commits is None:
        return JSONResponse({"status": "stopping"}, 503)
    return JSONResponse({"status": "ready"})


async def openapi_json(_parts: ServerParts) -> Response:
    """Describe the API to programs."""
    from teamtask.api.openapi import document_bytes

    return Response(document_bytes(), media_type="application/json", headers={"x-content-type-options": "nosniff"})


async def docs(_parts: ServerParts) -> Response:
    """Describe the API to people, on one page that loads nothing from elsewhere."""
    from teamtask.api.docs_page import HEADERS, page_bytes

    return Response(page_bytes(), media_type="text/html", headers=HEADERS)


def _look(parts: ServerParts) -> None:
    with parts.store.read() as reader:
        reader.clock()
