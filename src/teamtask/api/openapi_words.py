"""`FIELDS`, `ERRORS` and other words of the OpenAPI document that no docstring has; its tests refuse one too many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from teamtask.access import ROLES, SiteRole
from teamtask.ledger.list_state import ListState
from teamtask.service.views import RangeState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from enum import StrEnum

ABOUT: Final = """\
Lists, and blocks of them for workers on any machine. Calls carry `Authorization: Bearer TOKEN`; a token is never part \
of a URL. Bodies and answers are JSON unless said otherwise; a field that is not known is refused, and so is a \
parameter of the query.

Our integers (indices, sizes, counts) are numbers below 2^53 and decimal text from there on, in both directions; JSON \
that is yours (results, items) is never rewritten. Times are RFC 3339 in UTC.

Errors are `{"error": {"code", "message", "hint", "detail"}}`; `detail.field` names the field that is wrong. Whoever \
may not even see a list is told that there is none: 404. After 503 `Retry-After` says when to ask again. Every answer \
has an `X-Request-Id`: that of the request, where it came with one.

What comes in pages is `{"items": [...], "next": CURSOR}`, and `?cursor=CURSOR` goes on; `next` is null at the end."""

TAGS: Final = {
    "Lists": "What owners and viewers do with lists.",
    "Work": "What workers do: claim blocks and report on them.",
    "Site": "Who works, who may, what happened.",
    "Public": "What needs no token.",
}

PATHS: Final = {
    "list": "The name of a list.",
    "block": "The public name of a block.",
    "lease": "The id of a lease, as claiming it gave.",
    "worker": "The id of a worker.",
    "token": "The id of a token, which is no secret.",
}

IDEMPOTENCY_KEY: Final = (
    "Makes the call safe to repeat: the same key with the same body makes nothing twice. Kept for 24 hours."
)

# What a field says; a name means the same everywhere, but for those that stand here with their type.
FIELDS: Final = {
    "action": "What was done.",
    "api": "The version of the API.",
    "at": "When.",
    "attempt": "1 for the first; each failure adds one.",
    "attempts": "How often an item may fail before it is parked, 1 to 100.",
    "block": "How large blocks are: `size` items, or as many as take `seconds` (30 by default), `max` at most.",
    "block_size": "The lease is worked in blocks of so many items.",
    "blocks": "How many leases it holds.",
    "ListEvent.blocks": "How many blocks are ready (leased), returned and parked.",
    "blocks_per_principal": "Leases that one principal may hold.",
    "blocks_per_worker": "Leases that one worker may hold.",
    "changed": "How many indices came back or were added.",
    "completed_at": "When it was finished.",
    "created_at": "When it was created.",
    "created_by": "The principal that made it.",
    "cursor": "The first index of the lease that is not done.",
    "detail": "More about it.",
    "done": "How many are done.",
    "Block.lease": "The id by which it is reported; null for all but who claimed it.",
    "Block.done": "How many of its indices are done.",
    "PlainBody.done": "All of it is done; in the place of `upto`.",
    "end": "Where the lease ends by now.",
    "ReportBody.end": "Cut the lease: what lies from here on is given back.",
    "ListReportBody.end": "As in `ReportBody`.",
    "PlainBody.end": "As in `ReportBody`.",
    "error": "Why it is given up.",
    "StatusBody.error": "With the status error: code, message and hint.",
    "ListStatusBody.error": "As in `StatusBody`.",
    "eta_seconds": "When it will be finished at this rate; null when unknown.",
    "expires_at": "When it ends; null: never.",
    "expires_in_seconds": "How long the lease lasts unless a report renews it.",
    "NewToken.expires_in_seconds": "How long it holds; null: until it is revoked.",
    "failed": "How many of the items that are done have failed.",
    "ReportBody.failed": "Indices that could not be worked, each with the reason: `[[index, message], ...]`.",
    "ListReportBody.failed": "As in `ReportBody`.",
    "PlainBody.failed": "As in `ReportBody`.",
    "RerunBody.failed": "Only those whose result is not ok.",
    "fingerprint": "Tells the items of one list from those of another.",
    "first_seen_at": "When it first claimed.",
    "fold": "The fold of what is done so far; null: none, or nothing is done.",
    "NewList.fold": 'count, sum, min, max, any or all; `{"top": k}`; `{"histogram": [edges]}`.',
    "ReportBody.fold": "The fold of exactly what this report says is done.",
    "ListReportBody.fold": "As in `ReportBody`.",
    "PlainBody.fold": "As in `ReportBody`.",
    "fold_rule": "The fold that the list was created with.",
    "from": "The first index that is done by this report; `index` if left out.",
    "frontier": "Nothing from here on was ever handed out.",
    "groups": "The groups of whoever calls.",
    "id": "Its id.",
    "index": "The first index.",
    "ErrorBody.index": "The item at fault, if that is known.",
    "OutcomeLine.index": "The index of the item.",
    "item": "The item itself.",
    "item_seconds": "A lease without progress for so long is no longer extended; null: a live worker is waited for.",
    "items": "The items.",
    "GrowBody.items": "Lines to be added.",
    "LeaseBody.items": "The items of the lease, where they were wanted and are not too many.",
    "WantBody.items": "Put the items into the lease.",
    "items_per_second": "As many items are handed out in a second at most; null: no limit.",
    "items_url": "Where the items are that were too many to come with the lease.",
    "labels": "Names and values of your own.",
    "last_seen_at": "When it last claimed or reported.",
    "lease": "The id of the lease.",
    "lease_seconds": "How long a lease lasts unless it is renewed; 1 at least.",
    "leased": "How many are being worked on.",
    "leased_at": "When it was claimed.",
    "leases": "One lease, or none.",
    "left": "How many ranges are left for another call.",
    "limits": "What one call may carry, by name.",
    "NewList.limits": "Limits on leases and workers.",
    "ListChange.limits": "As in `NewList`.",
    "Worklist.limits": "Limits on leases and workers.",
    "ListEvent.limits": "As in `Worklist`.",
    "list": "The name of the list.",
    "Changed.list": "The list as it is now.",
    "AuditEntry.list": "The name of the list that it was done to.",
    "list_id": "The id of the list.",
    "lists": "The names of the lists that it is for; null: all.",
    "max": "So many items at most, however fast they are.",
    "message": "What happened.",
    "name": "Its name.",
    "NewList.name": "1 to 63 letters, digits, dots, dashes and underscores, a letter or digit first.",
    "NewToken.name": "As the name of a list; the principal is called `token:NAME`.",
    "no": "Its number, which rises by time.",
    "ok": "Whether the item went well.",
    "parked": "How many failed too often and wait for their owner.",
    "LimitsBody.parked": "With more parked indices than that the list is paused.",
    "principal": "Who it belongs to, or who did it: `token:NAME` or a user.",
    "priority": "Work of a higher priority is given first, -1,000 to 1,000.",
    "ranges": "Ranges that are done beyond `upto`: `[[index, size], ...]`.",
    "RerunBody.ranges": 'Which ones: `[[index, size], ...]`, or text like "0-99,200,300-".',
    "UnparkBody.ranges": "As in `RerunBody`; all without it.",
    "rate": "Items a second.",
    "reason": "Why it is as it is, where that is not plain.",
    "release": "Give back what is left of the lease.",
    "reports": "What became of each report, in their order.",
    "ExchangeBody.reports": "Reports of leases that the worker holds, or held.",
    "SiteExchangeBody.reports": "Reports of leases of any lists.",
    "request": "An id that makes the claim safe to repeat.",
    "rest": "What is left of the lease: `[[index, size], ...]`.",
    "restarts": "How often it came back.",
    "result": "What came of the item.",
    "results": "How many results there are.",
    "ReportBody.results": "Results: `[[index, value], ...]` or `[index, value, ok]`.",
    "ListReportBody.results": "As in `ReportBody`.",
    "PlainBody.results": "As in `ReportBody`.",
    "retry_in_seconds": "When to ask again; null: a lease came with it, or there is nothing more to come.",
    "returned": "How many came back and wait to be handed out again.",
    "role": "What it may be to a list at most.",
    "roles": 'Who else is what to the list: `{"worker": ["group:staff"], "viewer": ["everyone"]}`.',
    "seconds": "As many items as take so long.",
    "WantBody.seconds": "A block of so many seconds, in the place of the list's.",
    "seq": "Its number in order of arrival.",
    "site_roles": "What it is to the whole site.",
    "size": "How many indices there are.",
    "BlockBody.size": "So many items.",
    "GrowBody.size": "How many items a range is to have in all.",
    "source": "What the items are.",
    "start": "The list's first index.",
    "started_at": "When the first block was handed out; null before that.",
    "state": "What it is doing.",
    "ListStatusBody.state": "The state of the list; unknown where there is none that one may see.",
    "ReplyBody.state": "The state of the list; says whether to go home.",
    "status": "What became of the report.",
    "Health.status": "How it is.",
    "stop_after_results": "The list stops when so many results are there; null: never.",
    "token": "The secret itself, shown this once.",
    "upto": "Everything of the lease below it is done.",
    "version": "The version of the server.",
    "want": "What is wanted; `{}` is enough. Without it nothing is claimed.",
    "weight": "Among lists of equal priority the share of the work.",
    "worker": "The name of the worker; it informs, the lease is its principal's.",
    "workers": "How many workers are active.",
    "LimitsBody.workers": "Workers of the list.",
    "workers_per_principal": "Workers that one principal may have.",
}

_STATUSES: Final = ("held", "done", "failed", "released", "already_done", "stale", "cut", "error")
_BLOCK_STATES: Final = ("ready", *(state for state in RangeState if state is not RangeState.LEASED))
VALUES: Final[dict[str, Iterable[str] | type[StrEnum]]] = {
    "Worklist.state": ListState,
    "ListEvent.state": ListState,
    "Block.state": _BLOCK_STATES,
    "Worker.state": ("active", "idle", "quarantined"),
    "ReplyBody.state": ListState,
    "SiteReplyBody.state": ListState,
    "ListStatusBody.state": (*ListState, "unknown"),
    "StatusBody.status": _STATUSES,
    "ListStatusBody.status": _STATUSES,
    "Health.status": ("ok", "ready", "stopping", "unavailable"),
    "NewToken.role": ROLES,
    "NewToken.site_roles": SiteRole,
    "Token.role": ROLES,
    "Token.site_roles": SiteRole,
    "NewTokenShown.role": ROLES,
    "NewTokenShown.site_roles": SiteRole,
    "Me.role": ROLES,
    "Me.site_roles": SiteRole,
}

ERRORS: Final = {
    "body_too_large": "The body has more than 16 MiB.",
    "fold_cannot_be_divided": "A list with a fold is rerun whole or not at all.",
    "forbidden": "You may see this, but not do that.",
    "head_too_large": "The address and the headers have more than 64 KiB.",
    "idempotency_key_reused": "The Idempotency-Key was sent before, with another body.",
    "internal_error": "Something went wrong in the server; its log says what, under the request's id.",
    "invalid_field": "A value is not allowed; `detail.field` names it.",
    "invalid_request": "That is no HTTP/1.1.",
    "invalid_source": "The items of the list cannot be what the source says.",
    "items_not_kept": "The items of this list are objects of the program that made it.",
    "list_finished": "There is nothing more to work on.",
    "method_not_allowed": "This address does not take that method.",
    "name_taken": "There is a list of that name already.",
    "not_found": "There is no such thing, or you may not see it.",
    "overloaded": "The server has more to do than it can; nothing was changed.",
    "report_refused": "The report was refused; `detail.reason` is why.",
    "request_timed_out": "The body did not arrive in time.",
    "stale_version": "Somebody else has changed it meanwhile; give the same call again.",
    "store_damaged": "What the store holds cannot be read.",
    "store_full": "The disk of the store is full.",
    "store_unavailable": "The store did not answer; nothing that was acknowledged is lost.",
    "token_made_before": "The token was made by an earlier call with this Idempotency-Key, and its secret shown then.",
    "too_many": "That is more than one call may carry.",
    "unauthorized": "The request carries no credentials that hold here.",
    "unsupported_media_type": "This call does not take that kind of body.",
    "wrong_state": "The list is not in a state in which this can be done.",
}
