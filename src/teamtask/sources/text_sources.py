"""`Strings` and `Mask`: text made of one character of an alphabet at each position, the last one fastest.

Both count: an index is a number whose digits are the characters, to the base of each alphabet's size. A
block is walked in groups: the front is spelled once a group and put before a remembered list of ends.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import cached_property, partial
from itertools import chain, product, repeat
from operator import add
from typing import TYPE_CHECKING

from teamtask.ledger.errors import InvalidSource
from teamtask.sources.limits import (
    POSITIONS_MAX,
    bounded_product,
    check_alphabets,
    check_count,
    check_size,
    check_size_estimate,
    shown,
)
from teamtask.sources.mixed_bases import group_start
from teamtask.sources.source import IndexedSource, ItemNotFound, fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


class Strings(IndexedSource[str]):
    """All strings over an alphabet, of min_length to max_length characters, shortest first: aaa, aab, aac, ..."""

    kind = "strings"

    def __init__(self, alphabet: str, min_length: int, max_length: int) -> None:
        """Raise InvalidSource for a bad alphabet, bad lengths or more than 10^4000 strings."""
        check_alphabets([alphabet], "alphabet")
        same = min_length == max_length
        max_field = "length" if same else "max_length"
        _check_length(min_length, 1 if same else 0, max_field if same else "min_length")
        _check_length(max_length, max(min_length, 1), max_field)
        check_size_estimate(max_length * math.log(len(alphabet)), max_field)
        self.alphabet, self.min_length, self.max_length = alphabet, min_length, max_length
        self.size = self._start_of(max_length + 1)
        check_size(self.size, max_field)
        self.fingerprint = fingerprint_of(self.definition())
        # With one character a group is one string, however long: nothing is gained by remembering long ends.
        longest = [len(alphabet)] * (max_length if len(alphabet) > 1 else 1)
        self._end_length_max = len(longest) - group_start(longest)
        self._ends: dict[int, list[str]] = {}

    def _start_of(self, length: int) -> int:
        """Return how many strings are shorter than `length`: a geometric series."""
        base = len(self.alphabet)
        if base == 1:
            return length - self.min_length
        return int((base**length - base**self.min_length) // (base - 1))

    def _length_at(self, index: int) -> int:
        if self.min_length == self.max_length:
            return self.min_length
        lengths = range(self.min_length, self.max_length + 1)
        return lengths[bisect_right(lengths, index, key=self._start_of) - 1]

    def _ends_of(self, length: int) -> list[str]:
        ends = self._ends.get(length)
        if ends is None:
            ends = self._ends[length] = list(map("".join, product(self.alphabet, repeat=length)))
        return ends

    def _front(self, length: int, number: int) -> str:
        base, characters = len(self.alphabet), []
        while number:
            number, digit = divmod(number, base)
            characters.append(self.alphabet[digit])
        characters.reverse()
        return self.alphabet[0] * (length - len(characters)) + "".join(characters)

    def _item(self, index: int) -> str:
        length = self._length_at(index)
        end_length = min(length, self._end_length_max)
        ends = self._ends_of(end_length)
        front, end = divmod(index - self._start_of(length), len(ends))
        return self._front(length - end_length, front) + ends[end]

    def _items(self, index: int, size: int) -> Iterator[str]:
        return chain.from_iterable(self._lengths(index, size))

    def _lengths(self, index: int, size: int) -> Iterator[Iterator[str]]:
        length = self._length_at(index)
        while size:
            end_length = min(length, self._end_length_max)
            front = partial(self._front, length - end_length)
            count = min(size, self._start_of(length + 1) - index)
            yield joined(front, self._ends_of(end_length), index - self._start_of(length), count)
            index, size, length = index + count, size - count, length + 1

    def index_of(self, item: object) -> int:
        """Return the index of a string. Raises ItemNotFound."""
        if isinstance(item, str) and self.min_length <= len(item) <= self.max_length:
            number = number_of(repeat(self.alphabet, len(item)), item)
            if number is not None:
                return self._start_of(len(item)) + number
        hint = f"Items are text of {self.min_length} to {self.max_length} characters of the alphabet."
        raise ItemNotFound(hint=hint)

    def definition(self) -> dict[str, object]:
        """Return kind, alphabet and length, or min_length and max_length."""
        if self.min_length == self.max_length:
            return {"kind": self.kind, "alphabet": self.alphabet, "length": self.min_length}
        lengths = {"min_length": self.min_length, "max_length": self.max_length}
        return {"kind": self.kind, "alphabet": self.alphabet, **lengths}


class Mask(IndexedSource[str]):
    """Strings of one character of each alphabet: "AB" and "01" give A0, A1, B0, B1."""

    kind = "mask"

    def __init__(self, alphabets: Sequence[str]) -> None:
        """Raise InvalidSource for no alphabets, a bad one or more than 10^4000 strings."""
        check_count(len(alphabets), POSITIONS_MAX, "alphabets", "alphabets")
        check_alphabets(alphabets, "alphabets")
        self.alphabets = tuple(alphabets)
        self.size = bounded_product(map(len, alphabets), "alphabets")
        self.fingerprint = fingerprint_of(self.definition())
        self._split = group_start([len(alphabet) for alphabet in alphabets])

    @cached_property
    def _ends(self) -> list[str]:
        return list(map("".join, product(*self.alphabets[self._split :])))

    def _item(self, index: int) -> str:
        front, end = divmod(index, len(self._ends))
        return spell(self.alphabets[: self._split], front) + self._ends[end]

    def _items(self, index: int, size: int) -> Iterator[str]:
        return joined(partial(spell, self.alphabets[: self._split]), self._ends, index, size)

    def index_of(self, item: object) -> int:
        """Return the index of a string. Raises ItemNotFound."""
        if isinstance(item, str) and len(item) == len(self.alphabets):
            number = number_of(self.alphabets, item)
            if number is not None:
                return number
        raise ItemNotFound(hint=f"Items are text of {len(self.alphabets)} characters, one of each alphabet.")

    def definition(self) -> dict[str, object]:
        """Return kind and alphabets."""
        return {"kind": self.kind, "alphabets": list(self.alphabets)}


def _check_length(length: int, least: int, field: str) -> None:
    if not least <= length <= POSITIONS_MAX:
        message = f"A length of {shown(length)} is not one of {least:,} to {POSITIONS_MAX:,}."
        raise InvalidSource(message, field=field, hint="Give the number of characters of an item.")


def spell(alphabets: Sequence[str], number: int) -> str:
    """Return the text whose characters are the digits of `number`."""
    characters = []
    for alphabet in reversed(alphabets):
        number, digit = divmod(number, len(alphabet))
        characters.append(alphabet[digit])
    characters.reverse()
    return "".join(characters)


def number_of(alphabets: Iterable[str], text: str) -> int | None:
    """Return the number whose digits are the characters of `text`, one for each alphabet, or None."""
    number = 0
    for alphabet, character in zip(alphabets, text, strict=True):
        digit = alphabet.find(character)
        if digit < 0:
            return None
        number = number * len(alphabet) + digit
    return number


def joined(front: Callable[[int], str], ends: list[str], index: int, size: int) -> Iterator[str]:
    """Iterate [index, index + size) of front(0) + each end, front(1) + each end, ..."""
    return chain.from_iterable(_groups(front, ends, index, size))


def _groups(front: Callable[[int], str], ends: list[str], index: int, size: int) -> Iterator[Iterator[str]]:
    number, offset = divmod(index, len(ends))
    while size:
        group = ends if offset == 0 and size >= len(ends) else ends[offset : offset + size]
        yield map(add, repeat(front(number)), group)
        number, offset, size = number + 1, 0, size - len(group)
