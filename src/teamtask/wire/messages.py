"""`Exchange` and `Reply`: what a worker says and hears, with ranges as [index, size]."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from teamtask.wire.result_batch import ResultBatch

IndexSize = tuple[int, int]


class ReportError(Struct, frozen=True):
    """Why a lease is given up, and at which index if that is known."""

    message: str
    index: int | None = None


class Report(Struct, frozen=True):
    """What became of a lease: everything from `from` (`index`, if left out) to `upto` is done, and `ranges`."""

    lease: str
    index: int
    upto: int
    begin: int | None = field(default=None, name="from")
    ranges: tuple[IndexSize, ...] = ()
    failed: tuple[tuple[int, str], ...] = ()
    results: ResultBatch | None = None
    fold: Any = None
    error: ReportError | None = None
    release: bool = False
    end: int | None = None


class Want(Struct, frozen=True):
    """What a claim asks for; `seconds` in the place of the list's, `items` puts the items into the lease."""

    seconds: float | None = None
    items: bool = False


class Exchange(Struct, frozen=True):
    """A worker's reports, and its claim if it wants more."""

    worker: str
    request: str | None = None
    want: Want | None = None
    reports: tuple[Report, ...] = ()


class ReportStatus(Struct, frozen=True):
    """What became of a report: held, done, failed, released, already_done, stale, cut (see `rest`) or error."""

    lease: str
    status: str
    cursor: int | None = None
    end: int | None = None
    expires_in_seconds: float | None = None
    rest: tuple[IndexSize, ...] | None = None
    error: dict[str, Any] | None = None


class Lease(Struct, frozen=True):
    """A hold on [index, index + size), worked in blocks of `block_size`; `rest` is set when a claim was repeated.

    `items` are its items, or `items_url` says where they are, if the claim wanted them. As JSON says them: an integer
    of a range may be decimal text.
    """

    lease: str
    list: str
    list_id: str
    name: str
    index: int
    size: int
    block_size: int
    attempt: int
    expires_in_seconds: float
    fingerprint: str
    rest: tuple[IndexSize, ...] | None = None
    items: tuple[Any, ...] | None = None
    items_url: str | None = None


class Reply(Struct, frozen=True):
    """A status for each report, a lease or none, and when to ask again (None: there is nothing more to come)."""

    reports: tuple[ReportStatus, ...]
    leases: tuple[Lease, ...]
    state: str
    retry_in_seconds: float | None = None
    reason: str | None = None
