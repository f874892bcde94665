"""`error_response`: every error that the API answers with, from one table of codes and HTTP statuses."""

from __future__ import annotations

import random
from http import HTTPStatus

import msgspec

from teamtask.ledger.errors import TeamtaskError
from teamtask.stores.store import StoreUnavailable
from teamtask.wire.views import wire_error

STATUS_OF_CODE = {
    "body_too_large": 413,
    "fold_cannot_be_divided": 409,
    "forbidden": 403,
    "head_too_large": 431,
    "idempotency_key_reused": 409,
    "invalid_field": 422,
    "invalid_request": 400,
    "invalid_source": 422,
    "items_not_kept": 409,
    "lines_not_adjacent": 409,
    "list_finished": 410,
    "list_gone": 404,
    "method_not_allowed": 405,
    "name_taken": 409,
    "not_found": 404,
    "overloaded": 503,
    "report_refused": 422,
    "request_timed_out": 408,
    "stale_version": 409,
    "store_damaged": 500,
    "store_full": 503,
    "store_unavailable": 503,
    "token_made_before": 409,
    "too_many": 422,
    "unauthorized": 401,
    "unknown_format": 503,
    "unknown_upload": 409,
    "unreadable_result": 500,
    "unsupported_media_type": 415,
    "wrong_state": 409,
}
RETRY_SECONDS = (1, 3)  # what those hear who come when the store does not answer

STATUS_LINES = {
    status: b"HTTP/1.1 %d %s\r\n" % (status, HTTPStatus(status).phrase.encode())
    for status in {*STATUS_OF_CODE.values(), 500}
}

Headers = list[tuple[bytes, bytes]]


def error_response(error: TeamtaskError) -> tuple[int, Headers, bytes]:
    """Give status, headers and body for an error: {"error": {"code", "message", "hint", "detail"}}."""
    if error.code == StoreUnavailable.code:
        error = StoreUnavailable()  # what it says of hosts and databases is for the log, not for whoever asks
    status = STATUS_OF_CODE.get(error.code, 500)
    headers = [(b"content-type", b"application/json")]
    if status in (429, 503):
        headers.append((b"retry-after", b"%d" % random.randint(*RETRY_SECONDS)))  # noqa: S311 - no secret: a jitter
    if status == 401:  # noqa: PLR2004 - RFC 9110 wants it said how to prove who one is
        headers.append((b"www-authenticate", b"Bearer"))
    if "allowed" in error.detail:  # likewise, which methods there are
        headers.append((b"allow", ", ".join(error.detail["allowed"]).encode()))
    return status, headers, msgspec.json.encode({"error": wire_error(error)})


class UnexpectedError(TeamtaskError):
    """Something went wrong in the server; its log says what, under the request's id."""

    code = "internal_error"
    hint = "Try again; if it stays so, report the request id to whoever runs the server."
