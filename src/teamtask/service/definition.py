"""`Definition`: what a list was created with, as the store keeps it beside the ledger."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import Struct

from teamtask.access import LOCAL, ListAccess
from teamtask.stores.store import StoreDamaged


class LocalRun(Struct, frozen=True, omit_defaults=True):
    """What `teamtask run` must know to recognise a run, and to tell how to go on with it."""

    folder: str
    identity: dict[str, Any]  # what makes it this run and no other
    typed: tuple[str, ...] = ()  # the command line, word for word
    blank: int = 0  # lines that were skipped


class Definition(Struct, frozen=True, omit_defaults=True):
    """The source as the API spells it, its fingerprint, and for a local run how it is worked.

    The fingerprint is empty while a list awaits its items. `owner` is the principal that created the list. `started_at`
    is when its first block was handed out, seconds since 1970: it is for people, so no ledger keeps it.
    """

    source: dict[str, Any]
    fingerprint: str
    local: LocalRun | None = None
    owner: str = LOCAL
    roles: dict[str, tuple[str, ...]] = {}
    labels: dict[str, str] = {}
    priority: int = 0
    weight: float = 1.0
    started_at: float | None = None

    def access(self, name: str) -> ListAccess:
        """Give whose the list of that name is, and who has which role in it."""
        return ListAccess(name, self.owner, self.roles)


def encode_definition(definition: Definition) -> bytes:
    """Write a definition; bytes of arguments that are no UTF-8 stay what they are (PEP 383)."""
    return json.dumps(msgspec.to_builtins(definition), separators=(",", ":")).encode()


def decode_definition(text: bytes) -> Definition:
    """Read a definition. Raises StoreDamaged."""
    try:
        return msgspec.convert(json.loads(text), Definition)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise StoreDamaged("The definition of a list cannot be read.") from error
