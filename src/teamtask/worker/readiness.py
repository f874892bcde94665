"""`open_readiness`: wait until one of many descriptors can be read or written, with few system calls each."""

from __future__ import annotations

import math
import select
import selectors
from typing import Any, Protocol


class Readiness(Protocol):
    """A set of descriptors that are waited for."""

    def add_readable(self, descriptor: int) -> None:
        """Wait until it can be read, or has hung up."""
        ...

    def add_writable(self, descriptor: int) -> None:
        """Wait until it can be written, or nobody reads it any more."""
        ...

    def remove(self, descriptor: int) -> None:
        """Wait for it no longer; to be called before it is closed."""
        ...

    def wait(self, seconds: float) -> list[int]:
        """Those that are ready, after `seconds` at most (which may be infinite)."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


def open_readiness() -> Readiness:
    """The fastest that the system has."""
    return _Epoll() if hasattr(select, "epoll") else _Selector()


class _Epoll:
    """Linux: as selectors.EpollSelector, without its objects for every descriptor and event."""

    def __init__(self) -> None:
        # Any: typeshed knows epoll on Linux only, and this file is checked on macOS too.
        epoll: Any = getattr(select, "epoll")()  # noqa: B009 - as above
        self._epoll = epoll
        self._readable = getattr(select, "EPOLLIN")  # noqa: B009 - as above
        self._writable = getattr(select, "EPOLLOUT")  # noqa: B009 - as above
        self.remove = epoll.unregister
        self.close = epoll.close

    def add_readable(self, descriptor: int) -> None:
        self._epoll.register(descriptor, self._readable)

    def add_writable(self, descriptor: int) -> None:
        self._epoll.register(descriptor, self._writable)

    def wait(self, seconds: float) -> list[int]:
        return [descriptor for descriptor, _ in self._epoll.poll(None if seconds == math.inf else seconds)]


class _Selector:
    """Everywhere else."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def add_readable(self, descriptor: int) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ)

    def add_writable(self, descriptor: int) -> None:
        self._selector.register(descriptor, selectors.EVENT_WRITE)

    def remove(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)

    def wait(self, seconds: float) -> list[int]:
        return [key.fd for key, _ in self._selector.select(None if seconds == math.inf else seconds)]

    def close(self) -> None:
        self._selector.close()
