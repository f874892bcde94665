"""`Rules`: what a list's owner decided about it, and the limits that hold for every list."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

DIGITS_MAX = 4_000  # decimal digits of an index or a size
NUMBER_END = 10**DIGITS_MAX
HOLES_MAX = 1_000  # gaps in the rest of one lease
RANGES_MAX = 1_000  # ranges, and failed indices, in one report
PIECES_MAX = 100_000  # leases, their holes, returned pieces and parked indices of one list in all
OWNER_RANGES_MAX = 100_000  # ranges in one rerun or unpark
ERROR_BYTES_MAX = 1_024
WORKERS_KEPT = 1_000  # records of workers that are no longer active
MEMORIES_MAX = 64  # ended leases that one returned piece remembers
BLOCKS_PER_LEASE_MAX = 1_024
BLOCK_SECONDS_MAX = 7 * 86_400.0
SPEED_MAX = 1e200  # items a second; what is faster counts as that, so that no product of it leaves the floats
FOLD_BYTES_MAX = 65_536

Positive = Annotated[int, Meta(ge=1)]
BlockSeconds = Annotated[float, Meta(gt=0, le=BLOCK_SECONDS_MAX)]
LeaseSeconds = Annotated[float, Meta(ge=1, le=86_400 * 30)]
Attempts = Annotated[int, Meta(ge=1, le=100)]
MoreThanNone = Annotated[float, Meta(gt=0)]
Parked = Annotated[int, Meta(ge=0, le=10_000)]


# Rules of a newer version that are unknown here are refused, never passed over: they would be broken.
class BlockRule(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How large a block is: `size` items always, or as many as take `seconds`, `max` at most."""

    size: Positive | None = None
    seconds: BlockSeconds = 30.0
    max: Positive | None = None


class Limits(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one worker, one principal and all of them may hold; they count leases."""

    blocks_per_worker: Positive = 4
    blocks_per_principal: Positive = 1_000
    workers_per_principal: Positive = 1_000
    workers: Positive = 10_000
    items_per_second: MoreThanNone | None = None
    parked: Parked = 1_000


class Rules(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Everything that the ledger must know of how a list is to be worked through."""

    block: BlockRule = BlockRule()
    lease_seconds: LeaseSeconds = 60.0
    limits: Limits = Limits()
    attempts: Attempts = 3
    item_seconds: MoreThanNone | None = None
    fold: str | dict[str, int | list[float]] | None = None
    stop_after_results: Positive | None = None
    alignment: Positive = 1  # of the source: adaptive blocks end at its multiples
    growable: bool = False  # unshuffled range or lines
