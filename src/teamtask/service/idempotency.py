"""`Idempotency`: what creating calls with an Idempotency-Key made, so that a call that is repeated makes nothing twice.

As the IETF's draft "The Idempotency-Key HTTP Header Field" has it: the same key with the same body is answered as
before, with another body it is refused. A key is its caller's own, and is kept for a day.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from teamtask.ledger.errors import InvalidField, TeamtaskError

if TYPE_CHECKING:
    from teamtask.access import Principal
    from teamtask.stores.store import Reader, Store, Writer

KEPT_SECONDS: Final = 86_400.0
KEY_CHARACTERS_MAX: Final = 255
_KIND: Final = "idempotency"
_FORGOTTEN_AT_ONCE: Final = 1_000


class IdempotencyKeyReused(TeamtaskError):
    """The Idempotency-Key was sent before, with another body."""

    code = "idempotency_key_reused"
    hint = "Send a new key with each new call, and the same one only to repeat a call."


class _Kept(Struct, frozen=True):
    digest: str
    made: str  # the id of what was made


class Idempotency:
    """One creating call: `made_before` finds what it made when it was first sent, `keep` notes what it makes now."""

    def __init__(self, principal: Principal, key: str, body: bytes) -> None:
        """Raise InvalidField for a key that is none."""
        if not 0 < len(key) <= KEY_CHARACTERS_MAX or not key.isprintable():
            message = f"A key has 1 to {KEY_CHARACTERS_MAX} printable characters."
            raise InvalidField(message, field="Idempotency-Key", hint="A UUID is a good one.")
        self._key = hashlib.sha256(f"{principal.name}\n{key}".encode()).hexdigest()
        self._digest = hashlib.sha256(body).hexdigest()

    def made_before(self, reader: Reader) -> str | None:
        """Give the id of what the same call made before. Raises IdempotencyKeyReused."""
        value = reader.document(_KIND, self._key)
        if value is None:
            return None
        kept = msgspec.json.decode(value, type=_Kept)
        if kept.digest != self._digest:
            raise IdempotencyKeyReused
        return kept.made

    def keep(self, writer: Writer, made: str) -> None:
        """Note what was made, in the transaction that makes it."""
        writer.put_document(_KIND, self._key, msgspec.json.encode(_Kept(self._digest, made)))


def forget_old_keys(store: Store, now: float) -> None:
    """Forget keys that are older than a day; `now` in seconds since 1970."""
    while True:
        with store.write() as writer:
            if writer.forget_documents(_KIND, now - KEPT_SECONDS, _FORGOTTEN_AT_ONCE) < _FORGOTTEN_AT_ONCE:
                return
