"""`set_up_logs`: structured logs, a JSON object or a readable line each; `Metrics`: what Prometheus is told."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LEVELS: Final = ("debug", "info", "warning", "error")
FORMATS: Final = ("text", "json")
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


def set_up_logs(level: str, form: str) -> None:
    """Write logs of this level and above to stderr, as text for people or as a JSON object a line."""
    render: Any = structlog.processors.JSONRenderer() if form == "json" else _text_renderer()
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)  # for what libraries say
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=render, foreign_pre_chain=shared))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def _text_renderer() -> Any:  # noqa: ANN401 - structlog's
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)


def log() -> Any:  # noqa: ANN401 - structlog's loggers take any method
    """Give the logger; what is said of an event are named values: `log().info("request", status=200)`."""
    return structlog.get_logger()


class Remaining:
    """What is left of a list, for who scales workers by it."""

    __slots__ = ("blocks", "done", "failed", "items", "leased", "name", "workers")

    def __init__(
        self, name: str, items: float, blocks: float, done: float, failed: float, leased: float, workers: float
    ) -> None:
        self.name, self.items, self.blocks = name, items, blocks
        self.done, self.failed, self.leased, self.workers = done, failed, leased, workers


class Metrics:
    """Counts requests; asked for them, it also tells how the lists stand, as `remaining` gives them then."""

    def __init__(self, remaining: Callable[[], Iterable[Remaining]]) -> None:
        self.registry = CollectorRegistry()
        self._remaining = remaining
        self.requests = Counter("teamtask_requests", "Requests answered.", ["route", "status"], registry=self.registry)
        self.seconds = Histogram(
            "teamtask_request_seconds", "Time to answer.", ["route"], buckets=_BUCKETS, registry=self.registry
        )
        self.listeners = Gauge("teamtask_event_listeners", "Open event streams.", registry=self.registry)
        self.registry.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Tell how the lists stand."""
        families = {
            "items": GaugeMetricFamily("teamtask_list_remaining_items", "Items to be done.", labels=["list"]),
            "blocks": GaugeMetricFamily("teamtask_list_remaining_blocks", "Blocks to be handed out.", labels=["list"]),
            "done": GaugeMetricFamily("teamtask_list_done_items", "Items done.", labels=["list"]),
            "failed": GaugeMetricFamily("teamtask_list_failed_items", "Items that failed.", labels=["list"]),
            "leased": GaugeMetricFamily("teamtask_list_leases", "Leases held.", labels=["list"]),
            "workers": GaugeMetricFamily("teamtask_list_workers", "Active workers.", labels=["list"]),
        }
        for one in self._remaining():
            for name, family in families.items():
                family.add_metric([one.name], getattr(one, name))
        yield from families.values()

    def text(self) -> bytes:
        """Give everything in Prometheus's format."""
        return generate_latest(self.registry)
