"""`ROUTES`: the route table of the web API on one page: the right that each call needs, what it takes and gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from teamtask.access import Action, SiteAction
from teamtask.api import list_routes, public_routes, queries, result_routes, site_routes, work_routes
from teamtask.api.answers import Health, ListEvent, OutcomeLine, SiteReplyBody
from teamtask.api.route import HTML_TYPE, JSON_TYPE, SIGNED_IN, ApiRoute, PageOf, PublicRoute, Stream
from teamtask.api.site_exchange import site_exchange
from teamtask.api.work_routes import NewBlock
from teamtask.wire.exchange_bodies import ExchangeBody, LeaseBody, PlainBody, ReplyBody, StatusBody
from teamtask.wire.requests import GrowBody, ListChange, NewList, NewToken, RerunBody, UnparkBody
from teamtask.wire.site_exchange_json import SiteExchangeBody
from teamtask.wire.views import (
    AuditEntry,
    Block,
    Changed,
    Items,
    Me,
    NewTokenShown,
    Range,
    Token,
    Version,
    Worker,
    Worklist,
)

if TYPE_CHECKING:
    from teamtask.api.respond import Api
    from teamtask.api.server_parts import ServerParts

_LINES: Final = Stream(
    ("text/plain", "application/octet-stream", *result_routes.NDJSON_TYPES),
    "One item a line, a missing last newline is fine; as ndjson a JSON text a line.",
)
_RESULTS: Final = Stream(
    tuple(result_routes.FORMATS.values()),
    "A result a line; of CSV the first line is `index,item,ok,result,worker,seq`.",
    OutcomeLine,
)
_EVENTS: Final = Stream(
    ("text/event-stream",), "`event: list` and its data, the first one at once; a comment when all is quiet.", ListEvent
)
_METRICS: Final = Stream(("text/plain",), "Metrics in the text format of Prometheus.")
_DOCUMENT: Final = Stream((JSON_TYPE,), "An OpenAPI 3.1 document.")
_PAGE: Final = Stream((HTML_TYPE,), "A page of HTML.")

_LIST: Final = "/v1/lists/{list}"
_VIEW, _WORK, _CHANGE = Action.VIEW, Action.WORK, Action.CHANGE
_TOKENS: Final = SiteAction.MANAGE_TOKENS
_MOVED: Final = ("wrong_state",)
ROUTES: Final[tuple[ApiRoute, ...]] = (
    ApiRoute(
        "POST", "/v1/lists", list_routes.create, SiteAction.CREATE_LISTS, Worklist, NewList,
        errors=("name_taken", "invalid_source", "not_found"), status=201, creates=True,
    ),
    ApiRoute(
        "GET", "/v1/lists", list_routes.index, SIGNED_IN, PageOf(Worklist),
        query=(queries.LIST_STATE, queries.LABEL, *queries.PAGED),
    ),
    ApiRoute("GET", _LIST, list_routes.show, _VIEW, Worklist),
    ApiRoute("PATCH", _LIST, list_routes.change, _CHANGE, Worklist, ListChange),
    ApiRoute("DELETE", _LIST, list_routes.delete, _CHANGE),
    ApiRoute(
        "PUT", f"{_LIST}/items", result_routes.upload, _CHANGE, Worklist, _LINES,
        errors=("wrong_state", "invalid_source", "stale_version"),
    ),
    ApiRoute(
        "GET", f"{_LIST}/items", list_routes.items, _VIEW, Items,
        query=(queries.INDEX, queries.SIZE), errors=("items_not_kept",),
    ),
    ApiRoute("POST", f"{_LIST}/pause", list_routes.pause, _CHANGE, Worklist, errors=_MOVED),
    ApiRoute("POST", f"{_LIST}/resume", list_routes.resume, _CHANGE, Worklist, errors=_MOVED),
    ApiRoute("POST", f"{_LIST}/cancel", list_routes.cancel, _CHANGE, Worklist, errors=_MOVED),
    ApiRoute(
        "POST", f"{_LIST}/rerun", list_routes.rerun, _CHANGE, Changed, RerunBody,
        errors=("fold_cannot_be_divided", "too_many"),
    ),
    ApiRoute("POST", f"{_LIST}/unpark", list_routes.unpark, _CHANGE, Changed, UnparkBody, errors=("too_many",)),
    ApiRoute(
        "POST", f"{_LIST}/grow", list_routes.grow, _CHANGE, Changed, GrowBody, errors=("wrong_state", "stale_version")
    ),
    ApiRoute(
        "GET", f"{_LIST}/blocks", list_routes.blocks, _VIEW, PageOf(Block),
        query=(queries.BLOCK_STATE, *queries.PAGED_BY_INDEX),
    ),
    ApiRoute("DELETE", f"{_LIST}/blocks/{{block}}", list_routes.take_back, _CHANGE),
    ApiRoute(
        "GET", f"{_LIST}/ranges", list_routes.ranges, _VIEW, PageOf(Range),
        query=(queries.RANGE_STATE, *queries.PAGED_BY_INDEX),
    ),
    ApiRoute(
        "GET", f"{_LIST}/results", result_routes.results, _VIEW, _RESULTS,
        query=(queries.FORMAT, queries.FROM, queries.OK, queries.SINCE),
    ),
    ApiRoute("GET", f"{_LIST}/events", result_routes.events, _VIEW, _EVENTS, errors=("overloaded",)),
    ApiRoute(
        "POST", f"{_LIST}/exchange", work_routes.exchange, _WORK, ReplyBody, ExchangeBody, errors=("too_many",)
    ),
    ApiRoute(
        "POST", f"{_LIST}/blocks", work_routes.claim, _WORK, LeaseBody, NewBlock,
        errors=("list_finished",), status=201, may_have_nothing=True,
    ),
    ApiRoute(
        "POST", f"{_LIST}/blocks/{{lease}}", work_routes.report, _WORK, StatusBody, PlainBody,
        errors=("report_refused", "too_many"),
    ),
    ApiRoute(
        "POST", "/v1/exchange", site_exchange, SIGNED_IN, SiteReplyBody, SiteExchangeBody,
        errors=("too_many", "overloaded"),
    ),
    ApiRoute(
        "GET", "/v1/workers", site_routes.workers, SIGNED_IN, PageOf(Worker),
        query=(queries.WORKERS_LIST, *queries.PAGED), errors=("not_found",),
    ),
    ApiRoute(
        "DELETE", "/v1/workers/{worker}/quarantine", site_routes.lift_quarantine, SIGNED_IN, Worker,
        errors=("not_found", "forbidden"),
    ),
    ApiRoute("GET", "/v1/me", site_routes.me, SIGNED_IN, Me),
    ApiRoute("GET", "/v1/version", site_routes.version, SIGNED_IN, Version),
    ApiRoute(
        "POST", "/v1/tokens", site_routes.create_token, _TOKENS, NewTokenShown, NewToken,
        errors=("token_made_before",), status=201, creates=True,
    ),
    ApiRoute("GET", "/v1/tokens", site_routes.tokens, _TOKENS, PageOf(Token), query=queries.PAGED),
    ApiRoute("DELETE", "/v1/tokens/{token}", site_routes.delete_token, _TOKENS, errors=("not_found",)),
    ApiRoute(
        "GET", "/v1/audit", site_routes.audit, SiteAction.READ_AUDIT, PageOf(AuditEntry), query=queries.PAGED_BY_INDEX
    ),
    ApiRoute("GET", "/metrics", site_routes.metrics, SiteAction.READ_METRICS, _METRICS),
)  # fmt: skip
# What is shown to everybody, credentials or not.
PUBLIC: Final[tuple[PublicRoute, ...]] = (
    PublicRoute("/healthz", public_routes.healthz, {200: Health}),
    PublicRoute("/readyz", public_routes.readyz, {200: Health, 503: Health}),
    PublicRoute("/v1/openapi.json", public_routes.openapi_json, {200: _DOCUMENT}),
    PublicRoute("/docs", public_routes.docs, {200: _PAGE}),
)


def make_app(parts: ServerParts) -> Api:
    """Give the ASGI application of a server."""
    from teamtask.api.respond import Api

    return Api(parts, ROUTES, {route.path: route.handler for route in PUBLIC})
