"""`new_lease_id`, `new_block_name`: the chance in a claim, drawn from the system a few thousand bytes at a time.

A call for a few bytes lets another thread run, and on a busy server waiting to go on takes longer than all the rest.
"""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from random import Random
from typing import Final

from teamtask.ledger.ids import LeaseId

_ID_BYTES: Final = 12  # unguessable, and no `=` at the end
_POOL_BYTES: Final = 1_024 * _ID_BYTES
_NAME_LETTERS: Final = "bcdfghjklmnpqrstvwxz23456789"  # no vowels, so no words
_NAME_LENGTH: Final = 5

_pool = bytearray()
_random = Random()  # noqa: S311 - of names and jitter, which are no secrets


def new_lease_id() -> LeaseId:
    """Give an id that nobody can guess. For one thread at a time, as a claim is decided."""
    if not _pool:
        _pool.extend(os.urandom(_POOL_BYTES))
    found = urlsafe_b64encode(_pool[:_ID_BYTES])
    del _pool[:_ID_BYTES]
    return LeaseId(found.decode())


def new_block_name() -> str:
    """Give the public part of a block's name."""
    return "".join(_random.choices(_NAME_LETTERS, k=_NAME_LENGTH))


def chance() -> float:
    """Give a number of [0, 1), for jitter."""
    return _random.random()


def _forget() -> None:
    _pool.clear()
    _random.seed()


os.register_at_fork(after_in_child=_forget)  # else two processes would give the same ids
