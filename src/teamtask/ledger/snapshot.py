"""Snapshots: the whole state of a ledger as JSON, so that the journal before it can go."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from teamtask.ledger.errors import UnknownFormat
from teamtask.ledger.events import Created, Memory, Piece, Range, WorkerKey
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.lease import Lease, ParkedIndex
from teamtask.ledger.ledger import Ledger
from teamtask.ledger.list_state import ListState
from teamtask.ledger.rules import Rules
from teamtask.ledger.workers import Worker

VERSION = 3


class _Written(Struct, array_like=True, forbid_unknown_fields=True):
    """What is kept as a JSON array; a field is only ever added at the end, with a default and a new VERSION."""


class _Worker(_Written):
    """A worker as it is kept: all of it but what its principal's come to."""

    key: WorkerKey
    first_seen_at: float
    claimed_at: float
    progressed_at: float
    speed: float
    wanted: int
    leases: int
    done: int
    failed: int
    active: bool


class _Lease(_Written):
    """A lease as it is kept: all of it but the record of its worker."""

    id: str
    name: str
    key: WorkerKey
    request: str | None
    start: int
    stop: int
    block_size: int
    granted_at: float
    progressed_at: float
    expires: float
    got_on: bool
    failures: int
    failed_by: tuple[WorkerKey, ...]
    restarts: int
    memories: tuple[Memory, ...]
    part: list[Range] | None


class _Snapshot(_Written):
    version: int
    rules: Rules
    start: int
    end: int
    state: ListState
    reason: str | None
    moved_at: float
    frontier: int
    done: list[Range]
    leases: list[_Lease]
    returned: list[Piece]
    parked: list[tuple[int, ParkedIndex]]
    workers: list[_Worker]
    refreshed_at: float
    results: int
    failed: int
    seq: int
    fold: Any
    tokens: float
    tokens_at: float
    epoch: str
    looked_at: float


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Snapshot).decode


def save_ledger(ledger: Ledger) -> bytes:
    """Write the state.

    Leases, of which there may be ten thousand, are written one by one: nobody else gets to run while something is
    encoded, and ten thousand new objects at once would wake the garbage collector.
    """
    workers = ledger.workers
    leases: Any = msgspec.Raw(b"[" + b",".join(map(_encoded_lease, ledger.leases.values())) + b"]")
    return _encode(
        _Snapshot(
            VERSION, ledger.rules, ledger.start, ledger.end, ledger.state, ledger.reason, ledger.moved_at,
            ledger.frontier, list(ledger.done), leases,
            ledger.returned.pieces, list(ledger.parked.items()),
            [_saved_worker(worker) for worker in workers.by_key.values()], workers.refreshed_at,
            ledger.results, ledger.failed, ledger.seq, ledger.fold, ledger.tokens, ledger.tokens_at, ledger.epoch,
            ledger.looked_at,
        )
    )  # fmt: skip


def _saved_worker(worker: Worker) -> _Worker:
    return _Worker(*(getattr(worker, field) for field in _Worker.__struct_fields__))


def _encoded_lease(lease: Lease) -> bytes:
    lease_id, name, key, _worker, *more, part = astuple(lease)
    return _encode([lease_id, name, key, *more, None if part is None else list(part)])


def load_ledger(state: bytes) -> Ledger:
    """Read a state. Raises UnknownFormat for one of a newer version, or none at all."""
    try:
        saved = _decode(state)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UnknownFormat(_why_unknown(state)) from error
    if saved.version != VERSION:
        raise UnknownFormat(_why_unknown(state))
    workers = {worker.key for worker in saved.workers}
    if not all(lease.key in workers for lease in saved.leases):
        raise UnknownFormat("The snapshot of the list cannot be read: it has a lease of nobody.")
    size = saved.end - saved.start
    ledger = Ledger(Created(saved.rules, saved.start, size, saved.state, saved.looked_at, saved.epoch))
    ledger.reason, ledger.moved_at = saved.reason, saved.moved_at
    ledger.frontier, ledger.done = saved.frontier, IntervalSet(saved.done)
    ledger.parked = dict(saved.parked)
    ledger.results, ledger.failed, ledger.seq, ledger.fold = saved.results, saved.failed, saved.seq, saved.fold
    ledger.tokens, ledger.tokens_at = saved.tokens, saved.tokens_at
    ledger.workers.refreshed_at = saved.refreshed_at
    ledger.workers.count(_loaded_worker(worker, ledger) for worker in saved.workers)
    for piece in saved.returned:
        ledger.give_back(piece)
    for lease in saved.leases:
        _load_lease(ledger, lease)
    return ledger


def _why_unknown(state: bytes) -> str:
    try:
        version = msgspec.json.decode(state)[0]
    except (msgspec.MsgspecError, ValueError, LookupError, TypeError, RecursionError):
        return "The snapshot of the list cannot be read."
    return f"The snapshot of the list has version {version!r:.20}; this Teamtask knows {VERSION}."


def _loaded_worker(saved: _Worker, ledger: Ledger) -> Worker:
    worker = Worker(saved.key, ledger.workers.totals_of(saved.key.principal), saved.first_seen_at)
    for field in _Worker.__struct_fields__:
        setattr(worker, field, getattr(saved, field))
    return worker


def _load_lease(ledger: Ledger, saved: _Lease) -> None:
    lease_id, name, key, *more, part = astuple(saved)
    fields = [lease_id, name, key, ledger.workers.by_key[key], *more, None if part is None else IntervalSet(part)]
    lease = Lease(*fields)
    ledger.leases[lease_id] = lease
    ledger.holes += len(lease.rest) - 1
    ledger.remember(lease.memories, 1)
    ledger.next_expiry = min(ledger.next_expiry, lease.expires)
    if lease.request is not None:
        ledger.requests[key.principal, key.worker, lease.request] = lease_id
