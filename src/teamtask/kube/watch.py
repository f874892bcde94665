"""`Watch`: the events of a watch as they come, for one reader; another thread may end it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import urllib3

from teamtask.kube.documents import decoded
from teamtask.kube.kubernetes_error import KubernetesError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Watch:
    """What the API server answers to a watch; nobody reads while nobody asks, so it may be kept open."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response
        self._events = self._read()
        self.is_over = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Give the events until the API server ends the watch. Raises KubernetesError."""
        try:
            yield from self._events
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise KubernetesError(f"The watch broke off: {error}.") from error
        finally:
            self.close()

    def next(self, seconds: float) -> dict[str, Any] | None:
        """Give the next event; None when none has come within this time, or the watch has ended: then it is over."""
        socket = getattr(self._response.connection, "sock", None)
        try:
            if socket is not None:
                socket.settimeout(max(seconds, 0.001))  # 0 would mean not to wait for the rest of an event
            found = next(self._events, None)
        except (urllib3.exceptions.HTTPError, OSError, ValueError):  # ValueError: ended while it was read
            found = None
        if found is None:
            self.close()
        return found

    def end(self) -> None:
        """Have whoever waits for the next event go on. May be called in any thread."""
        self.is_over = True
        with suppress(OSError, ValueError, RuntimeError):  # it has ended already
            self._response.shutdown()

    def close(self) -> None:
        """Read no more of it."""
        self.is_over = True
        self._response.close()

    def _read(self) -> Iterator[dict[str, Any]]:
        rest = b""
        for part in self._response.stream():
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                yield decoded(line)
