"""`Server`: the wiring of store -> service -> app, served by uvicorn until it is told to stop, or `Leaving`."""

from __future__ import annotations

import contextlib
import gc
import signal
import socket
import time
from typing import TYPE_CHECKING, Final

import uvicorn

from teamtask.api.app import make_app
from teamtask.api.exchange_protocol import exchange_protocol
from teamtask.api.server_parts import ServerParts
from teamtask.ledger.errors import TeamtaskError
from teamtask.settings import Bind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from teamtask.stores.store import Store

_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)
GC_THRESHOLDS: Final = (50_000, 20, 20)
BACKLOG: Final = 2_048
DRAIN_SECONDS: Final = 20  # for requests in hand, once the server is told to stop
KEEP_ALIVE_SECONDS: Final = 75


class CannotListen(TeamtaskError):
    """The server cannot listen there."""

    code = "cannot_listen"


class Leaving:
    """A server's goodbye: from `begin` on it takes reports and hands out nothing; it ends when its clients have gone.

    Those that stay are left after `seconds`. `reason` is what they are told.
    """

    def __init__(self, reason: str, seconds: float) -> None:
        self.reason = reason
        self.seconds = seconds
        self.begun_at: float | None = None

    def begin(self) -> None:
        """Begin, if it has not begun. May be called from a signal handler, and in any thread."""
        self.begun_at = self.begun_at or time.monotonic()

    def is_over(self, connections: int) -> bool:
        """Tell whether the server is to end, with so many connections open."""
        return self.begun_at is not None and (not connections or time.monotonic() - self.begun_at > self.seconds)


class Server:
    """One process that serves one store; an admin token is one that may do everything there.

    With `given` it takes the place of the one that was given before.
    """

    def __init__(self, store: Store, admin_token: str | None = None, *, given: bool = False) -> None:
        self.parts = ServerParts(store)
        if admin_token is not None:
            self.parts.tokens.ensure_admin(admin_token, given=given)

    def run(self, listening: socket.socket, begin: Callable[[Bind], None], leaving: Leaving | None = None) -> None:
        """Serve until SIGINT or SIGTERM; then finish what is in hand, and close.

        `begin` is told where it listens, once it does. With `leaving` the first signal begins that, as whoever has it
        may; the second ends at once.
        """
        config = uvicorn.Config(
            make_app(self.parts),
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            date_header=False,
            ws="none",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            loop="uvloop",
            http=exchange_protocol(self.parts),
        )
        host, port = listening.getsockname()[:2]
        gc.collect()
        gc.freeze()  # what is there now stays; and with thousands of requests in hand, looking for cycles
        gc.set_threshold(*GC_THRESHOLDS)  # takes a tenth of the time
        server = _Uvicorn(config, lambda: begin(Bind(host, port)), self.parts, leaving)
        server.run(sockets=[listening])


class _Uvicorn(uvicorn.Server):
    """Tells when it has begun, and ends in peace: uvicorn's own would have the signal kill the process afterwards."""

    def __init__(
        self, config: uvicorn.Config, begun: Callable[[], None], parts: ServerParts, leaving: Leaving | None
    ) -> None:
        super().__init__(config)
        self._begun = begun
        self._parts = parts
        self._leaving = leaving

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in _STOPPING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._leaving is None or self._leaving.begun_at is not None:
            super().handle_exit(sig, frame)
        else:
            self._leaving.begin()

    async def on_tick(self, counter: int) -> bool:
        ends = await super().on_tick(counter)
        if ends or self._leaving is None or self._leaving.begun_at is None:
            return ends
        self._parts.work.hand_out_nothing(self._leaving.reason)
        return self._leaving.is_over(len(self.server_state.connections))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._begun()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._parts.stop_streams()
        await super().shutdown(sockets)


def listen(bind: Bind) -> socket.socket:
    """Give a listening socket. Raises CannotListen."""
    family = socket.AF_INET6 if ":" in bind.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((bind.host, bind.port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise CannotListen(
            f"The server cannot listen on {bind.host}:{bind.port}: {error.strerror or error}.",
            field="bind",
            hint="Is another one running there? --bind 127.0.0.1:0 takes any free port.",
        ) from error
    sock.setblocking(False)  # noqa: FBT003 - the standard library takes no name there
    return sock
