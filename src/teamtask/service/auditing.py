"""`audit`: the trail of who created, changed, cancelled and granted, in the transaction that does it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from teamtask.access import SiteAction
from teamtask.service.directory import check_site
from teamtask.wire.dates import rfc_3339
from teamtask.wire.views import AuditEntry, Page, wire_integers

if TYPE_CHECKING:
    from msgspec import Struct

    from teamtask.access import Principal
    from teamtask.stores.store import Store, Writer

RETENTION_SECONDS: Final = 400 * 86_400.0
_VALUE_BYTES_MAX: Final = 1_000  # of a new value in the trail; of a longer one that much of its JSON
_FORGOTTEN_AT_ONCE: Final = 1_000


def audit(writer: Writer, principal: Principal, action: str, list_name: str | None, **detail: Any) -> None:  # noqa: ANN401 - any JSON
    """Note that a principal did something, to the list of that name if it was one."""
    entry = {"principal": principal.name, "action": action, "list": list_name, "detail": detail}
    writer.add_audit(time.time(), msgspec.json.encode(entry))


def told(change: Struct) -> dict[str, Any]:
    """Give the fields that a change sets with their new values, the long ones shortened, as detail of the trail."""
    values = wire_integers(msgspec.to_builtins(change))
    return {name: _shortened(value) for name, value in values.items()}


def _shortened(value: Any) -> Any:  # noqa: ANN401 - any JSON
    text = msgspec.json.encode(value)
    return value if len(text) <= _VALUE_BYTES_MAX else text[:_VALUE_BYTES_MAX].decode("utf-8", "ignore") + "…"


def audit_page(store: Store, principal: Principal, before: int | None, limit: int) -> Page:
    """Show the trail, newest first, from before an entry on. Raises Forbidden."""
    check_site(principal, SiteAction.READ_AUDIT)
    with store.read() as reader:
        found = reader.audit(before, limit)
    shown = []
    for entry in found:
        said = msgspec.json.decode(entry.entry)
        shown.append(
            AuditEntry(entry.no, rfc_3339(entry.date), said["principal"], said["action"], said["list"], said["detail"])
        )
    return Page(tuple(shown), str(found[-1].no) if len(found) == limit else None)


def forget_old_audit(store: Store, now: float) -> None:
    """Forget entries that are older than the retention; `now` in seconds since 1970."""
    while True:
        with store.write() as writer:
            if writer.forget_audit(now - RETENTION_SECONDS, _FORGOTTEN_AT_ONCE) < _FORGOTTEN_AT_ONCE:
                return
