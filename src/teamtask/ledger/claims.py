"""Deciding a claim: the same lease again, a returned piece, the frontier, or nothing now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from teamtask.ledger.big_numbers import counted
from teamtask.ledger.block_size import adaptive_size, aligned_end, fixed_size, with_remainder
from teamtask.ledger.events import Event, Granted, Moved, WorkerSeen
from teamtask.ledger.list_state import CLAIMABLE, ListState
from teamtask.ledger.rules import BLOCKS_PER_LEASE_MAX, PIECES_MAX
from teamtask.ledger.workers import Totals

if TYPE_CHECKING:
    from teamtask.ledger.commands import Exchange, Facts
    from teamtask.ledger.events import Piece, WorkerKey
    from teamtask.ledger.ledger import Ledger
    from teamtask.ledger.workers import Worker

WAIT_MIN_SECONDS = 0.1
WAIT_MAX_SECONDS = 5.0
WAITED_SHARE = 0.25  # who waits asks again after so much of the time that he has waited
WAITING_ASKS_MAX = 200  # a second, about, of all who wait at one list
LIMIT_WAIT_SECONDS = 1.0
TOO_MANY_PIECES = (
    f"The list is in {PIECES_MAX:,} pieces or more: only what came back is handed out until some of it is done."
)
_WAITING = {
    ListState.AWAITING_ITEMS: "The list waits for its items.",
    ListState.PAUSED: "The list is paused.",
}
_OVER = {
    ListState.CANCELLED: "The list is cancelled.",
    ListState.STOPPED: "The list is stopped.",
    ListState.COMPLETE: "The list is finished.",
    ListState.COMPLETE_EXCEPT: "The list is finished, but for its parked items.",
}


class NoGrant(Struct, frozen=True, gc=False):
    """Why a claim is given nothing new, and when to ask again (None: never); or the `lease` that it got before."""

    reason: str | None
    retry_in_seconds: float | None = None
    events: tuple[Event, ...] = ()
    lease: str | None = None
    crowded: bool = False  # there is no room for another worker


def decide_claim(ledger: Ledger, command: Exchange, now: float, facts: Facts) -> Granted | NoGrant:
    """Decide a claim; at most one lease."""
    key = command.key
    if command.request is not None:
        again = ledger.requests.get((key.principal, key.worker, command.request))
        if again is not None:
            return NoGrant(None, lease=again)
    if ledger.state not in CLAIMABLE:
        return _not_running(ledger, facts)
    worker, limits = ledger.workers.by_key.get(key), ledger.rules.limits
    if (
        worker is None
        or not worker.active
        or worker.leases >= limits.blocks_per_worker
        or worker.totals.leases >= limits.blocks_per_principal
    ):
        refusal = _refusal(ledger, key, worker, now, facts)
        if refusal is not None:
            return refusal
    piece = _returned_piece(ledger, key, now) if ledger.returned.pieces else None
    if piece is None:
        if ledger.frontier == ledger.end:
            return _nothing(ledger, key, worker, now, facts)
        some = ledger.returned.pieces or ledger.parked or len(ledger.leases) + ledger.holes >= PIECES_MAX
        if some and ledger.pieces >= PIECES_MAX:
            return _too_many_pieces(ledger, key, worker, now, facts)
    return _grant(ledger, command, worker, piece, now, facts)


def _grant(
    ledger: Ledger, command: Exchange, worker: Worker | None, piece: Piece | None, now: float, facts: Facts
) -> Granted | NoGrant:
    rules, want = ledger.rules, command.want
    rule = rules.block
    if piece is None:
        start, available = ledger.frontier, ledger.end - ledger.frontier
    else:
        start, available = piece.start, piece.stop - piece.start
    block_size = rule.size
    if block_size is not None:
        speed = worker.speed if worker is not None else 0.0
        most = BLOCKS_PER_LEASE_MAX if want is None else want.blocks
        wanted = size = fixed_size(block_size, speed, facts.exchange_seconds, most)
        begun = (start - ledger.start) % block_size
        if begun:  # blocks keep to their grid: first the rest of this one
            size = block_size - begun
        if size > available:  # noqa: PLR1730 - min() takes three times as long
            size = available
    else:
        remaining = ledger.end - ledger.frontier + ledger.returned.size
        seconds = want.seconds if want is not None else None
        wanted = adaptive_size(rule, ledger.workers, worker, remaining, facts.exchange_seconds, seconds)
        if rules.alignment > 1:
            wanted = aligned_end(start, wanted, rules.alignment, rule.max)
        block_size = size = wanted if available > 2 * wanted else with_remainder(wanted, available, rule.max)
    if rules.limits.items_per_second is not None:
        size = _cut_to_tokens(ledger, size, block_size, now)
        if not size:
            return _out_of_tokens(ledger, command.key, worker, now, facts)
    if size < block_size:  # noqa: PLR1730 - as above
        block_size = size
    return Granted(
        facts.lease, facts.name, command.key, command.request, start, start + size, block_size,
        piece is not None, wanted, now, now + rules.lease_seconds,
    )  # fmt: skip


def _cut_to_tokens(ledger: Ledger, size: int, block_size: int, now: float) -> int:
    tokens = ledger.tokens_now(now)
    if tokens >= size:
        return size
    size = int(tokens)
    return size - size % block_size if size > block_size else size


def _out_of_tokens(ledger: Ledger, key: WorkerKey, worker: Worker | None, now: float, facts: Facts) -> NoGrant:
    rate = ledger.rules.limits.items_per_second or 1.0
    seconds = (1 - ledger.tokens_now(now)) / rate + WAIT_MIN_SECONDS * facts.chance
    reason = "The list hands out no more items a second than it may."
    return NoGrant(reason, seconds, _seen(ledger, key, worker, now))


def _not_running(ledger: Ledger, facts: Facts) -> NoGrant:
    state = ledger.state
    if state in _OVER:
        return NoGrant(ledger.reason or _OVER[state])
    return NoGrant(ledger.reason or _WAITING[state], _jittered(WAIT_MAX_SECONDS, facts))


def _refusal(ledger: Ledger, key: WorkerKey, worker: Worker | None, now: float, facts: Facts) -> NoGrant | None:
    limits, workers = ledger.rules.limits, ledger.workers
    totals = workers.by_principal.get(key.principal) or Totals()
    wait = _jittered(LIMIT_WAIT_SECONDS, facts)
    newcomer = worker is None or not worker.active
    if newcomer and (workers.active >= limits.workers or totals.active >= limits.workers_per_principal):
        # No trace is kept of who came in vain: names are free, so there is no end to them.
        return NoGrant("The list has as many workers as it may have.", wait, crowded=True)
    if worker is not None and worker.leases >= limits.blocks_per_worker:
        who, leases = "This worker", worker.leases
    elif totals.leases >= limits.blocks_per_principal:
        who, leases = "Its principal", totals.leases
    else:
        return None
    reason = f"{who} holds {counted(leases, 'lease', 'leases')}, as many as it may."
    return NoGrant(reason, wait, _seen(ledger, key, worker, now))


def _returned_piece(ledger: Ledger, key: WorkerKey, now: float) -> Piece | None:
    """Find the lowest piece that this worker has not failed, or that nobody else is there for."""
    others = None
    for piece in ledger.returned.pieces:
        if key not in piece.failed_by:
            return piece
        if others is None:
            others = ledger.workers.others_active(key, now, ledger.rules.lease_seconds)
        if all(other in piece.failed_by for other in others):
            return piece
    return None


def _nothing(ledger: Ledger, key: WorkerKey, worker: Worker | None, now: float, facts: Facts) -> NoGrant:
    reason = "Everything is handed out."
    if ledger.returned.pieces:
        reason = "What is left has failed with this worker; another one may take it."
    return NoGrant(reason, _wait(ledger, worker, now, facts), _seen(ledger, key, worker, now))


def _too_many_pieces(ledger: Ledger, key: WorkerKey, worker: Worker | None, now: float, facts: Facts) -> NoGrant:
    events = _seen(ledger, key, worker, now)
    if ledger.reason is None:  # the list says so, until the frontier moves again
        events = (*events, Moved(ledger.state, TOO_MANY_PIECES, ledger.date))
    return NoGrant(TOO_MANY_PIECES, _wait(ledger, worker, now, facts), events)


def _seen(ledger: Ledger, key: WorkerKey, worker: Worker | None, now: float) -> tuple[Event, ...]:
    # Once a lease length is enough to stay active, and keeps those who wait from filling the journal.
    if worker is None or not worker.active or now - worker.claimed_at > ledger.rules.lease_seconds:
        return (WorkerSeen(key, now),)
    return ()


def _wait(ledger: Ledger, worker: Worker | None, now: float, facts: Facts) -> float:
    """Give how long to wait: to the next expiry, and who has nothing in hand no longer than a share of his waiting."""
    seconds = min(ledger.next_expiry - now, WAIT_MAX_SECONDS)
    if worker is None or not worker.leases:
        waited = 0.0 if worker is None else now - worker.progressed_at
        seconds = min(seconds, WAITED_SHARE * waited)
    return _jittered(
        max(seconds, WAIT_MIN_SECONDS, min(ledger.workers.active / WAITING_ASKS_MAX, WAIT_MAX_SECONDS)), facts
    )


def _jittered(seconds: float, facts: Facts) -> float:
    return seconds * (0.5 + facts.chance / 2)
