"""`Connection`: one server as its clients see it: JSON calls, raw bodies, lines, pages; what may pass is tried again.

`ApiError` is what the server answered in place of what was wanted, `ServerUnreachable` that nobody answered.
"""

from __future__ import annotations

import json
import os
import ssl
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, urlencode

import urllib3
from urllib3 import exceptions as http_errors

from teamtask import __version__
from teamtask.client.address import authorization, checked_url, pools_to
from teamtask.client.answers import ApiError, ServerUnreachable, api_error
from teamtask.client.backoff import Backoff
from teamtask.ledger.errors import InvalidField

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from urllib3 import BaseHTTPResponse, PoolManager

    Query = Mapping[str, Any]  # text, numbers, None for what is left out

__all__ = ["ApiError", "Connection", "ServerUnreachable", "list_path"]

RETRY_SECONDS: Final = 30.0
_TIMEOUT: Final = urllib3.Timeout(connect=10.0, read=60.0)
_PIECE_BYTES: Final = 65_536
_REPEATS: Final = frozenset({"GET", "HEAD", "DELETE"})
_JSON: Final = "application/json"
_NOT_FOUND: Final = 404
_NO_CONTENT: Final = 204
_OK_END: Final = 300
_LENGTH: Final = frozenset(("content-length", "transfer-encoding"))


def list_path(name: str, *more: str) -> str:
    """Give the path of a list, or with ("primes", "pause") of something of it. Raises InvalidField."""
    for part in (name, *more):
        if part in ("", ".", ".."):
            raise InvalidField(f"{part!r} is no name.", field="list")
    return "/v1/lists/" + "/".join(quote(part, safe="", errors="surrogateescape") for part in (name, *more))


class _Request(NamedTuple):
    method: str
    target: str  # path and query
    headers: dict[str, str]
    body: bytes | Iterable[bytes] | None = None
    repeats: bool = False


class Connection:
    """The way to the server at `url`, which may end in a path (behind nginx); `token` is who we are.

    Calls wait 10 s for a connection and 60 s for an answer. What may pass by itself (nobody there, 429, 502, 503, 504)
    is tried again for `retry_seconds`, with full jitter, not before the server said so; but a call that is not known to
    have done nothing only where it repeats safely: GET, DELETE, with an idempotency key, or where the caller says
    `repeats`. May be used by many threads, and after a fork. Redirects are not followed: the token stays with the
    server. Raises InvalidField for a url or a token that is none.
    """

    def __init__(self, url: str, token: str | None, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self.url = checked_url(url)
        self.retry_seconds = retry_seconds
        self._headers = {"user-agent": f"teamtask/{__version__}"} | authorization(token)
        self._pools = pools_to(self.url)
        self._pid = os.getpid()

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        idempotency_key: str | None = None,
        repeats: bool = False,
        retry_seconds: float | None = None,
    ) -> Any:  # noqa: ANN401 - any JSON
        """Send JSON, if `body` is not None, and give the JSON that came back, None for none.

        `retry_seconds` in the place of the connection's. Raises ApiError, ServerUnreachable, InvalidField for a body
        that JSON cannot say.
        """
        headers = {} if idempotency_key is None else {"idempotency-key": idempotency_key}
        if body is not None:
            headers["content-type"] = _JSON
        request = _Request(
            method,
            path + _query(query),
            headers,
            None if body is None else _encoded(body),
            repeats or idempotency_key is not None or method in _REPEATS,
        )
        answer = self._retried(request, self.retry_seconds if retry_seconds is None else retry_seconds)
        return _decoded(self.url, answer.status, answer.data) if answer is not None and answer.data else None

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: bytes | Iterable[bytes] | None = None,
        content_type: str | None = None,
        repeats: bool = False,
        retry_seconds: float | None = None,
    ) -> bytes:
        """Send bytes and give the bytes that came back. What is streamed is sent once and never again.

        `retry_seconds` in the place of the connection's. Raises ApiError, ServerUnreachable, and what `body` raises.
        """
        headers = {} if content_type is None else {"content-type": content_type}
        target = path + _query(query)
        if body is None or isinstance(body, bytes):
            request = _Request(method, target, headers, body, repeats or method in _REPEATS)
            answer = self._retried(request, self.retry_seconds if retry_seconds is None else retry_seconds)
            return b"" if answer is None else answer.data
        chunks = _Chunks(body)
        try:
            return self._answer(_Request(method, target, headers, chunks)).data
        except ServerUnreachable:
            if chunks.error is not None:
                raise chunks.error from None
            raise

    def lines(
        self, method: str, path: str, *, query: Query | None = None, accept: str | None = None
    ) -> Iterator[bytes]:
        """Give the lines of an answer as they come, without their newlines.

        Raises ApiError, and ServerUnreachable also when the answer breaks off: what ends in silence is whole.
        """
        headers = {} if accept is None else {"accept": accept}
        request = _Request(method, path + _query(query), headers, None, method in _REPEATS)
        response = self._retried(request, self.retry_seconds, stream=True)
        if response is None:
            return
        try:
            rest = b""
            for piece in self._pieces(response):
                *lines, rest = (rest + piece).split(b"\n")
                yield from lines
            if rest:
                yield rest
        finally:
            response.close()

    def pages(self, path: str, *, query: Query | None = None) -> Iterator[Any]:
        """Give every item of what comes in pages. Raises ApiError, ServerUnreachable."""
        asked = dict(query or {})
        while True:
            page = self.call("GET", path, query=asked)
            yield from page["items"]
            if page["next"] is None:
                return
            asked["cursor"] = page["next"]

    def close(self) -> None:
        """Close the connections that are open. A later call opens new ones."""
        self._of_this_process().clear()

    # --- one try, and more

    def _retried(self, request: _Request, retry_seconds: float, *, stream: bool = False) -> BaseHTTPResponse | None:
        """Ask until there is an answer; None when a try without an answer has deleted what is gone now."""
        until = time.monotonic() + retry_seconds
        backoff = Backoff()
        is_unsure = False
        while True:
            try:
                return self._answer(request, stream=stream)
            except (ApiError, ServerUnreachable) as error:
                is_gone = isinstance(error, ApiError) and error.status == _NOT_FOUND
                if is_gone and is_unsure and request.method == "DELETE":
                    return None
                seconds = backoff.next(error.retry_after)
                if not error.may_pass(repeats=request.repeats) or time.monotonic() + seconds > until:
                    raise
                is_unsure = is_unsure or isinstance(error, ApiError) or error.was_sent
            time.sleep(seconds)

    def _answer(self, request: _Request, *, stream: bool = False) -> BaseHTTPResponse:
        """Ask once; with `stream` only the head of the answer has come. Raises ApiError, ServerUnreachable."""
        try:
            response = self._of_this_process().request(
                request.method,
                self.url + request.target,
                body=request.body,
                headers=self._headers | request.headers,
                timeout=_TIMEOUT,
                retries=False,
                redirect=False,
                preload_content=not stream,
            )
            body = b"" if stream and response.status < _OK_END else response.data
        except (http_errors.HTTPError, OSError) as error:
            raise _unreachable(self.url, error) from error
        if response.status >= _OK_END:
            raise api_error(self.url, response, body)
        if response.status != _NO_CONTENT and not _LENGTH & {name.lower() for name in response.headers}:
            response.close()
            hint = "If it stays so, a proxy on the way speaks HTTP/1.0; have it speak HTTP/1.1."
            message = f"The answer of {self.url} has no length: a part of it could not be told from the whole."
            raise ServerUnreachable(message, was_sent=True, hint=hint)
        return response

    def _pieces(self, response: BaseHTTPResponse) -> Iterator[bytes]:
        try:
            yield from response.stream(_PIECE_BYTES)
        except (http_errors.HTTPError, OSError) as error:
            raise ServerUnreachable(
                f"The answer of {self.url} broke off: {error}", was_sent=True, hint="Ask again."
            ) from error

    def _of_this_process(self) -> PoolManager:
        """Give the pool; after a fork a new one, as two processes cannot share what is open."""
        if self._pid != os.getpid():
            self._pools, self._pid = pools_to(self.url), os.getpid()
        return self._pools


