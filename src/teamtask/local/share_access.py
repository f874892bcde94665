"""`opened_to_others`: while a list is shared, whoever has its token may work on it, and reaches nothing else there."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from teamtask.access import Principal, SiteRole
from teamtask.local.processes import is_alive, is_dead, worker_name
from teamtask.service.definition import decode_definition, encode_definition
from teamtask.service.tokens import NoSuchToken, Tokens
from teamtask.stores.store import ListGone
from teamtask.wire.requests import NewToken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.service.service import Service
    from teamtask.stores.store import ListRecord, Store
    from teamtask.wire.views import Token

# One name for all sharings: leases belong to it, so what a worker could not deliver is taken when its list is shared
# again.
TOKEN_NAME: Final = "share"  # noqa: S105 - a name
HOLDER: Final = f"token:{TOKEN_NAME}"
ROLE: Final = "worker"
EXPIRES_SECONDS: Final = 366 * 86_400.0  # a net, for a process that was killed: no run is to outlive its token
GRACE_SECONDS: Final = 10.0  # for last reports: workers ask every 5 s at most, and so hear in time that it is over
_PAGE: Final = 1_000


class Shared(NamedTuple):
    """What a worker elsewhere has to be told; `is_loopback` says that no other machine reaches it."""

    name: str
    url: str
    token: str
    is_loopback: bool


@contextmanager
def opened_to_others(service: Service, record: ListRecord) -> Iterator[str]:
    """Give the secret of a token that is good for working on this list, until the end of the `with`.

    At the end its workers' leases go back, unless another process shares the list too.
    """
    tokens, us = Tokens(service.store), Principal(worker_name(), site_roles=frozenset({SiteRole.ADMIN}))
    for left in _tokens_of(service.store, record.name):
        if is_dead(left.created_by):
            _revoke(tokens, us, left.id)
    made = tokens.create(us, NewToken(TOKEN_NAME, ROLE, [record.name], expires_in_seconds=EXPIRES_SECONDS))
    try:
        _set_role(service.store, record, given=True)
        yield made.token
    finally:
        _revoke(tokens, us, made.id)
        with suppress(ListGone):
            if _set_role(service.store, record, given=False):
                _take_back(service, record)


def sharers(store: Store, name: str) -> list[str]:
    """Give the processes of this machine that share the list of that name, as `worker_name` gives them."""
    return [token.created_by for token in _tokens_of(store, name) if is_alive(token.created_by)]


def _tokens_of(store: Store, name: str) -> list[Token]:
    reader = Principal("", site_roles=frozenset({SiteRole.ADMIN}))
    found: list[Token] = []
    after: str | None = ""
    while after is not None:
        page = Tokens(store).list(reader, after, _PAGE)
        found += [token for token in page.items if token.name == TOKEN_NAME and name in (token.lists or ())]
        after = page.next
    return found


def _revoke(tokens: Tokens, us: Principal, token_id: str) -> None:
    with suppress(NoSuchToken):  # an admin was faster, or another process that cleared away
        tokens.delete(us, token_id)


def _set_role(store: Store, record: ListRecord, *, given: bool) -> bool:
    """Give the role to the token, or take it away when nobody shares the list any more; tell whether that is so."""
    with store.write([record.id]) as writer:
        # Read by another connection, yet nothing changes meanwhile: this is the one writer.
        if not given and _tokens_of(store, record.name):
            return False
        definition = decode_definition(writer.list_by_id(record.id).definition)
        holders = tuple(holder for holder in definition.roles.get(ROLE, ()) if holder != HOLDER)
        roles = {**definition.roles, ROLE: (*holders, HOLDER) if given else holders}
        changed = replace(definition, roles={role: some for role, some in roles.items() if some})
        writer.replace_definition(record.id, encode_definition(changed))
    return True


def _take_back(service: Service, record: ListRecord) -> None:
    with service.view(record) as view:
        leases = [lease.id for lease in view.ledger.leases.values() if lease.key.principal == HOLDER]
    if leases:
        service.take_back(record.id, leases)
