"""Between the wire's messages and the ledger's commands: [index, size] there, [start, stop) here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teamtask.ledger import commands as c
from teamtask.ledger.events import WorkerKey
from teamtask.service.ledgers import Asked
from teamtask.wire import messages as wire
from teamtask.wire.views import wire_error

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamtask.ledger.events import Range
    from teamtask.ledger.ids import ListId
    from teamtask.service.ledgers import Answer


RETRY_SECONDS_MAX = 3_600.0  # who waited longer would not hear that a limit has been raised


def to_command(principal: str, exchange: wire.Exchange) -> c.Exchange:
    """Give the ledger's command for an exchange."""
    want = None if exchange.want is None else c.Want(exchange.want.seconds)
    key = WorkerKey(principal, exchange.worker)
    return c.Exchange(key, tuple(map(to_report, exchange.reports)), want, exchange.request)


def to_asked(list_id: ListId, principal: str, exchange: wire.Exchange) -> Asked:
    """Give what is asked of the ledgers: the command of an exchange, with the results that its reports carry."""
    batches = tuple([report.results for report in exchange.reports])
    kept = batches if any(batch is not None for batch in batches) else ()
    return Asked(list_id, to_command(principal, exchange), kept)


def to_report(report: wire.Report) -> c.Report:
    """Give the ledger's form of a report."""
    results = report.results
    return c.Report(
        report.lease,
        report.index,
        report.upto,
        report.begin,
        tuple((index, index + size) for index, size in report.ranges),
        report.failed,
        None if results is None else c.Outcomes(results.ranges(), results.failed_indices()),
        report.fold,
        None if report.error is None else c.Failure(report.error.message, report.error.index),
        report.release,
        report.end,
    )


def to_reply(answer: Answer) -> wire.Reply:
    """Give the wire's reply for what an exchange came to."""
    reply = answer.reply
    return wire.Reply(
        tuple(_to_status(report, answer.now) for report in reply.reports),
        () if answer.lease is None else (answer.lease,),
        str(reply.state),
        None if reply.retry_in_seconds is None else min(reply.retry_in_seconds, RETRY_SECONDS_MAX),
        reply.reason,
    )


def _to_status(report: c.ReportReply, now: float) -> wire.ReportStatus:
    error = report.error
    return wire.ReportStatus(
        report.lease,
        report.status,
        report.cursor,
        report.end,
        None if report.expires is None else report.expires - now,
        None if report.rest is None else sized(report.rest),
        None if error is None else wire_error(error),
    )


def sized(ranges: Iterable[Range]) -> tuple[wire.IndexSize, ...]:
    """Give ranges [start, stop) as [index, size]."""
    return tuple((start, stop - start) for start, stop in ranges)
