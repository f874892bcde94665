"""`ApiError`, `ServerUnreachable`: what a server says in place of what was wanted, and that it says nothing.

`read_view` reads what it shows when all is well.
"""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from teamtask.ledger.errors import TeamtaskError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3 import BaseHTTPResponse

_View = TypeVar("_View", bound=msgspec.Struct)

TOO_MANY_REQUESTS: Final = 429
_OVERLOADED: Final = "overloaded"  # of our 503s the one that says that nothing was changed
_MAY_PASS: Final = (502, 503, 504)
_NO_SERVER: Final = "A proxy says so: the server behind it is away, or was lost on the way. Try again in a moment."
_HINTS: Final = {
    401: "Give a token: --token, TEAMTASK_TOKEN or Client(token=...).",
    407: "The proxy wants credentials: http://user:password@host:port in HTTPS_PROXY or HTTP_PROXY.",
    502: _NO_SERVER,
    503: _NO_SERVER,
    504: _NO_SERVER,
}


class ApiError(TeamtaskError):
    """The server refused.

    `code`, `message`, `hint`, `field` and `detail` are the server's where it is one of ours, `status` is HTTP's.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "unexpected_answer",
        retry_after: float | None = None,
        **more: str | None,
    ) -> None:
        super().__init__(message, **more)
        self.code: str = code  # type: ignore[misc] # an instance's here: the server knows codes that we do not
        self.status = status
        self.retry_after = retry_after

    def may_pass(self, *, repeats: bool) -> bool:
        """Tell whether to try again, of a call that `repeats` safely or not."""
        nothing_done = self.status == TOO_MANY_REQUESTS or self.code == _OVERLOADED
        return nothing_done or (repeats and self.status in _MAY_PASS)


class UnexpectedAnswer(ApiError):
    """The server answers something else than this version understands."""

    hint = "Is it a server of another version? `teamtask --version` and its `GET /v1/version` tell."

    def __init__(self, message: str) -> None:
        super().__init__(HTTPStatus.OK, message)


class ServerUnreachable(TeamtaskError):
    """The server does not answer.

    `was_sent`: the request may have been carried out. `is_final`: trying again will not help.
    """

    code = "server_unreachable"
    hint = "Check that the server runs, that the url is right, and that nothing on the way (firewall, proxy) stops it."
    retry_after = None

    def __init__(self, message: str, *, was_sent: bool, is_final: bool = False, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.was_sent = was_sent
        self.is_final = is_final

    def may_pass(self, *, repeats: bool) -> bool:
        """Tell whether to try again, of a call that `repeats` safely or not."""
        return not self.is_final and (repeats or not self.was_sent)


def api_error(url: str, response: BaseHTTPResponse, body: bytes) -> ApiError:
    """Give the error that an answer is."""
    status = response.status
    retry_after = _seconds(response.headers.get("retry-after"))
    told = _told(body)
    if told is not None:
        detail = told.get("detail")
        detail = dict(detail) if isinstance(detail, dict) else {}
        field = detail.pop("field", None)
        hint = told.get("hint")
        error = ApiError(
            status,
            str(told.get("message") or ""),
            code=str(told["code"]),
            retry_after=retry_after,
            hint=None if hint is None else str(hint),
            field=None if field is None else str(field),
        )
        error.detail = detail
        return error
    hint = _HINTS.get(status, f"That is no answer of Teamtask's; check that {url} is the address of its server.")
    to = response.headers.get("location")
    if to is not None and HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        hint = f"It sends one on to {to!r:.200}, which is not followed; give the address where the server is."
    return ApiError(status, f"{url} answered {_named(status)}.", retry_after=retry_after, hint=hint)


def _told(body: bytes) -> Mapping[str, Any] | None:
    try:
        told = json.loads(body)["error"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return told if isinstance(told, dict) and told.get("code") else None


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _seconds(text: str | None) -> float | None:
    """Read Retry-After: seconds or a date."""
    if text is None:
        return None
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def read_view(told: Any, kind: type[_View]) -> _View:  # noqa: ANN401 - any JSON
    """Read what a server shows, whose integers may be decimal text; what a newer one adds is passed by.

    Raises UnexpectedAnswer.
    """
    try:
        return msgspec.convert(told, kind, strict=False)
    except (msgspec.ValidationError, ValueError) as error:  # ValueError: half a surrogate pair, too many digits
        message = f"The server's answer is no {kind.__name__.strip('_')}: {error}."
        raise UnexpectedAnswer(message) from error
