"""`Transport`: what a connection's requests are carried out by; `HttpTransport`: a server, each request once."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import urllib3
from urllib3 import exceptions as http_errors

from teamtask import __version__
from teamtask.client.address import authorization, checked_url, pools_to
from teamtask.client.answers import ServerUnreachable, api_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from urllib3 import BaseHTTPResponse, PoolManager

_TIMEOUT: Final = urllib3.Timeout(connect=10.0, read=60.0)
_PIECE_BYTES: Final = 65_536
_NO_CONTENT: Final = 204
_OK_END: Final = 300
_LENGTH: Final = frozenset(("content-length", "transfer-encoding"))


class Request(NamedTuple):
    """A request of the web API; `repeats`: carrying it out twice comes to the same."""

    method: str
    target: str  # path and query
    headers: dict[str, str]
    body: bytes | Iterable[bytes] | None = None
    repeats: bool = False


class Answer(Protocol):
    """What came back: all of it is in `data`, or it comes in `pieces`."""

    @property
    def status(self) -> int:
        """The status of HTTP."""
        ...

    @property
    def data(self) -> bytes:
        """The body."""
        ...

    def pieces(self) -> Iterator[bytes]:
        """Give the body as it comes. Raises ServerUnreachable."""
        ...

    def close(self) -> None:
        """Read no more of it."""
        ...


class Transport(Protocol):
    """Carries requests out. May be used by many threads, and after a fork."""

    url: str
    awaits_items: bool  # whether a list of lines can be made before they come
    report_seconds: float  # what a worker has finished waits so long for more to be reported with it

    def answer(self, request: Request, *, stream: bool = False) -> Answer:
        """Ask once; with `stream` only the head of the answer has come. Raises ApiError, ServerUnreachable."""
        ...

    def more_leases(self, name: str) -> str:
        """Say what to do where a list gives a worker fewer leases than it has room for."""
        ...

    def in_the_way(self, name: str) -> str | None:
        """Say what keeps workers from work where the list itself does not; None where nothing does."""
        ...

    def hurry(self, name: str) -> None:
        """Have exchanges with a list that wait for work be answered at once. May be called in any thread."""
        ...

    def leave(self, name: str, worker: str) -> None:
        """Take note that a worker has ended its work on a list."""
        ...

    def close(self) -> None:
        """Close the connections that are open. A later request opens new ones."""
        ...


class HttpTransport:
    """The server at `url`, which may end in a path (behind nginx); `token` is who we are.

    Calls wait 10 s for a connection and 60 s for an answer. Redirects are not followed: the token stays with the
    server. Raises InvalidField for a url or a token that is none.
    """

    awaits_items = True
    report_seconds = 0.25

    def __init__(self, url: str, token: str | None) -> None:
        self.url = checked_url(url)
        self._headers = {"user-agent": f"teamtask/{__version__}"} | authorization(token)
        self._pools = pools_to(self.url)
        self._pid = os.getpid()

    def answer(self, request: Request, *, stream: bool = False) -> HttpAnswer:
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
        return HttpAnswer(self.url, response)

    def more_leases(self, name: str) -> str:
        """See Transport."""
        return f"Its owner can give more: teamtask set {name} --limit-blocks-per-worker N"

    def in_the_way(self, name: str) -> None:
        """See Transport. A server says all there is by the list."""

    def hurry(self, name: str) -> None:
        """See Transport. A server lets nobody wait."""

    def leave(self, name: str, worker: str) -> None:
        """See Transport. A server hears of it by what is given back."""

    def close(self) -> None:
        """See Transport."""
        self._of_this_process().clear()

    def _of_this_process(self) -> PoolManager:
        """Give the pool; after a fork a new one, as two processes cannot share what is open."""
        if self._pid != os.getpid():
            self._pools, self._pid = pools_to(self.url), os.getpid()
        return self._pools


class HttpAnswer:
    """The answer of a server."""

    def __init__(self, url: str, response: BaseHTTPResponse) -> None:
        self._url = url
        self._response = response

    @property
    def status(self) -> int:
        """See Answer."""
        return self._response.status

    @property
    def data(self) -> bytes:
        """See Answer."""
        return self._response.data

    def pieces(self) -> Iterator[bytes]:
        """See Answer."""
        try:
            yield from self._response.stream(_PIECE_BYTES)
        except (http_errors.HTTPError, OSError) as error:
            raise ServerUnreachable(
                f"The answer of {self._url} broke off: {error}", was_sent=True, hint="Ask again."
            ) from error

    def close(self) -> None:
        """See Answer."""
        self._response.close()


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
