"""`Objects`: any Python objects that are in memory already, for `teamtask.map(function, iterable)`."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from teamtask.ledger.errors import InvalidSource
from teamtask.sources.limits import DIGITS_MAX, GROUP_SIZE_MAX, check_size
from teamtask.sources.source import IndexedSource, ItemNotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

T = TypeVar("T")

_PLAIN = {str, float, bool, type(None)}
_PLAIN_BITS_MAX = DIGITS_MAX * 3  # of an int that JSON writes
_json = json.JSONEncoder(separators=(",", ":")).encode
_NESTED: dict[type, str] = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset"}


class Objects(IndexedSource[T]):
    """Objects in their order. They must not change while the source is in use.

    Plain values, bytes, lists, tuples, sets and dicts of them are hashed by what they are; any other object
    by its pickle, which the next version of its class or of Python may write differently.
    """

    kind = "objects"

    def __init__(self, objects: Sequence[T]) -> None:
        """Raise InvalidSource for no objects, or one that cannot be pickled."""
        self._objects = objects
        self.size = len(objects)
        check_size(self.size, "items")
        self.fingerprint = _fingerprint(objects)

    def _item(self, index: int) -> T:
        return self._objects[index]

    def _items(self, index: int, size: int) -> Iterator[T]:
        end = index + size
        starts = range(index, end, GROUP_SIZE_MAX)
        return chain.from_iterable(self._objects[start : min(start + GROUP_SIZE_MAX, end)] for start in starts)

    def index_of(self, item: object) -> int:
        """Return the first index of an object of the same type that is equal. Raises ItemNotFound."""
        for index, known in enumerate(self._objects):
            if known is item or (type(known) is type(item) and known == item):
                return index
        raise ItemNotFound

    def definition(self) -> dict[str, object]:
        """Return kind, count and fingerprint; the objects themselves stay in this process."""
        return {"kind": self.kind, "count": self.size, "fingerprint": self.fingerprint}


def _fingerprint(objects: Sequence[object]) -> str:
    whole = hashlib.blake2b(digest_size=16, person=b"teamtask objects")
    for start in range(0, len(objects), GROUP_SIZE_MAX):
        group = objects[start : start + GROUP_SIZE_MAX]
        try:
            text = _json([_told(value) for value in group])
        except RecursionError:
            hint = "Give flatter objects, or names by which the function finds them."
            raise InvalidSource("An item is nested too deep.", field="items", hint=hint) from None
        whole.update(text[1:-1].encode())  # without brackets, so that the groups leave no mark
        whole.update(b",")
    return whole.hexdigest()


def _told(value: object) -> object:
    """Return JSON that tells a value apart from every other one, the same in every process."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, int) and kind is int:
        return value if value.bit_length() <= _PLAIN_BITS_MAX else ["int", hex(value)]
    if isinstance(value, (set, frozenset)) and kind in _NESTED:
        return [_NESTED[kind], *sorted(_json(_told(part)) for part in value)]
    if isinstance(value, (list, tuple)) and kind in _NESTED:
        return [_NESTED[kind], *map(_told, value)]
    if isinstance(value, dict) and kind is dict:
        return ["dict", *sorted([_json(_told(key)), _json(_told(part))] for key, part in value.items())]
    if isinstance(value, bytes) and kind is bytes:
        return ["bytes", value.hex()]
    return ["pickle", _pickled(value)]


def _pickled(value: object) -> str:
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, protocol=4)
    pickler.fast = True  # no memo: equal objects are written alike, whether or not parts of them are shared
    try:
        pickler.dump(value)
    except RecursionError:
        raise
    except Exception as error:  # pickling runs the object's own code
        message = f"An item of type {type(value).__name__} cannot be pickled: {error}"
        hint = "Give items that can be pickled, or names by which the function finds them."
        raise InvalidSource(message, field="items", hint=hint) from error
    return stream.getvalue().hex()
