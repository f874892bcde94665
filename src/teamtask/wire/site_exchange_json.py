"""`decode_site_exchange` and `encode_site_reply`: the exchange over all lists, where each report names its list."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from teamtask.wire.exchange_bodies import ExchangeBody, ReportBody
from teamtask.wire.exchange_json import encode_lease, encode_status, exchange_of, read_body
from teamtask.wire.messages import Exchange, Lease, ReportStatus


class ListReportBody(ReportBody, frozen=True, kw_only=True):
    """A report, and the name of the list that it is of."""

    list: str


class SiteExchangeBody(ExchangeBody, frozen=True):
    """The body of `POST /v1/exchange`."""

    reports: tuple[ListReportBody, ...] = ()


class SiteExchange(Struct, frozen=True):
    """An exchange, and for each of its reports the name of its list."""

    exchange: Exchange
    lists: tuple[str, ...]


class SiteReply(Struct):
    """What became of each report, with its list and the state of that; and a lease, with the state of its list."""

    reports: list[tuple[ReportStatus, str, str]]
    lease: Lease | None = None
    state: str = "running"
    retry_in_seconds: float | None = None


def decode_site_exchange(body: bytes) -> SiteExchange:
    """Read an exchange over all lists. Raises InvalidField with the path of the field, TooMany."""
    read = read_body(body, SiteExchangeBody)
    return SiteExchange(exchange_of(read), tuple(report.list for report in read.reports))


def encode_site_reply(reply: SiteReply) -> bytes:
    """Write a reply."""
    body: dict[str, Any] = {
        "reports": [
            msgspec.json.decode(encode_status(status)) | {"list": name, "state": state}
            for status, name, state in reply.reports
        ],
        "leases": [],
        "state": reply.state,
        "retry_in_seconds": reply.retry_in_seconds,
    }
    if reply.lease is not None:
        body["leases"] = [msgspec.Raw(encode_lease(reply.lease))]
    return msgspec.json.encode(body)
