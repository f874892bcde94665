"""The calls about the site: who am I, version, tokens, audit, workers; and the metrics for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from teamtask import __version__
from teamtask.access import SiteAction
from teamtask.api.call import BODY_BYTES_MAX, json_response
from teamtask.service.auditing import audit_page
from teamtask.service.directory import check_site
from teamtask.wire.limits import LIMITS
from teamtask.wire.requests import NewToken
from teamtask.wire.views import Me, Version

if TYPE_CHECKING:
    from teamtask.api.call import Call


async def me(call: Call) -> Response:
    """Say who is calling."""
    who = call.principal
    lists = None if who.lists is None else sorted(who.lists)
    shown = Me(who.name, sorted(who.groups), sorted(who.site_roles), who.role_max.name.lower(), lists)
    return json_response(shown)


async def version(_call: Call) -> Response:
    """Say which version this is, and what one call may carry."""
    return json_response(Version(__version__, "v1", LIMITS | {"body_bytes": BODY_BYTES_MAX}))


async def create_token(call: Call) -> Response:
    """Make an API token; its secret is shown this once."""
    body, key = await call.creating(NewToken)
    return json_response(await call.in_thread(call.parts.tokens.create, call.principal, body, key), 201)


async def tokens(call: Call) -> Response:
    """Show the API tokens, without their secrets."""
    after, limit = call.cursor(), call.page_size()
    return json_response(await call.in_thread(call.parts.tokens.list, call.principal, after, limit))


async def delete_token(call: Call) -> Response:
    """Revoke an API token."""
    await call.in_thread(call.parts.tokens.delete, call.principal, call.path("token"))
    return Response(status_code=204)


async def audit(call: Call) -> Response:
    """Show the audit trail, newest first."""
    before = None if call.query("cursor") is None else call.integer("cursor")
    return json_response(await call.in_thread(audit_page, call.parts.store, call.principal, before, call.page_size()))


async def workers(call: Call) -> Response:
    """Show who works on the lists that one may see."""
    page = await call.in_thread(
        call.site.workers, call.principal, call.query("list"), after=call.cursor(), limit=call.page_size()
    )
    return json_response(page)


async def lift_quarantine(call: Call) -> Response:
    """Let a worker work again that was quarantined."""
    return json_response(await call.in_thread(call.site.lift_quarantine, call.principal, call.path("worker")))


async def metrics(call: Call) -> Response:
    """Tell Prometheus how requests and lists stand."""
    check_site(call.principal, SiteAction.READ_METRICS)
    text = await call.in_thread(call.parts.metrics.text)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