class _Chunks:
    """A body given in pieces, which remembers what went wrong in whoever gives them."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._chunks
        except Exception as error:
            self.error = error
            raise


def _query(query: Query | None) -> str:
    given = {name: value for name, value in (query or {}).items() if value is not None}
    return f"?{urlencode(given)}" if given else ""


def _encoded(body: object) -> bytes:
    try:
        return json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidField(f"That cannot be said in JSON: {error}", field="body") from error


def _decoded(url: str, status: int, body: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        hint = "Check that it is the address of a Teamtask server."
        raise ApiError(status, f"{url} answered with something that is no JSON.", hint=hint) from error


def _unreachable(url: str, error: Exception) -> ServerUnreachable:
    reason = error
    while isinstance(reason, http_errors.ProxyError):
        reason = reason.original_error
    certificate = _certificate_error(error)
    if certificate is not None:
        hint = "Have its authority known to this system (SSL_CERT_FILE names a file of them)."
        message = f"{url} is not to be trusted: {certificate.verify_message}."
        return ServerUnreachable(message, was_sent=False, is_final=True, hint=hint)
    was_sent = reason is error and not isinstance(reason, http_errors.ConnectTimeoutError)  # else a proxy failed
    return ServerUnreachable(f"{url} does not answer: {_reason(reason)}.", was_sent=was_sent)


def _certificate_error(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """Find the verdict on a certificate among what an error was made of."""
    for _ in range(10):
        if error is None or isinstance(error, ssl.SSLCertVerificationError):
            return error
        inner = next((part for part in error.args if isinstance(part, BaseException)), None)
        error = inner or error.__cause__ or error.__context__
    return None


def _reason(error: BaseException) -> str:
    """Say what an error of the network was, as the system does."""
    inner = error.__cause__ or error.__context__
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    if isinstance(error, http_errors.TimeoutError) and not isinstance(error, http_errors.NewConnectionError):
        return "it takes too long"
    return str(error).rpartition(": ")[2].rstrip(".")
