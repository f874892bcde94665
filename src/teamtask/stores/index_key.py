"""Indices of thousands of digits as bytes that sort as the numbers do: `index_key(i) < index_key(j)` if `i < j`."""

from __future__ import annotations

from teamtask.ledger.errors import InvalidField
from teamtask.ledger.rules import DIGITS_MAX

# index + size may have one digit more than either.
INDEX_MAX = 2 * 10**DIGITS_MAX
_LENGTH_BYTES = 2


def index_key(index: int) -> bytes:
    """Encode an index (0 or more) as the length of its bytes (2 bytes), then its bytes, both big-endian.

    A longer number is a larger one, so comparing bytes compares numbers. Raises InvalidField above 2 * 10^4000.
    """
    length = (index.bit_length() + 7) >> 3
    if length > 8 and index > INDEX_MAX:  # noqa: PLR2004 - eight bytes: no need to look closer
        message = f"An index has {DIGITS_MAX:,} digits at most."
        raise InvalidField(message, field="index")
    return length.to_bytes(_LENGTH_BYTES, "big") + index.to_bytes(length, "big")


def index_of(key: bytes) -> int:
    """Decode an `index_key`; raises ValueError when the bytes are none."""
    length = len(key) - _LENGTH_BYTES
    if (
        length < 0
        or int.from_bytes(key[:_LENGTH_BYTES], "big") != length
        or key[_LENGTH_BYTES : _LENGTH_BYTES + 1] == b"\0"
    ):
        message = f"{key[:16]!r} is no index key"
        raise ValueError(message)
    return int.from_bytes(key[_LENGTH_BYTES:], "big")
