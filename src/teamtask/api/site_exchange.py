"""`site_exchange`: the exchange over all lists that one may work on; each list is committed by itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import Response

from teamtask.api.call import decoded, whole_body
from teamtask.api.work_routes import carried_out
from teamtask.ledger.errors import TeamtaskError
from teamtask.service.group_commit import Overloaded
from teamtask.service.service import NoSuchList
from teamtask.stores.store import StoreUnavailable
from teamtask.wire.messages import Exchange, Reply, ReportStatus
from teamtask.wire.site_exchange_json import SiteReply, decode_site_exchange, encode_site_reply
from teamtask.wire.views import wire_error

if TYPE_CHECKING:
    from teamtask.api.call import Call
    from teamtask.wire.site_exchange_json import SiteExchange

RETRY_SECONDS = 5.0  # where no list has said when to ask again


async def site_exchange(call: Call) -> Response:
    """Take reports of any lists, and give a lease of one of them, by priority and weight."""
    message = await decoded(decode_site_exchange, await whole_body(call.receive))
    reply = SiteReply(await _reported(call, message))
    if message.exchange.want is not None:
        await _claim(call, message.exchange, reply)
    return Response(encode_site_reply(reply), media_type="application/json")


async def _reported(call: Call, message: SiteExchange) -> list[tuple[ReportStatus, str, str]]:
    """Give what became of each report, in order, with its list and the state of that."""
    positions: dict[str, list[int]] = {}
    for position, name in enumerate(message.lists):
        positions.setdefault(name, []).append(position)
    reports = message.exchange.reports
    exchanges = [
        Exchange(message.exchange.worker, reports=tuple(reports[position] for position in some))
        for some in positions.values()
    ]
    replies = await asyncio.gather(*map(_of_list, [call] * len(exchanges), positions, exchanges))
    found: dict[int, tuple[ReportStatus, str, str]] = {}
    for (name, some), reply in zip(positions.items(), replies, strict=True):
        for position, status in zip(some, reply.reports, strict=True):
            found[position] = (status, name, reply.state)
    return [found[position] for position in range(len(reports))]


async def _of_list(call: Call, name: str, exchange: Exchange) -> Reply:
    """Carry out what concerns one list; a list that is not there spoils its own reports only."""
    try:
        asking = call.parts.work.ask(call.principal, name, exchange)
        answer = await carried_out(call.parts, asking)
        return await call.in_thread(call.parts.work.answer, asking, answer)
    except (StoreUnavailable, Overloaded):
        raise  # nobody may take these reports for answered
    except TeamtaskError as error:
        statuses = tuple(ReportStatus(report.lease, "error", error=wire_error(error)) for report in exchange.reports)
        return Reply(statuses, (), "unknown")


async def _claim(call: Call, exchange: Exchange, reply: SiteReply) -> None:
    """Ask one list after the other, until one gives a lease."""
    scheduler = call.parts.scheduler
    entries = await call.in_thread(scheduler.candidates, call.principal, exchange.worker, exchange.request)
    claim = Exchange(exchange.worker, exchange.request, exchange.want)
    retry: list[float] = []
    for entry in entries:
        try:
            asking = call.parts.work.ask(call.principal, entry.record.name, claim)
            answer = await carried_out(call.parts, asking)
        except NoSuchList:
            continue
        answered = await call.in_thread(call.parts.work.answer, asking, answer)
        if answered.leases:
            reply.lease, reply.state = answered.leases[0], answered.state
            return
        if answered.retry_in_seconds is not None:
            retry.append(answered.retry_in_seconds)
    reply.retry_in_seconds = min(retry, default=RETRY_SECONDS)
