"""`Relay`: a cable to PostgreSQL that can be cut, slowed down, or cut right where a commit is answered."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

from postgres import reserved_port

if TYPE_CHECKING:
    from collections.abc import Callable

COMMITTED = b"COMMIT\x00"  # the tag that PostgreSQL answers a COMMIT with
CHUNK_BYTES = 1 << 16


class Relay:
    """Passes connections on to a port of this machine, which may change; two threads for each connection."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.delay_seconds = 0.0
        self.is_cut = False
        self.commits_to_cut = 0
        self.commits_cut = 0
        self._open = set[socket.socket]()
        self._lock = threading.Lock()
        self._listening = reserved_port()
        self._listening.listen(256)
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Cut what is connected."""
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            _shut(end)

    def close(self) -> None:
        """End it."""
        _shut(self._listening)
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        try:
            if self.is_cut:
                raise ConnectionError
            far = socket.create_connection(("127.0.0.1", self.target_port))
        except OSError:
            near.close()
            return
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._open |= {near, far}
        there = threading.Thread(target=self._pass, args=(near, far, lambda _: False), daemon=True)
        there.start()
        self._pass(far, near, self._cuts_commit)
        there.join()
        with self._lock:
            self._open -= {near, far}
        near.close()
        far.close()

    def _pass(self, source: socket.socket, target: socket.socket, cuts: Callable[[bytes], bool]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                if self.delay_seconds:
                    time.sleep(self.delay_seconds)
                if cuts(data):
                    break
                target.sendall(data)
        _shut(source)
        _shut(target)

    def _cuts_commit(self, data: bytes) -> bool:
        if COMMITTED not in data:
            return False
        with self._lock:
            if not self.commits_to_cut:
                return False
            self.commits_to_cut -= 1
            self.commits_cut += 1
        return True


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
