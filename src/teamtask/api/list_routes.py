"""The calls of owners and viewers: create, show, change, delete, move, rerun, grow; items, blocks, ranges, workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from teamtask.api.call import json_response
from teamtask.ledger.errors import InvalidField
from teamtask.ledger.list_state import Move
from teamtask.service.views import RangeState
from teamtask.wire.requests import GrowBody, ListChange, NewList, RerunBody, UnparkBody

if TYPE_CHECKING:
    from teamtask.api.call import Call


async def create(call: Call) -> Response:
    """Create a list."""
    body, key = await call.creating(NewList)
    return json_response(await call.in_thread(call.parts.owners.create, call.principal, body, key), 201)


async def index(call: Call) -> Response:
    """Show the lists that one may see."""
    page = await call.in_thread(
        call.site.lists,
        call.principal,
        state=call.query("state"),
        label=call.query("label"),
        after=call.cursor(),
        limit=call.page_size(),
    )
    return json_response(page)


async def show(call: Call) -> Response:
    """Show a list."""
    return json_response(await call.in_thread(call.site.show, call.principal, call.path("list")))


async def change(call: Call) -> Response:
    """Change limits, blocks, priority, weight, roles, labels."""
    body = await call.body(ListChange)
    return json_response(await call.in_thread(call.parts.owners.change, call.principal, call.path("list"), body))


async def delete(call: Call) -> Response:
    """Delete a list and all that was recorded of it."""
    await call.in_thread(call.parts.owners.delete, call.principal, call.path("list"))
    return Response(status_code=204)


async def pause(call: Call) -> Response:
    """Hand out nothing more for now."""
    return await _move(call, Move.PAUSE)


async def resume(call: Call) -> Response:
    """Go on with a list that is paused, cancelled or stopped."""
    return await _move(call, Move.RESUME)


async def cancel(call: Call) -> Response:
    """Hand out nothing more, ever, unless it is resumed."""
    return await _move(call, Move.CANCEL)


async def _move(call: Call, move: Move) -> Response:
    return json_response(await call.in_thread(call.parts.owners.move, call.principal, call.path("list"), move))


async def rerun(call: Call) -> Response:
    """Bring done indices back; what was recorded of them no longer counts.

    A list with a fold is rerun whole: its fold starts anew.
    """
    body = await call.body(RerunBody)
    name = call.path("list")
    return json_response(
        await call.in_thread(call.parts.owners.rerun, call.principal, name, body.ranges, failed=body.failed)
    )  # fmt: skip


async def unpark(call: Call) -> Response:
    """Bring parked indices back, their failures forgotten."""
    body = await call.body(UnparkBody)
    return json_response(await call.in_thread(call.parts.owners.unpark, call.principal, call.path("list"), body.ranges))


async def grow(call: Call) -> Response:
    """Make a range or lines longer, where they are not shuffled."""
    body = await call.body(GrowBody)
    return json_response(await call.in_thread(call.parts.owners.grow, call.principal, call.path("list"), body))


async def blocks(call: Call) -> Response:
    """Show the blocks that are worked on; of a finished list what it has become.

    The id of a block's lease is shown to nobody but who claimed it.
    """
    state, after, limit = _state(call), call.integer("cursor", -1), call.page_size()
    name = call.path("list")
    return json_response(
        await call.in_thread(call.site.blocks, call.principal, name, state, after=after, limit=limit)
    )  # fmt: skip


async def take_back(call: Call) -> Response:
    """Take a block back from its worker."""
    await call.in_thread(call.parts.owners.take_back, call.principal, call.path("list"), call.path("block"))
    return Response(status_code=204)


async def ranges(call: Call) -> Response:
    """Show the merged ranges of what is done, or leased, returned or parked."""
    state = _state(call) or RangeState.DONE
    after, limit = call.integer("cursor", -1), call.page_size()
    name = call.path("list")
    return json_response(
        await call.in_thread(call.site.ranges, call.principal, name, state, after=after, limit=limit)
    )  # fmt: skip


def _state(call: Call) -> RangeState | None:
    text = call.query("state")
    if text is not None and text not in set(RangeState):
        raise InvalidField(f"{text!r:.80} is no state.", field="state", hint=f"One of {', '.join(RangeState)}.")
    return None if text is None else RangeState(text)


async def items(call: Call) -> Response:
    """Show the items themselves."""
    first, size = call.integer("index"), call.integer("size", low=1)
    name = call.path("list")
    return json_response(await call.in_thread(call.parts.work.items, call.principal, name, first, size))
