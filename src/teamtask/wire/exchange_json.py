"""`decode_exchange` and `encode_reply` for the server, `encode_exchange` and `decode_reply` for the worker: their JSON.

`decode_report` is for the plain call that reports on one lease. Our integers are numbers below 2^53 and decimal text
from there on; both are taken at any size up to 4,000 digits.
"""

from __future__ import annotations

import json
import re
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from teamtask.ledger.errors import InvalidField, TooMany
from teamtask.ledger.returning import shortened
from teamtask.wire.exchange_bodies import (
    ErrorBody,
    ExchangeBody,
    LeaseBody,
    PlainBody,
    ReplyBody,
    ReportBody,
    StatusBody,
    ToldBody,
    WantBody,
    known_fields,
)
from teamtask.wire.exchange_fields import (
    check_text,
    each,
    error_text,
    failed_of,
    fold_of,
    limited,
    optional_number,
    optional_wire,
    ranges_of,
    whole_number,
    wire_fold,
    wire_ranges,
)
from teamtask.wire.limits import ID_CHARACTERS_MAX, REPORTS_MAX, WORKER_CHARACTERS_MAX
from teamtask.wire.messages import Exchange, Lease, Reply, Report, ReportError, ReportStatus, Want
from teamtask.wire.requests import decode_body, invalid_body
from teamtask.wire.result_lines import json_bytes
from teamtask.wire.results_json import batch_of, rows_of
from teamtask.wire.views import wire_integer, wire_item

_T = TypeVar("_T")

_encode = msgspec.json.Encoder().encode
_half_pair = re.compile(rb"\\u[dD][89a-fA-F]").search  # maybe of a whole one


class PlainReport(Struct, frozen=True):
    """A report of one lease that may leave out what the lease knows; `index` and `upto` of `told` hold where given."""

    index: int | None
    upto: int | None
    done: bool
    told: Report

    def report(self, index: int, end: int) -> Report:
        """Give the whole report of the lease [index, end).

        `done` means up to the end; with neither `done` nor `upto` nothing more is done than the rest of it says.
        """
        first = index if self.index is None else self.index
        upto = self.upto
        if upto is None:
            begin = first if self.told.begin is None else self.told.begin
            upto = end if self.done else begin
        return replace(self.told, index=first, upto=upto)


# --- the server's side


def decode_exchange(body: bytes) -> Exchange:
    """Read an exchange. Raises InvalidField with the path of the field, TooMany."""
    return exchange_of(read_body(body, ExchangeBody))


def exchange_of(read: ExchangeBody) -> Exchange:
    """Check an exchange that has been read. Raises InvalidField, TooMany."""
    check_text(read.worker, "worker", WORKER_CHARACTERS_MAX)
    if read.request is not None:
        check_text(read.request, "request", ID_CHARACTERS_MAX)
    if len(read.reports) > REPORTS_MAX:
        message = f"An exchange carries {REPORTS_MAX:,} reports at most, not {len(read.reports):,}."
        raise TooMany(message, field="reports", hint="Send several exchanges.")
    want = None if read.want is None else _want(read.want)
    return Exchange(read.worker, read.request, want, each(_report, read.reports, "reports"))


def decode_report(body: bytes, lease: str) -> PlainReport:
    """Read a report whose lease stands in the URL. Raises InvalidField with the path of the field, TooMany."""
    check_text(lease, "lease", ID_CHARACTERS_MAX)
    read = read_body(body, PlainBody)
    index, upto = optional_number(read.index, "index"), optional_number(read.upto, "upto")
    if read.done and upto is not None:
        raise InvalidField("`done` means everything, and `upto` how far.", field="done", hint="Give one of them.")
    return PlainReport(index, upto, read.done, _told(read, lease, index or 0, upto or 0))


def encode_reply(reply: Reply) -> bytes:
    """Write a reply; what is None is left out but for `retry_in_seconds`."""
    reports = tuple(map(_status_body, reply.reports))
    leases = tuple(map(_lease_body, reply.leases))
    return _written(ReplyBody(reports, leases, reply.state, reply.retry_in_seconds, reply.reason))


def encode_lease(lease: Lease) -> bytes:
    """Write one lease, for the plain call that claims a block."""
    return _written(_lease_body(lease))


def encode_status(status: ReportStatus) -> bytes:
    """Write what became of one report, for the plain call that makes it."""
    return _encode(_status_body(status))


def _written(body: Struct) -> bytes:
    try:
        return _encode(body)
    except UnicodeEncodeError:  # lines may hold bytes that are no UTF-8
        return json_bytes(msgspec.to_builtins(body))


# --- the worker's side


def encode_exchange(exchange: Exchange) -> bytes:
    """Write an exchange.

    Raises InvalidField for what cannot be said: a result that is no JSON or too large, a worker's name that is none.
    """
    check_text(exchange.worker, "worker", WORKER_CHARACTERS_MAX)
    want = exchange.want
    wanted = None if want is None else WantBody(want.seconds, want.items)
    reports = each(_report_body, exchange.reports, "reports")
    return _encode(ExchangeBody(exchange.worker, exchange.request, wanted, reports))


