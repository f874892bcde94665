"""`ControllerMetrics`: what Prometheus and the probes of Kubernetes are told, over HTTP at an address of its own."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from teamtask.kube import objects as o

STILL_SECONDS_MAX = 60.0  # a controller that has not come round for so long is not alive
REQUEST_SECONDS = 10.0
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LABELS = ("namespace", "list")
_GAUGES: dict[str, tuple[str, Callable[[o.WorklistStatus], float]]] = {
    "teamtask_list_done_items": ("Items done.", lambda status: status.completed_items),
    "teamtask_list_remaining_items": ("Items to be done.", lambda status: status.size - status.completed_items),
    "teamtask_list_failed_items": ("Items that failed.", lambda status: status.failed_items),
    "teamtask_list_leases": ("Blocks handed out.", lambda status: status.active_blocks),
}


class ControllerMetrics:
    """Counted by the controller's threads, and asked for by others."""

    def __init__(self, worklists: Callable[[], list[o.Worklist]]) -> None:
        """Begin to count; `worklists` gives the lists as they are."""
        self._worklists = worklists
        self.registry = CollectorRegistry()
        self.writes = Counter(
            "teamtask_controller_writes", "Writes to the API server.", ["what", "status"], registry=self.registry
        )
        self.pass_seconds = Histogram(
            "teamtask_controller_pass_seconds", "Time of a look at a list.", buckets=_BUCKETS, registry=self.registry
        )
        self.leading = Gauge("teamtask_controller_leading", "1 while this one acts.", registry=self.registry)
        self._round_at: float | None = None  # nothing is to be done while it stands by
        self.registry.register(self)

    def came_round(self) -> None:
        """Note that the controller is alive."""
        self._round_at = time.monotonic()

    @property
    def is_alive(self) -> bool:
        """Whether it came round lately, or stands by."""
        return self._round_at is None or time.monotonic() - self._round_at < STILL_SECONDS_MAX

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Tell how the lists stand."""
        worklists = self._worklists()
        for name, (told, value) in _GAUGES.items():
            family = GaugeMetricFamily(name, told, labels=_LABELS)
            for one in worklists:
                family.add_metric([one.metadata.namespace, one.metadata.name], value(one.status))
            yield family

    def serve(self, listening: socket.socket) -> None:
        """Answer `/metrics` and `/healthz` on a socket that listens, from threads that end with the process."""
        listening.setblocking(True)  # noqa: FBT003 - the standard library takes no name there
        handler = type("Handler", (_Handler,), {"metrics": self})
        server = ThreadingHTTPServer(listening.getsockname()[:2], handler, bind_and_activate=False)
        server.socket.close()
        server.socket = listening
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    metrics: ControllerMetrics
    timeout = REQUEST_SECONDS

    def do_GET(self) -> None:
        """Answer."""
        if self.path == "/metrics":
            self._answer(200, CONTENT_TYPE_LATEST, generate_latest(self.metrics.registry))
        elif self.path == "/healthz":
            alive = self.metrics.is_alive
            self._answer(200 if alive else 503, "text/plain", b"ok\n" if alive else b"it stands still\n")
        else:
            self._answer(404, "text/plain", b"There are /metrics and /healthz.\n")

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""
