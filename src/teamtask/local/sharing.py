"""`share`: serves one list of a state file to workers on other machines, until there is no more reason to."""

from __future__ import annotations

import socket
from contextlib import closing, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from teamtask.ledger.errors import TeamtaskError, WrongState
from teamtask.ledger.list_state import EXTENDING
from teamtask.local.share_access import GRACE_SECONDS, Shared, opened_to_others
from teamtask.server import Leaving, Server, listen
from teamtask.stores.store import StoreUnavailable
from teamtask.telemetry import set_up_logs

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.service.ledgers import Copy
    from teamtask.service.service import Service
    from teamtask.settings import Bind
    from teamtask.stores.store import ListRecord

_LOOK_SECONDS: Final = 0.5
_EVERYWHERE: Final = {"0.0.0.0": "192.0.2.1", "::": "2001:db8::1"}  # noqa: S104 - with addresses of documents (RFC 5737)


class NotShareable(TeamtaskError):
    """The list cannot be worked from elsewhere."""

    code = "not_shareable"


def share(
    service: Service,
    record: ListRecord,
    bind: Bind,
    told: Callable[[Shared], None],
    until: Callable[[], None] | None = None,
) -> None:
    """Serve the list, call `told` once, and go when `until` returns: by default when the list is over.

    `until` runs in a thread. SIGINT and SIGTERM end it too, the second one at once; else workers have GRACE_SECONDS to
    report. Raises WrongState, NotShareable, CannotListen.
    """
    check_shareable(service, record)
    set_up_logs("warning", "text")
    leaving = Leaving(f"{record.name} is not shared any longer.", GRACE_SECONDS)
    ended = Event()

    def wait() -> None:
        if until is None:
            _until_over(service, record, ended)
        else:
            until()
        leaving.begin()

    with closing(listen(bind)) as listening, opened_to_others(service, record) as token:

        def begin(bound: Bind) -> None:
            told(Shared(record.name, address(bind._replace(port=bound.port)), token, bound.is_loopback))

        waiting = Thread(target=wait, name="until", daemon=True)
        waiting.start()
        try:
            Server(service.store).run(listening, begin, leaving)
        finally:
            ended.set()
            if until is None:
                waiting.join()  # it reads the store


def check_shareable(service: Service, record: ListRecord) -> None:
    """Raise WrongState for a list that is over, NotShareable for one that only its own program can work."""
    with service.view(record) as view:
        state, local = view.ledger.state, view.definition.local
    if local is None:
        raise NotShareable(f"{record.name} is no run.", hint="`teamtask serve` serves the lists that it keeps.")
    if "code" in local.identity:
        raise NotShareable(
            f"{record.name} is worked by a Python program, whose function no other machine has.",
            hint="What `teamtask run --python MODULE:FUNCTION` works can be shared.",
        )
    if state not in EXTENDING:
        raise WrongState(
            f"{record.name} is {state.replace('_', ' ')}: there is nothing to share.",
            hint="`teamtask show` tells more of it; the command that works it goes on with it, if it can.",
        )


def address(bind: Bind) -> str:
    """Give the URL for other machines: where it listens everywhere, the address by which this one goes out."""
    return bind._replace(host=_own_address(bind.host) if bind.host in _EVERYWHERE else bind.host).url


def _own_address(everywhere: str) -> str:
    family = socket.AF_INET6 if ":" in everywhere else socket.AF_INET
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect((_EVERYWHERE[everywhere], 9))  # sends nothing; it finds the route
        host: str = sock.getsockname()[0]
        return host
    return socket.gethostname()  # no way out: its name, for whoever knows it


def _until_over(service: Service, record: ListRecord, ended: Event) -> None:
    """Wait until the list is over or gone."""
    known: Copy | None = None
    while not ended.wait(_LOOK_SECONDS):
        try:
            with service.store.read() as reader:
                known = service.ledgers.copy(reader, record.id, known)
        except StoreUnavailable:  # somebody else writes; or it is gone, and whoever asks hears of it
            continue
        except TeamtaskError:
            return
        if known.ledger.state not in EXTENDING:
            return
