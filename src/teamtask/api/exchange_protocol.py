"""`exchange_protocol`: uvicorn's HTTP protocol, with the exchange answered right where its bytes arrive.

The exchange is what a server does all day. Answered here it costs neither a task nor the messages of ASGI, which take
more time than the ledger and the disk together (docs/decisions/http-server.md); every other call goes on to the app.
And it has no patience with clients that stop in the middle of a request, and no memory for what nobody has asked for.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from teamtask.api import work_routes
from teamtask.api.call import BODY_BYTES_MAX, DECODED_AT_ONCE_BYTES, RECEIVE_SECONDS, BodyTooLarge, check_media_type
from teamtask.api.error_responses import STATUS_LINES, UnexpectedError, error_response
from teamtask.api.route import JSON_TYPE
from teamtask.api.server_parts import EXCHANGE_ROUTE
from teamtask.auth.api_tokens import authenticate
from teamtask.ledger.errors import TeamtaskError
from teamtask.telemetry import log

if TYPE_CHECKING:
    import asyncio

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from teamtask.access import Principal
    from teamtask.api.server_parts import ServerParts
    from teamtask.service.ledgers import Answer
    from teamtask.service.site_work import Asking

HEAD_BYTES_MAX: Final = 65_536  # of the request line and headers
_PREFIX: Final = b"/v1/lists/"
_SUFFIX: Final = b"/exchange"
_OK: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: %s\r\ncontent-length: %d\r\n%s\r\n%s"


class InvalidRequest(TeamtaskError):
    """That is no HTTP/1.1."""

    code = "invalid_request"


class HeadTooLarge(TeamtaskError):
    """The address and the headers are longer than a server takes."""

    code = "head_too_large"
    hint = f"{HEAD_BYTES_MAX >> 10} KiB at most."


class ExchangeProtocol(HttpToolsProtocol):
    """One connection; `parts` are the server's."""

    parts: ServerParts

    _principal: Principal
    _body: list[bytes] | None = None  # of an exchange that is arriving
    _body_bytes = 0
    _head_bytes = 0
    _unsent_bytes = 0
    _refused = False  # an exchange that is still arriving: the rest of it is passed by
    _pending = False  # an exchange is being carried out
    _keep = True
    _receiving = True  # the client is to send something: at first, and in the middle of a request
    _headers_done = False
    _began_at = 0.0
    _heard_at = 0.0
    _exchange_began = 0.0
    _request_id = b""  # that the exchange came with

    # --- the connection, and slow clients

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin."""
        super().connection_made(transport)
        self._began_at = self._heard_at = self.loop.time()
        self.loop.call_later(RECEIVE_SECONDS, self._look)

    def data_received(self, data: bytes) -> None:
        """Take bytes; what a client sends on top of a request that is not answered is not read."""
        if self._pending:
            self._keep = False
            return
        self._heard_at = self.loop.time()
        in_head = not self._headers_done
        super().data_received(data)
        if in_head and not self._headers_done:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
                self._refuse_request(HeadTooLarge())

    def send_400_response(self, msg: str) -> None:
        """Say what is wrong in the form that all errors have."""
        self._refuse_request(InvalidRequest(msg))

    def _refuse_request(self, error: TeamtaskError) -> None:
        if not self.transport.is_closing():
            self._keep = False
            self._write_error(error)
            self.transport.close()

    def resume_writing(self) -> None:
        """Hear a client again that reads again."""
        super().resume_writing()
        if not self._pending:
            self.flow.resume_reading()

    def shutdown(self) -> None:
        """Close as soon as what is in hand is answered."""
        if self._pending:
            self._keep = False
        else:
            super().shutdown()

    def _look(self) -> None:
        """Close on a client that has stopped in the middle of a request, or sends its headers drop by drop.

        And on one that does not take its last answer.
        """
        if self.parser is None:  # the connection is gone
            return
        now = self.loop.time()
        if self.flow.read_paused:  # it is the server that does not go on
            self._heard_at = now
        since = self._heard_at if self._headers_done else self._began_at
        unsent, self._unsent_bytes = self._unsent_bytes, self.transport.get_write_buffer_size()
        stuck = self.transport.is_closing() and self._unsent_bytes == unsent
        if stuck or (self._receiving and now - since >= RECEIVE_SECONDS):
            self.transport.abort()
            return
        self.loop.call_later(RECEIVE_SECONDS, self._look)

    # --- the parser's calls

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._receiving, self._headers_done = True, False
        self._began_at = self.loop.time()
        self._head_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what comes behind the body (a trailer) is none, so that it cannot pass for one."""
        if not self._headers_done:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Keep an exchange here, pass everything else on."""
        self._headers_done = True
        if self._pending:  # of a second request in the same bytes: it is asked again on another connection
            self._keep = False
            return
        cycle: RequestResponseCycle | None = self.cycle
        answered = cycle is None or cycle.response_complete
        is_exchange = (
            self.url.startswith(_PREFIX) and self.url.endswith(_SUFFIX) and self.parser.get_method() == b"POST"
        )
        if not answered or not is_exchange:
            super().on_headers_complete()
            return
        self._body, self._body_bytes = [], 0
        self._keep = self.parser.should_keep_alive()
        self._exchange_began = time.perf_counter()
        try:
            self._check_headers()
        except TeamtaskError as error:
            self._refuse(error)
        except Exception as error:  # noqa: BLE001 - the net, as in the app
            self._fail(error)
        else:
            if self.expect_100_continue:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        if self._pending or self._refused:
            return
        if self._body is None:
            super().on_body(body)
            return
        self._body_bytes += len(body)
        if self._body_bytes > BODY_BYTES_MAX:
            self._keep = False
            self._refuse(BodyTooLarge())
            return
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Carry an exchange out."""
        if self._pending:
            return
        self._receiving = False
        if self._refused:
            self._refused = False
            self._end()
            return
        if self._body is None:
            super().on_message_complete()
            return
        body, self._body = self._body, None
        self._pending = True
        try:
            self._ask(body[0] if len(body) == 1 else b"".join(body))
        except TeamtaskError as error:
            self._refuse(error)
        except Exception as error:  # noqa: BLE001 - the net, as in the app
            self._fail(error)

    # --- an exchange

    def _check_headers(self) -> None:
        """See who asks, before anything of the body is kept."""
        authorization = media_type = None
        for name, value in self.headers:
            if name == b"authorization":
                authorization = value
            elif name == b"content-type":
                media_type = value
            elif name == b"x-request-id":
                self._request_id = value
        self._principal = authenticate(self.parts.tokens, authorization)
        if media_type is not None:
            check_media_type(media_type.decode("latin-1"), (JSON_TYPE,))

    def _ask(self, body: bytes) -> None:
        name = self.url[len(_PREFIX) : -len(_SUFFIX)]
        if len(body) > DECODED_AT_ONCE_BYTES:  # so that nobody else waits for it
            self.loop.run_in_executor(None, self._decode_beside, self._principal, name, body)
        else:
            self._submit(work_routes.asking_of(self.parts, self._principal, name, body))

    def _decode_beside(self, principal: Principal, name: bytes, body: bytes) -> None:
        try:
            asking = work_routes.asking_of(self.parts, principal, name, body)
        except TeamtaskError as error:
            self.loop.call_soon_threadsafe(self._refuse, error)
        except Exception as error:  # noqa: BLE001 - as above
            self.loop.call_soon_threadsafe(self._fail, error)
        else:
            self.loop.call_soon_threadsafe(self._submit_late, asking)

    def _submit_late(self, asking: Asking) -> None:
        try:
            self._submit(asking)
        except TeamtaskError as error:
            self._refuse(error)

    def _submit(self, asking: Asking) -> None:
        self.parts.running_commits().submit(asking.asked, partial(self._answered, asking))

    def _answered(self, asking: Asking, answer: Answer | BaseException) -> None:
        if self.transport.is_closing():
            return
        if asking.items and not isinstance(answer, BaseException):
            self.loop.run_in_executor(None, self._answer_beside, asking, answer)  # items are read from the store
            return
        try:
            self._send(work_routes.reply_of(self.parts, asking, answer))
        except TeamtaskError as error:
            self._refuse(error)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(error)

    def _answer_beside(self, asking: Asking, answer: Answer) -> None:
        try:
            body = work_routes.reply_of(self.parts, asking, answer)
        except TeamtaskError as error:
            self.loop.call_soon_threadsafe(self._refuse, error)
        except Exception as error:  # noqa: BLE001 - as above
            self.loop.call_soon_threadsafe(self._fail, error)
        else:
            self.loop.call_soon_threadsafe(self._send, body)

    def _send(self, body: bytes) -> None:
        if self.transport.is_closing():
            return
        close = b"" if self._keep else b"connection: close\r\n"
        self.transport.write(_OK % (self.parts.request_id(self._request_id), len(body), close, body))
        self.parts.exchanged.inc()
        self.parts.exchange_took.observe(time.perf_counter() - self._exchange_began)
        self._end()

    def _refuse(self, error: TeamtaskError) -> None:
        if self.transport.is_closing():
            return
        status = self._write_error(error)
        self.parts.metrics.requests.labels(EXCHANGE_ROUTE, status).inc()
        if self._receiving:
            self._body, self._refused = None, True
        else:
            self._end()

    def _write_error(self, error: TeamtaskError) -> int:
        status, headers, body = error_response(error)
        headers += [(b"x-request-id", self.parts.request_id(self._request_id)), (b"content-length", b"%d" % len(body))]
        if not self._keep:
            headers.append((b"connection", b"close"))
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        self.transport.write(STATUS_LINES[status] + lines + b"\r\n" + body)
        return status

    def _fail(self, error: Exception) -> None:
        request_id = self._request_id = self.parts.request_id(self._request_id)
        log().error("request_failed", exc_info=error, request_id=request_id.decode(), path=EXCHANGE_ROUTE)
        self._refuse(UnexpectedError(request_id=request_id.decode(), kind=type(error).__name__))

    def _end(self) -> None:
        """Wait for the next request on this connection, or close it."""
        self._pending = False
        self._request_id = b""
        self.server_state.total_requests += 1
        if not self._keep:
            self.transport.close()
            return
        if self.flow.write_paused:  # who does not read its answers is not heard either
            self.flow.pause_reading()
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)


def exchange_protocol(parts: ServerParts) -> type[ExchangeProtocol]:
    """Give the protocol of a server's connections."""
    return type("ServersExchangeProtocol", (ExchangeProtocol,), {"parts": parts})
