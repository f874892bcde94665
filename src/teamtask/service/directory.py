"""`Directory`: which list a name means to a principal; the one place where `access.may` is asked about lists."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from teamtask.access import NEEDED, Action, ListAccess, Principal, SiteAction, may_at_site, role_in
from teamtask.ledger.errors import TeamtaskError
from teamtask.service.definition import Definition, decode_definition
from teamtask.service.service import NoSuchList

if TYPE_CHECKING:
    from teamtask.stores.store import ListRecord, Store

KNOWN_SECONDS: Final = 3.0  # what another server changed (roles, a deleted list) is seen after so long
_KNOWN_MAX = 100_000


class Forbidden(TeamtaskError):
    """You may see this, but not do that."""

    code = "forbidden"
    hint = "Ask an owner of the list for a role that allows it; `GET /v1/me` shows who you are."


class Entry(NamedTuple):
    """A list with everything about it that is no ledger."""

    record: ListRecord
    definition: Definition
    access: ListAccess

    @classmethod
    def of(cls, record: ListRecord) -> Entry:
        """Read the definition of a record. Raises StoreDamaged."""
        definition = decode_definition(record.definition)
        return cls(record, definition, definition.access(record.name))


class Directory:
    """Looks lists up by name, and remembers them for some seconds. Safe for threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, tuple[float, Entry]] = {}

    def find(self, principal: Principal, name: str, action: Action) -> Entry:
        """Give the list of that name, to do something with it.

        Raises NoSuchList, also to a stranger, who is not to learn that there is one; Forbidden.
        """
        now = time.monotonic()
        known = self._known.get(name)
        if known is None or now - known[0] > KNOWN_SECONDS:
            known = self._look_up(name, now)
        entry = known[1] if known else None
        role = role_in(principal, entry.access) if entry else None
        if entry is None or role is None:
            raise NoSuchList(
                f"There is no list {name!r:.80}.", hint="`teamtask ls`, or `GET /v1/lists`, shows those you may see."
            )
        if role < NEEDED[action]:
            needed = NEEDED[action].name.lower()
            raise Forbidden(f"You are a {role.name.lower()} of {name}; this takes the role {needed}.", role=needed)
        return entry

    def forget(self, name: str) -> None:
        """Look a list up anew the next time: it has been changed or deleted."""
        self._known.pop(name, None)

    def _look_up(self, name: str, now: float) -> tuple[float, Entry] | None:
        with self._store.read() as reader:
            record = reader.list_named(name)
        if record is None:
            self._known.pop(name, None)
            return None
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        known = self._known[name] = (now, Entry.of(record))
        return known


def check_site(principal: Principal, action: SiteAction) -> None:
    """Raise Forbidden when a principal may not do that at this site."""
    if not may_at_site(principal, action):
        raise Forbidden(
            f"{principal.name} may not {action.replace('_', ' ')}.",
            hint="It takes a site role; an admin gives them with a token: `teamtask token create --help`.",
        )
