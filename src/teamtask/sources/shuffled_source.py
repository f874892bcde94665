"""`Shuffled`: the items of another source in an order that a seed decides, without a table of it.

A Feistel network over two halves that need not be powers of two, walked on while it leads out of the list:
the generalised Feistel and the cycle-walking construction of J. Black and P. Rogaway, "Ciphers with
Arbitrary Finite Domains", CT-RSA 2002. It costs about 6 microseconds an item in lists of up to 10^40
(benchmarks/sources.py) and spreads them evenly; it is not meant to keep the order secret.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, TypeVar

from teamtask.ledger.errors import InvalidSource
from teamtask.sources.limits import SEED_CHARACTERS_MAX, check_number, check_text
from teamtask.sources.source import IndexedSource, Source, fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

_ROUNDS = 6  # even; 4 look random (Luby and Rackoff 1988) when the list is long, 6 reach every order of 6 items
_SPARE_BYTES = 8  # beyond the half's own, so that the remainder is even to one in 2^64
_BLAKE2B_BYTES = 64


class Shuffled(IndexedSource[T]):
    """item(i) is the inner source's item(p(i)), p a bijection of [0, size) made from seed and size.

    The seed is a number or text; 7 and "7" are the same one, as JSON may carry a large number as text.
    """

    kind = "shuffled"

    def __init__(self, inner: Source[T], seed: int | str) -> None:
        """Raise InvalidSource for a seed that is too long, or a source that is shuffled already."""
        if isinstance(inner, Shuffled):
            message = "The source is shuffled already."
            raise InvalidSource(message, field="shuffle", hint="Shuffle it once, with another seed.")
        if isinstance(seed, int):
            check_number(seed, "shuffle")
        elif len(seed) > SEED_CHARACTERS_MAX:
            message = f"The seed has more than {SEED_CHARACTERS_MAX:,} characters."
            raise InvalidSource(message, field="shuffle", hint="Give a shorter one.")
        else:
            check_text(seed, "shuffle")
        self.inner, self.seed = inner, seed
        self.size = inner.size
        self.alignment = inner.alignment
        rule = {"kind": self.kind, "of": inner.fingerprint, "size": self.size, "seed": str(seed)}
        self.fingerprint = fingerprint_of(rule)
        # left * right is at least size and less than size + left, so a walk seldom takes a second step.
        self._left = math.isqrt(self.size - 1) + 1
        self._right = -(-self.size // self._left)
        self._bytes = (self._left.bit_length() + 7) // 8
        key = fingerprint_of({"kind": self.kind, "size": self.size, "seed": str(seed)})
        self._keys = [hashlib.blake2b(f"{key}:{number}".encode(), digest_size=16).digest() for number in range(_ROUNDS)]

    def _mixed(self, key: bytes, half: int) -> int:
        """Return a number that depends on every bit of key and half."""
        data = key + half.to_bytes(self._bytes, "big")
        size = self._bytes + _SPARE_BYTES
        if size <= _BLAKE2B_BYTES:
            return int.from_bytes(hashlib.blake2b(data, digest_size=size).digest(), "big")
        return int.from_bytes(hashlib.shake_256(data).digest(size), "big")

    def inner_index(self, index: int) -> int:
        """Return the inner source's index of the item at `index`."""
        mixed, keys, size, left_size, right_size = self._mixed, self._keys, self.size, self._left, self._right
        while True:
            right, left = divmod(index, left_size)
            for number in range(0, _ROUNDS, 2):
                left = (left + mixed(keys[number], right)) % left_size
                right = (right + mixed(keys[number + 1], left)) % right_size
            index = right * left_size + left
            if index < size:
                return index

    def _outer_index(self, index: int) -> int:
        while True:
            right, left = divmod(index, self._left)
            for number in range(_ROUNDS - 2, -1, -2):
                right = (right - self._mixed(self._keys[number + 1], left)) % self._right
                left = (left - self._mixed(self._keys[number], right)) % self._left
            index = right * self._left + left
            if index < self.size:
                return index

    def _item(self, index: int) -> T:
        return self.inner.item(self.inner_index(index))

    def _items(self, index: int, size: int) -> Iterator[T]:
        return self.inner.items_at(map(self.inner_index, range(index, index + size)))

    def index_of(self, item: object) -> int:
        """Return where the inner source's lowest index of the item came to lie. Raises ItemNotFound."""
        return self._outer_index(self.inner.index_of(item))

    def definition(self) -> dict[str, object]:
        """Return the inner source's definition, with the seed as `shuffle`."""
        return {**self.inner.definition(), "shuffle": self.seed}
