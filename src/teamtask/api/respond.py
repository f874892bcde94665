"""`Api`: the ASGI application: who calls, which route, what came of it; every error passes here, and every log line."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.routing import compile_path

from teamtask.api.call import Call
from teamtask.api.commits import Commits
from teamtask.api.error_responses import UnexpectedError, error_response
from teamtask.auth.api_tokens import authenticate
from teamtask.ledger.errors import TeamtaskError
from teamtask.service.service import NoSuchList
from teamtask.stores.store import ListGone
from teamtask.telemetry import log

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable

    from starlette.types import Message, Receive, Scope, Send

    from teamtask.access import Principal
    from teamtask.api.route import ApiRoute
    from teamtask.api.server_parts import ServerParts


class MethodNotAllowed(TeamtaskError):
    """This address does not take that method."""

    code = "method_not_allowed"


class NoSuchCall(TeamtaskError):
    """The API has no such call."""

    code = "not_found"
    hint = "`GET /v1/openapi.json` lists them all."


class _Compiled(NamedTuple):
    route: ApiRoute
    pattern: re.Pattern[str]


class _Answering:
    """One request being answered: it notes the status, and adds the request's id to the headers."""

    __slots__ = ("_send", "began", "id", "principal", "route", "status")

    def __init__(self, send: Send, request_id: bytes) -> None:
        self._send = send
        self.id = request_id
        self.began = time.perf_counter()
        self.status = 0
        self.route = "-"
        self.principal: Principal | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self.id)]
        await self._send(message)


class Api:
    """The application; the parts that have a thread begin and end with its lifespan."""

    def __init__(self, parts: ServerParts, routes: Iterable[ApiRoute], public: dict[str, Callable[..., Any]]) -> None:
        self._parts = parts
        self._public = public
        self._routes = [_Compiled(route, compile_path(route.path)[0]) for route in routes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or begin and end with the server."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        headers = dict(scope["headers"])
        request_id = self._parts.request_id(headers.get(b"x-request-id", b""))
        answering = _Answering(send, request_id)
        try:
            await self._answer(scope, receive, answering, headers)
        except ClientDisconnect:
            answering.status = answering.status or 499
        except TeamtaskError as error:
            await self._refuse(answering, error)
        except Exception as error:
            log().exception("request_failed", request_id=request_id.decode(), path=scope["path"])
            if answering.status:
                raise  # the answer has begun: only a broken connection can still say that it is not whole
            await self._refuse(answering, UnexpectedError(request_id=request_id.decode(), kind=type(error).__name__))
        self._note(scope, answering)

    async def _answer(self, scope: Scope, receive: Receive, send: _Answering, headers: dict[bytes, bytes]) -> None:
        path: str = scope["path"]
        public = self._public.get(path)
        if public is not None:
            send.route = path
            if scope["method"] not in ("GET", "HEAD"):
                raise _not_allowed(scope, ["GET"])
            await (await public(self._parts))(scope, receive, send)
            return
        principal = send.principal = authenticate(self._parts.tokens, headers.get(b"authorization"))
        route = self._route(scope)
        send.route = route.path
        call = Call(scope, receive, self._parts, principal)
        call.check(route)
        try:
            response = await route.handler(call)
        except ListGone:
            name = str(scope["path_params"].get("list", ""))
            self._parts.site.directory.forget(name)
            raise NoSuchList(f"There is no list {name!r:.80}.") from None
        if scope["method"] == "HEAD" and isinstance(response, StreamingResponse):
            await _send_head(send, response)  # a stream may be long to make, or never end
        else:
            await response(scope, receive, send)

    def _route(self, scope: Scope) -> ApiRoute:
        """Find the route, and put the parts of the path into the scope. Raises NoSuchCall, MethodNotAllowed."""
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        allowed = []
        for route, pattern in self._routes:
            match = pattern.match(scope["path"])
            if match is None:
                continue
            if route.method == method:
                scope["path_params"] = match.groupdict()
                return route
            allowed.append(route.method)
        if allowed:
            raise _not_allowed(scope, allowed)
        raise NoSuchCall(f"There is no {scope['path']!r:.200}.")

    async def _refuse(self, answering: _Answering, error: TeamtaskError) -> None:
        if answering.status:
            raise error  # too late to say so in another way than by a broken connection
        status, headers, body = error_response(error)
        await _send_json(answering, status, headers, body)

    def _note(self, scope: Scope, answering: _Answering) -> None:
        seconds = time.perf_counter() - answering.began
        self._parts.metrics.requests.labels(answering.route, answering.status).inc()
        self._parts.metrics.seconds.labels(answering.route).observe(seconds)
        log().info(
            "request",
            method=scope["method"],
            path=scope["path"],
            status=answering.status,
            seconds=round(seconds, 6),
            principal=answering.principal.name if answering.principal else None,
            request_id=answering.id.decode(),
        )

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()  # lifespan.startup
        self._parts.commits = commits = Commits(self._parts.site.service.ledgers)
        self._parts.upkeep.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
        self._parts.commits = None
        await asyncio.to_thread(self._parts.upkeep.stop)
        await commits.close()
        await send({"type": "lifespan.shutdown.complete"})


def _not_allowed(scope: Scope, allowed: list[str]) -> MethodNotAllowed:
    hint = f"Taken: {', '.join(allowed)}."
    return MethodNotAllowed(f"{scope['method']:.20} is not taken here.", hint=hint, allowed=allowed)


async def _send_head(send: _Answering, response: StreamingResponse) -> None:
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": b""})


async def _send_json(send: _Answering, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
