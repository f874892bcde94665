"""`Connection`: one server as its clients see it: JSON calls, raw bodies, lines, pages; what may pass is tried again.

`ApiError` is what the server answered in place of what was wanted, `ServerUnreachable` that nobody answered.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from teamtask.client.answers import ApiError, ServerUnreachable
from teamtask.client.backoff import Backoff
from teamtask.client.transport import HttpTransport, Request
from teamtask.ledger.errors import InvalidField

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from teamtask.client.transport import Answer, Transport

    Query = Mapping[str, Any]  # text, numbers, None for what is left out

__all__ = ["ApiError", "Connection", "ServerUnreachable", "list_path"]

RETRY_SECONDS: Final = 30.0
_REPEATS: Final = frozenset({"GET", "HEAD", "DELETE"})
_JSON: Final = "application/json"
_NOT_FOUND: Final = 404


def list_path(name: str, *more: str) -> str:
    """Give the path of a list, or with ("primes", "pause") of something of it. Raises InvalidField."""
    for part in (name, *more):
        if part in ("", ".", ".."):
            raise InvalidField(f"{part!r} is no name.", field="list")
    return "/v1/lists/" + "/".join(quote(part, safe="", errors="surrogateescape") for part in (name, *more))


class Connection:
    """The way to the server at `url`; `token` is who we are. Another `transport` carries the calls out elsewhere.

    What may pass by itself (nobody there, 429, 502, 503, 504) is tried again for `retry_seconds`, with full jitter, not
    before the server said so; but a call that is not known to have done nothing only where it repeats safely: GET,
    DELETE, with an idempotency key, or where the caller says `repeats`. May be used by many threads, and after a fork.
    Raises InvalidField for a url or a token that is none.
    """

    def __init__(
        self,
        url: str,
        token: str | None,
        *,
        retry_seconds: float = RETRY_SECONDS,
        transport: Transport | None = None,
    ) -> None:
        self._transport = HttpTransport(url, token) if transport is None else transport
        self.url = self._transport.url
        self.retry_seconds = retry_seconds

    @property
    def awaits_items(self) -> bool:
        """Whether a list of lines can be made before they come."""
        return self._transport.awaits_items

    @property
    def report_seconds(self) -> float:
        """How long what a worker has finished waits for more to be reported with it."""
        return self._transport.report_seconds

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
        request = Request(
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
            request = Request(method, target, headers, body, repeats or method in _REPEATS)
            answer = self._retried(request, self.retry_seconds if retry_seconds is None else retry_seconds)
            return b"" if answer is None else answer.data
        chunks = _Chunks(body)
        try:
            return self._transport.answer(Request(method, target, headers, chunks)).data
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
        request = Request(method, path + _query(query), headers, None, method in _REPEATS)
        response = self._retried(request, self.retry_seconds, stream=True)
        if response is None:
            return
        try:
            rest = b""
            for piece in response.pieces():
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
        self._transport.close()

    def more_leases(self, name: str) -> str:
        """Say what to do where a list gives a worker fewer leases than it has room for."""
        return self._transport.more_leases(name)

    def in_the_way(self, name: str) -> str | None:
        """Say what keeps workers from work where the list itself does not; None where nothing does."""
        return self._transport.in_the_way(name)

    def hurry(self, name: str) -> None:
        """Have exchanges with a list that wait for work be answered at once. May be called in any thread."""
        self._transport.hurry(name)

    def leave(self, name: str, worker: str) -> None:
        """Take note that a worker has ended its work on a list."""
        self._transport.leave(name, worker)

    # --- one try, and more

    def _retried(self, request: Request, retry_seconds: float, *, stream: bool = False) -> Answer | None:
        """Ask until there is an answer; None when a try without an answer has deleted what is gone now."""
        until = time.monotonic() + retry_seconds
        backoff = Backoff()
        is_unsure = False
        while True:
            try:
                return self._transport.answer(request, stream=stream)
            except (ApiError, ServerUnreachable) as error:
                is_gone = isinstance(error, ApiError) and error.status == _NOT_FOUND
                if is_gone and is_unsure and request.method == "DELETE":
                    return None
                seconds = backoff.next(error.retry_after)
                if not error.may_pass(repeats=request.repeats) or time.monotonic() + seconds > until:
                    raise
                is_unsure = is_unsure or isinstance(error, ApiError) or error.was_sent
            time.sleep(seconds)


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
