"""`EventWriter`: tells what happened to a list as events of Kubernetes, from a thread of its own.

Events are help for people: while the API server takes none they are dropped, never waited for.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Any

import structlog

from teamtask.kube import objects as o
from teamtask.wire.dates import rfc_3339

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamtask.controller.happened import Event
    from teamtask.kube.api_server import ApiServer

COMPONENT = "teamtask-controller"
WAITING_MAX = 1_000
MESSAGE_CHARACTERS_MAX = 1_000  # the API server takes 1,024
EVENTS_PER_SECOND = 10.0

_log = structlog.get_logger()


class EventWriter:
    """Begins with its first event."""

    def __init__(self, server: ApiServer) -> None:
        """Write to this API server."""
        self._server = server
        self._waiting: queue.SimpleQueue[tuple[str, dict[str, Any]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def tell(self, worklist: o.Worklist, events: Iterable[Event]) -> None:
        """Have these be written; with too many waiting already they are dropped."""
        for event in events:
            if self._waiting.qsize() >= WAITING_MAX:
                return
            self._waiting.put((worklist.metadata.namespace, _document(worklist, event, time.time())))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="events", daemon=True)
                self._thread.start()

    def close(self, seconds: float) -> None:
        """Write what waits, for so long at most."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(seconds)

    def _run(self) -> None:
        while (next_one := self._waiting.get()) is not None:
            namespace, document = next_one
            try:
                self._server.call("POST", f"/api/v1/namespaces/{namespace}/events", document)
            except Exception as error:  # noqa: BLE001 - this thread must not end
                _log.warning("an event was not taken", reason=document["reason"], error=str(error))
            time.sleep(1 / EVENTS_PER_SECOND)


def _document(worklist: o.Worklist, event: Event, now: float) -> dict[str, Any]:
    metadata, date = worklist.metadata, rfc_3339(now)
    about = {
        "apiVersion": o.API_VERSION, "kind": "Worklist", "namespace": metadata.namespace, "name": metadata.name,
        "uid": metadata.uid, "resourceVersion": metadata.resource_version,
    }  # fmt: skip
    return {
        "metadata": {"generateName": f"{metadata.name[:200]}."},
        "involvedObject": about,
        "reason": event.reason,
        "message": event.message[:MESSAGE_CHARACTERS_MAX],
        "type": event.type,
        "firstTimestamp": date,
        "lastTimestamp": date,
        "count": 1,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
    }
