"""What the service counts, for Prometheus: every label's values are few and known beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

import shard

if TYPE_CHECKING:
    from pathlib import Path

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_RENDER = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The counters of one server process. ``kind`` is ``thumb`` or ``frame`` throughout.

    With a ``folder`` the answer is for all processes that count into it, those included that
    are no more; prometheus-client must have been told of it (PROMETHEUS_MULTIPROC_DIR) before this
    module was imported.
    """

    def __init__(self, folder: Path | None = None) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped there
        self._folder = folder
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "shard_http_requests",
            "Requests answered; the route is its template, (none) where there is none.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "shard_http_request_seconds",
            "From a request's head to the answer's last byte.",
            ("route",),
            buckets=_FAST,
            registry=registry,
        )
        self.in_flight = Gauge(
            "shard_http_requests_in_flight",
            "Requests that are being answered now.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._served = Counter(
            "shard_pictures_served",
            "Pictures served: from memory, from the store, made, or unchanged (304).",
            ("kind", "origin"),
            registry=registry,
        )
        self._rendered = Histogram(
            "shard_render_seconds",
            "From taking a picture's work into hand to its last byte written; queueing included.",
            ("kind",),
            buckets=_RENDER,
            registry=registry,
        )
        self._failures = Counter(
            "shard_failures",
            "Pictures that could not be served, by reason.",
            ("kind", "reason"),
            registry=registry,
        )
        Gauge(
            "shard_build_info",
            "Always 1.",
            ("version",),
            registry=registry,
            multiprocess_mode="max",
        ).labels(shard.__version__).set(1)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        known = self._known.get((method, route, status))
        if known is None:  # looking labels up costs more than counting
            known = self._requests.labels(method, route, str(status)), self._seconds.labels(route)
            self._known[method, route, status] = known
        known[0].inc()
        known[1].observe(seconds)

    def served(self, kind: str, origin: str) -> None:
        """Count a picture; ``origin``: ``memory``, ``store``, ``made`` or ``unchanged``."""
        self._served.labels(kind, origin).inc()

    def rendered(self, kind: str, seconds: float) -> None:
        """Count a rendering."""
        self._rendered.labels(kind).observe(seconds)

    def failed(self, kind: str, reason: str) -> None:
        """Count a failure; ``reason`` is a word from a closed list, as in the ledger."""
        self._failures.labels(kind, reason).inc()

    def exposition(self) -> bytes:
        """Return everything in Prometheus' text format."""
        if self._folder is None:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(self._folder))  # type: ignore[no-untyped-call]  # untyped there
        return generate_latest(registry)
