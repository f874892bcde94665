"""The calls of workers: the exchange, and the two plain ones for people with curl."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct
from starlette.responses import Response

from teamtask.api.call import decoded, path_text, whole_body
from teamtask.ledger.errors import TeamtaskError
from teamtask.service.service import NoSuchList
from teamtask.stores.store import ListGone
from teamtask.wire.exchange_fields import WorkerName, check_text
from teamtask.wire.exchange_json import decode_exchange, decode_report, encode_lease, encode_reply, encode_status
from teamtask.wire.limits import WORKER_CHARACTERS_MAX
from teamtask.wire.messages import Exchange, Want

if TYPE_CHECKING:
    from teamtask.access import Principal
    from teamtask.api.call import Call
    from teamtask.api.server_parts import ServerParts
    from teamtask.service.ledgers import Answer
    from teamtask.service.site_work import Asking


class ListFinished(TeamtaskError):
    """The list is finished: there is nothing more to work on."""

    code = "list_finished"


class ReportRefused(TeamtaskError):
    """The report was refused."""

    code = "report_refused"


class NewBlock(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of the plain claim."""

    worker: WorkerName


def asking_of(parts: ServerParts, principal: Principal, name: bytes, body: bytes) -> Asking:
    """Take an exchange as it came. Raises NoSuchList, Forbidden, InvalidField, TooMany."""
    text = path_text(name)
    if text is None or "/" in text:
        raise NoSuchList("There is no such list: its name is no name.")
    return parts.work.ask(principal, text, decode_exchange(body))


def reply_of(parts: ServerParts, asking: Asking, answer: Answer | BaseException) -> bytes:
    """Give the body of the reply to an exchange. Raises what it came to, where that is an error."""
    if isinstance(answer, BaseException):
        raise _of_list(parts, asking, answer)
    return encode_reply(parts.work.answer(asking, answer))


async def exchange(call: Call) -> Response:
    """Take a worker's reports, and give it a lease if it wants one.

    A report that is wrong does not spoil its neighbours, its status is error. `request` makes the claim safe to repeat;
    reports repeat safely by themselves. No work now: `leases` is empty, and `retry_in_seconds` says when to ask again.
    """
    # A server answers it in `exchange_protocol` already; this is for any other.
    body = await whole_body(call.receive)
    asking = await decoded(partial(asking_of, call.parts, call.principal, call.path("list").encode()), body)
    answer = await carried_out(call.parts, asking)
    if asking.items:  # they are read from the store
        return Response(await call.in_thread(reply_of, call.parts, asking, answer), media_type="application/json")
    return Response(reply_of(call.parts, asking, answer), media_type="application/json")


async def claim(call: Call) -> Response:
    """Give one block with its items, for people with curl."""
    body = await call.body(NewBlock)
    check_text(body.worker, "worker", WORKER_CHARACTERS_MAX)
    message = Exchange(body.worker, want=Want(items=True))
    asking = call.parts.work.ask(call.principal, call.path("list"), message)
    answer = await carried_out(call.parts, asking)
    reply = await call.in_thread(call.parts.work.answer, asking, answer)
    if reply.leases:
        return Response(encode_lease(reply.leases[0]), 201, media_type="application/json")
    if reply.retry_in_seconds is None:
        raise ListFinished(reply.reason, state=reply.state)
    return Response(status_code=204, headers={"retry-after": str(max(1, math.ceil(reply.retry_in_seconds)))})


async def report(call: Call) -> Response:
    """Take a report of one block, for people with curl; `{"done": true}` finishes it."""
    lease = call.path("lease")
    plain = await decoded(decode_report, await whole_body(call.receive), lease)
    asking = call.parts.work.ask_report(call.principal, call.path("list"), lease, plain)
    reply = call.parts.work.answer(asking, await carried_out(call.parts, asking))
    status = reply.reports[0]
    if status.error is not None:
        said = status.error
        raise ReportRefused(
            said["message"], hint=said["hint"], field=said["detail"].get("field", "body"), reason=said["code"]
        )
    return Response(encode_status(status), media_type="application/json")


async def carried_out(parts: ServerParts, asking: Asking) -> Answer:
    """Have what is asked carried out and committed. Raises what it came to, where that is an error."""
    answer = await parts.running_commits().carry_out(asking.asked)
    if isinstance(answer, BaseException):
        raise _of_list(parts, asking, answer)
    return answer


def _of_list(parts: ServerParts, asking: Asking, error: BaseException) -> BaseException:
    """Give the error as it is told: a list that is gone was never there."""
    if not isinstance(error, ListGone):
        return error
    name = asking.entry.record.name
    parts.site.directory.forget(name)
    return NoSuchList(f"There is no list {name!r:.80}.")
