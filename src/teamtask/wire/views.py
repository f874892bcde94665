"""`Worklist`, `Block`, `Worker`, `Range`: what the API shows of a list; `wire_form` readies one for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import fields

if TYPE_CHECKING:
    from teamtask.ledger.errors import TeamtaskError

SAFE_INTEGER_END = 2**53  # from here on a float, and with it many a JSON parser, confuses neighbours
ITEMS_MAX = 10_000  # items in one `Items`


class Worklist(Struct, frozen=True):
    """A list; `done + leased + returned + parked + (start + size - frontier) == size`. Times are RFC 3339 in UTC.

    `reason` says why it stands in its state where that is not plain; `rate` is in items a second; `eta_seconds` is None
    when unknown; `fold` is the value so far and `fold_rule` what the list was created with, as everything after it is.
    """

    id: str
    name: str
    state: str
    reason: str | None
    start: int
    size: int
    done: int
    failed: int
    leased: int
    returned: int
    parked: int
    frontier: int
    rate: float
    eta_seconds: float | None
    workers: int
    results: int
    fold: Any
    created_at: str
    started_at: str | None
    completed_at: str | None
    fingerprint: str
    source: dict[str, Any]
    block: dict[str, Any]
    lease_seconds: float
    limits: dict[str, Any]
    attempts: int
    item_seconds: float | None
    fold_rule: Any
    stop_after_results: int | None
    priority: int
    weight: float
    labels: dict[str, str]
    roles: dict[str, list[str]]


class Changed(Struct, frozen=True):
    """What an owner's call came to: the list, how many indices came back or were added, how many ranges are left."""

    list: Worklist
    changed: int
    left: int


class Block(Struct, frozen=True):
    """A block: one that is leased (`ready`), or a range of one state (`done`, `returned`, `parked`) that nobody holds.

    `done` counts the indices of it that are; `attempt` is 1 for the first; `restarts` says how often it came back.
    What only a lease has is None for the others, and the times also when the clock has started anew since. `reason` is
    the error for which indices were parked. `lease` is the id by which it is reported, for its claimer alone.
    """

    name: str
    state: str
    index: int
    size: int
    done: int
    attempt: int
    restarts: int
    worker: str | None = None
    principal: str | None = None
    leased_at: str | None = None
    expires_in_seconds: float | None = None
    rate: float | None = None
    reason: str | None = None
    lease: str | None = None


class Worker(Struct, frozen=True):
    """A worker of one list; `blocks` is how many leases it holds, `rate` items a second, `state` active or idle."""

    id: str
    name: str
    principal: str
    list: str
    blocks: int
    rate: float
    done: int
    failed: int
    first_seen_at: str | None
    last_seen_at: str | None
    state: str
    reason: str | None = None


class Token(Struct, frozen=True):
    """An API token, without its secret: `role` and `lists` (None: all) are its scope, times RFC 3339 in UTC."""

    id: str
    name: str
    role: str
    lists: list[str] | None
    site_roles: list[str]
    created_at: str
    created_by: str
    expires_at: str | None


class NewTokenShown(Token, frozen=True):
    """A token as whoever made it sees it, once: with its secret."""

    token: str


class Me(Struct, frozen=True):
    """Who is calling: `role` and `lists` (None: all) are the scope of the credentials."""

    principal: str
    groups: list[str]
    site_roles: list[str]
    role: str
    lists: list[str] | None


class Version(Struct, frozen=True):
    """The server's version, and what it takes in one call."""

    version: str
    api: str
    limits: dict[str, int]


class AuditEntry(Struct, frozen=True):
    """Who did what, when; `no` rises by time."""

    no: int
    at: str
    principal: str
    action: str
    list: str | None
    detail: dict[str, Any]


class Range(Struct, frozen=True):
    """The indices of [index, index + size)."""

    index: int
    size: int


class Items(Struct, frozen=True):
    """Items from `index` on, ITEMS_MAX at most."""

    index: int
    items: list[Any]


class Page(Struct, frozen=True):
    """Some of many; `next` is the cursor of the rest, None at the end."""

    items: tuple[Any, ...]
    next: str | None = None


def wire_integer(number: int) -> int | str:
    """Give one of our integers for JSON: as it is, from 2^53 on as decimal text."""
    return number if -SAFE_INTEGER_END < number < SAFE_INTEGER_END else str(number)


def wire_integers(value: Any) -> Any:  # noqa: ANN401 - any JSON of ours: a fold, the bounds of a range
    """Give JSON that is ours with every integer in it as `wire_integer` has it."""
    if isinstance(value, dict):
        return {name: wire_integers(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [wire_integers(part) for part in value]
    return wire_integer(value) if type(value) is int else value


def wire_error(error: TeamtaskError) -> dict[str, Any]:
    """Give an error as the API shows all: its code, message, hint, and `detail` with its field if it has one."""
    detail = ({} if error.field is None else {"field": error.field}) | wire_integers(error.detail)
    return {"code": error.code, "message": error.message, "hint": error.hint, "detail": detail}


def wire_item(item: Any) -> Any:  # noqa: ANN401 - an item is any JSON
    """Give an item for JSON; an integer is a range's and so one of ours, anything else is left as it is."""
    return wire_integer(item) if type(item) is int else item


def wire_form(view: Any) -> Any:  # noqa: ANN401 - a message, or a part of one
    """Give a message as plain values for JSON: its integers as `wire_integer`, dicts and lists in it as they are."""
    if isinstance(view, Struct):
        return {field.encode_name: wire_form(getattr(view, field.name)) for field in fields(view)}
    if isinstance(view, tuple):
        return [wire_form(part) for part in view]
    return wire_integer(view) if type(view) is int else view
