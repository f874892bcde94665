"""Answers that are put together from parts, each as a whole for the OpenAPI document; its tests hold them to it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from teamtask.wire.exchange_bodies import LeaseBody, StatusBody
from teamtask.wire.views import Worklist


class Health(Struct, frozen=True, omit_defaults=True):
    """Whether the server lives or can serve: ok; ready, stopping or unavailable, with the reason."""

    status: str
    reason: str | None = None


class ListEvent(Worklist, frozen=True):
    """The data of an event `list`: the list as shown, and how many of its blocks are in which state."""

    blocks: dict[str, int]


class OutcomeLine(Struct, frozen=True):
    """A result with its item, which is null where the list does not keep its items."""

    seq: int
    index: int
    item: Any
    result: Any
    ok: bool
    worker: str


class ListStatusBody(StatusBody, frozen=True, kw_only=True):
    """What became of a report, the list that it was of, and the state of that."""

    list: str
    state: str


class SiteReplyBody(Struct, frozen=True):
    """The answer to an exchange over all lists; `state` is that of the lease's list."""

    reports: tuple[ListStatusBody, ...]
    leases: tuple[LeaseBody, ...]
    state: str
    retry_in_seconds: float | None
