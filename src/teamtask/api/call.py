"""`Call`: a request with what its route needs: who calls, the site, the query, the body within its limit."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import unquote_to_bytes

import anyio.to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from teamtask.ledger.errors import InvalidField, TeamtaskError
from teamtask.service.idempotency import Idempotency
from teamtask.wire.requests import Integer, decode_body, integer
from teamtask.wire.result_lines import json_bytes
from teamtask.wire.views import wire_form

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import Receive, Scope

    from teamtask.access import Principal
    from teamtask.api.route import ApiRoute
    from teamtask.api.server_parts import ServerParts

BODY_BYTES_MAX: Final = 16 << 20
DECODED_AT_ONCE_BYTES: Final = 256 << 10  # a larger body is decoded beside the loop, so that nobody else waits for it
RECEIVE_SECONDS: Final = 30.0  # a client that sends nothing for so long is sent away
PAGE_MAX: Final = 1_000
PAGE: Final = 100
_BOOLEANS: Final = {"true": True, "false": False}
_UNSAID: Final = "application/x-www-form-urlencoded"  # what `curl -d` says of any body, so it says nothing

_T = TypeVar("_T")


class BodyTooLarge(TeamtaskError):
    """The body is larger than this call takes."""

    code = "body_too_large"
    hint = f"{BODY_BYTES_MAX >> 20} MiB at most; send it in several calls."


class RequestTimedOut(TeamtaskError):
    """The body did not arrive in time."""

    code = "request_timed_out"


class UnsupportedMediaType(TeamtaskError):
    """This call does not take that kind of body."""

    code = "unsupported_media_type"


async def body_chunks(receive: Receive) -> AsyncIterator[bytes]:
    """Give a body as it arrives. Raises RequestTimedOut, and ClientDisconnect when it is cut."""
    more = True
    while more:
        try:
            async with asyncio.timeout(RECEIVE_SECONDS):
                message = await receive()
        except TimeoutError:
            raise RequestTimedOut from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def whole_body(receive: Receive) -> bytes:
    """Give a body of 16 MiB at most. Raises BodyTooLarge as soon as it is larger, and as `body_chunks`."""
    chunks: list[bytes] = []
    length = 0
    async for chunk in body_chunks(receive):
        length += len(chunk)
        if length > BODY_BYTES_MAX:
            raise BodyTooLarge
        chunks.append(chunk)
    return b"".join(chunks) if len(chunks) > 1 else chunks[0]


async def decoded(decode: Callable[..., _T], body: bytes, *more: Any) -> _T:  # noqa: ANN401 - what decode takes
    """Give what `decode` makes of a body, and of what more it takes; of a large one beside the loop."""
    if len(body) <= DECODED_AT_ONCE_BYTES:
        return decode(body, *more)
    return await anyio.to_thread.run_sync(decode, body, *more)


class Call:
    """A request whose caller is known."""

    def __init__(self, scope: Scope, receive: Receive, parts: ServerParts, principal: Principal) -> None:
        self.request = Request(scope, receive)
        self.receive = receive
        self.parts = parts
        self.site = parts.site
        self.principal = principal

    def path(self, name: str) -> str:
        """Give a part of the path, as text."""
        value: str = self.request.path_params[name]
        return value

    def query(self, name: str) -> str | None:
        """Give a value of the query; None when it is not there. Raises InvalidField when it is there twice."""
        values = self.request.query_params.getlist(name)
        if len(values) > 1:
            raise InvalidField("It is given more than once.", field=name)
        return values[0] if values else None

    def integer(self, name: str, default: int | None = None, *, low: int = 0, high: int | None = None) -> int:
        """Give a whole number of the query. Raises InvalidField."""
        text = self.query(name)
        if text is None:
            if default is None:
                raise InvalidField("It is missing.", field=name)
            return default
        number = integer(_text(text), name, low=low)
        if high is not None and number > high:
            raise InvalidField(f"It must be {high:,} at most.", field=name)
        return number

    def boolean(self, name: str) -> bool | None:
        """Give `true` or `false` of the query; None when it is not there. Raises InvalidField."""
        text = self.query(name)
        if text is not None and text not in _BOOLEANS:
            raise InvalidField("It is true or false.", field=name)
        return None if text is None else _BOOLEANS[text]

    def cursor(self) -> str:
        """Give `?cursor=` that is text, "" where it is left out. Raises InvalidField."""
        text = self.query("cursor") or ""
        if not text.isprintable():
            raise InvalidField("That is no cursor.", field="cursor", hint="Take the `next` of the page before.")
        return text

    def page_size(self) -> int:
        """Give `?limit=`, 100 where it is left out. Raises InvalidField."""
        return self.integer("limit", PAGE, low=1, high=PAGE_MAX)

    def check(self, route: ApiRoute) -> None:
        """Refuse what the route does not declare: a misspelt filter must not look as if it had been heeded.

        Raises InvalidField, UnsupportedMediaType.
        """
        names = [query.name for query in route.query]
        for name in self.request.query_params:
            if name not in names:
                hint = f"It takes {', '.join(names)}." if names else "It takes none."
                raise InvalidField(f"The query has no {name!r:.80} here.", field=name[:80], hint=hint)
        if route.media_types:
            check_media_type(self.request.headers.get("content-type", ""), route.media_types)

    async def body(self, kind: type[_T]) -> _T:
        """Read a JSON body. Raises InvalidField, BodyTooLarge, RequestTimedOut."""
        return await decoded(decode_body, await whole_body(self.receive), kind)

    async def creating(self, kind: type[_T]) -> tuple[_T, Idempotency | None]:
        """Read the body of a creating call, and its Idempotency-Key if it has one. Raises as `body`."""
        body = await whole_body(self.receive)
        key = self.request.headers.get("idempotency-key")
        read = await decoded(decode_body, body, kind)
        return read, None if key is None else await decoded(partial(Idempotency, self.principal, key), body)

    def media_type(self) -> str:
        """Give the kind of body that is sent, without its parameters."""
        return _media_type(self.request.headers.get("content-type", ""))

    async def in_thread(self, function: Callable[..., _T], *arguments: Any, **named: Any) -> _T:  # noqa: ANN401 - the function's
        """Call what waits for the store, beside the loop."""
        return await anyio.to_thread.run_sync(partial(function, *arguments, **named))


def check_media_type(content_type: str, taken: tuple[str, ...]) -> None:
    """Refuse a body of another kind than a call takes; one that does not say is tried. Raises UnsupportedMediaType."""
    media = _media_type(content_type)
    if media and media not in taken and media != _UNSAID:
        raise UnsupportedMediaType(f"{media!r:.80} is not taken here.", hint=f"Send {' or '.join(taken)}.")


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def json_response(view: object, status: int = 200) -> Response:
    """Answer with a message of ours."""
    return Response(json_bytes(wire_form(view)), status, media_type="application/json")


def path_text(raw: bytes) -> str | None:
    """Give a part of a path as text; None for what is no UTF-8."""
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return None


def _text(text: str) -> Integer:
    return text