def decode_reply(body: bytes) -> Reply:
    """Read a reply, passing by fields that a newer server added. Raises InvalidField with the path of the field."""
    read = _read_reply(body)
    reports = each(_status, read.reports, "reports")
    return Reply(reports, each(_lease, read.leases, "leases"), read.state, read.retry_in_seconds, read.reason)


# --- reports


def _report(read: ReportBody) -> Report:
    check_text(read.lease, "lease", ID_CHARACTERS_MAX)
    return _told(read, read.lease, whole_number(read.index, "index"), whole_number(read.upto, "upto"))


def _told(read: ToldBody, lease: str, index: int, upto: int) -> Report:
    begin, ranges, failed, end = read.begin, read.ranges, read.failed, read.end  # mostly there is nothing to call for
    return Report(
        lease,
        index,
        upto,
        None if begin is None else whole_number(begin, "from"),
        ranges_of(limited(ranges, "ranges"), "ranges") if ranges else (),
        failed_of(limited(failed, "failed")) if failed else (),
        None if read.results is None else batch_of(read.results),
        None if read.fold is None else fold_of(read.fold),
        None if read.error is None else _error(read.error),
        read.release,
        None if end is None else whole_number(end, "end"),
    )


def _report_body(report: Report) -> ReportBody:
    error, results = report.error, report.results
    return ReportBody(
        report.lease,
        wire_integer(report.index),
        wire_integer(report.upto),
        begin=optional_wire(report.begin),
        ranges=wire_ranges(report.ranges),
        failed=tuple((wire_integer(index), shortened(message)) for index, message in report.failed),
        results=None if results is None else rows_of(results),
        fold=wire_fold(report.fold),
        error=None if error is None else ErrorBody(shortened(error.message), optional_wire(error.index)),
        release=report.release,
        end=optional_wire(report.end),
    )


# --- replies


def _status(read: StatusBody) -> ReportStatus:
    return ReportStatus(
        read.lease,
        read.status,
        optional_number(read.cursor, "cursor"),
        optional_number(read.end, "end"),
        read.expires_in_seconds,
        None if read.rest is None else ranges_of(read.rest, "rest"),
        read.error,
    )


def _status_body(status: ReportStatus) -> StatusBody:
    return StatusBody(
        status.lease,
        status.status,
        optional_wire(status.cursor),
        optional_wire(status.end),
        status.expires_in_seconds,
        None if status.rest is None else wire_ranges(status.rest),
        status.error,
    )


def _lease(read: LeaseBody) -> Lease:
    return Lease(
        read.lease, read.list, read.list_id, read.name,
        whole_number(read.index, "index"), whole_number(read.size, "size"),
        whole_number(read.block_size, "block_size"),
        read.attempt, read.expires_in_seconds, read.fingerprint,
        None if read.rest is None else ranges_of(read.rest, "rest"),
        read.items,
        read.items_url,
    )  # fmt: skip


def _lease_body(lease: Lease) -> LeaseBody:
    return LeaseBody(
        lease.lease, lease.list, lease.list_id, lease.name,
        wire_integer(lease.index), wire_integer(lease.size), wire_integer(lease.block_size),
        lease.attempt, lease.expires_in_seconds, lease.fingerprint,
        None if lease.rest is None else wire_ranges(lease.rest),
        None if lease.items is None else tuple(map(wire_item, lease.items)),
        lease.items_url,
    )  # fmt: skip


def read_body(body: bytes, kind: type[_T]) -> _T:
    """Read what a worker sends; a field that is not known is answered with those that are."""
    try:
        return decode_body(body, kind)
    except InvalidField as error:
        if error.message.startswith("Object contains unknown field"):
            error.hint = f"Known are {', '.join(known_fields(kind, error.field or ''))}."
        raise


def _read_reply(body: bytes) -> ReplyBody:
    """Read a reply, also one with items that are no UTF-8: `json_bytes` escapes them as msgspec does not read it."""
    try:
        return decode_body(body, ReplyBody)
    except InvalidField:
        if not _half_pair(body):
            raise
    try:  # `int` raises ValueError for NaN and the infinities
        return msgspec.convert(json.loads(body, parse_constant=int), ReplyBody)
    except msgspec.ValidationError as error:
        raise invalid_body(error) from error
    except (ValueError, RecursionError) as error:
        raise InvalidField(f"The body cannot be read: {error}.", field="body") from error


def _want(read: WantBody) -> Want:
    if read.seconds is not None and not read.seconds > 0:
        raise InvalidField("A block takes more than no seconds.", field="want.seconds")
    return Want(read.seconds, read.items)


def _error(read: ErrorBody) -> ReportError:
    return ReportError(error_text(read.message, "error.message"), optional_number(read.index, "error.index"))
