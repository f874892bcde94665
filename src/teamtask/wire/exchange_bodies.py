"""`ExchangeBody` and `ReplyBody`: an exchange as its JSON is written, to be checked and turned into messages."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct, field
from msgspec.structs import fields

from teamtask.wire.exchange_fields import Id, Pairs, WorkerName
from teamtask.wire.requests import Integer
from teamtask.wire.results_json import ResultBody


class _Body(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a worker sends."""


class WantBody(_Body, frozen=True):
    """What a claim asks for."""

    seconds: float | None = None
    items: bool = False


class ErrorBody(_Body, frozen=True):
    """Why a lease is given up."""

    message: str
    index: Integer | None = None


class ToldBody(_Body, frozen=True, kw_only=True):
    """What a report says of a lease, beside which it is and how far it is."""

    begin: Integer | None = field(default=None, name="from")
    ranges: Pairs = ()
    failed: tuple[tuple[Integer, str], ...] = ()
    results: tuple[ResultBody, ...] | None = None
    fold: Any = None
    error: ErrorBody | None = None
    release: bool = False
    end: Integer | None = None


class ReportBody(ToldBody, frozen=True):
    """A report of an exchange."""

    lease: Id
    index: Integer
    upto: Integer


class PlainBody(ToldBody, frozen=True):
    """A report of the lease that stands in the URL."""

    index: Integer | None = None
    upto: Integer | None = None
    done: bool = False


class ExchangeBody(_Body, frozen=True):
    """The body of `POST /v1/lists/{list}/exchange`."""

    worker: WorkerName
    request: Id | None = None
    want: WantBody | None = None
    reports: tuple[ReportBody, ...] = ()


_INSIDE = (
    (re.compile(r"(reports\[\d+\]\.)?error\."), ErrorBody),
    (re.compile(r"reports\[\d+\]\."), ReportBody),
    (re.compile(r"want\."), WantBody),
)


def known_fields(kind: type[Any], path: str) -> list[str]:
    """Give the names that a field could have had which was found at this path of a body of that kind."""
    inner = next((inner for beginning, inner in _INSIDE if beginning.match(path)), kind)
    return [known.encode_name for known in fields(inner)]


# A worker passes by what a newer server adds.
class StatusBody(Struct, frozen=True, omit_defaults=True):
    """What became of a report."""

    lease: str
    status: str
    cursor: Integer | None = None
    end: Integer | None = None
    expires_in_seconds: float | None = None
    rest: Pairs | None = None
    error: dict[str, Any] | None = None


class LeaseBody(Struct, frozen=True, omit_defaults=True):
    """A lease."""

    lease: str
    list: str
    list_id: str
    name: str
    index: Integer
    size: Integer
    block_size: Integer
    attempt: int
    expires_in_seconds: float
    fingerprint: str
    rest: Pairs | None = None
    items: tuple[Any, ...] | None = None
    items_url: str | None = None


class ReplyBody(Struct, frozen=True, omit_defaults=True):
    """The answer to an exchange."""

    reports: tuple[StatusBody, ...]
    leases: tuple[LeaseBody, ...]
    state: str
    retry_in_seconds: float | None
    reason: str | None = None
