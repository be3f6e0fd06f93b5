"""What the service counts, for Prometheus."""

import os
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Where several worker processes add up their counts; `recsys serve` sets it."""
SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """The counts of one process, or of all workers where they share a folder."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.requests = Counter(
            "recsys_requests", "Answers", ["method", "route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "recsys_request_seconds", "To an answer", ["route"], buckets=SECONDS, registry=registry
        )
        self.lists = Counter(
            "recsys_lists",
            "Lists served",
            ["variant", "fallback", "short", "degraded"],
            registry=registry,
        )
        self.events = Counter(
            "recsys_events", "Events that arrived", ["outcome"], registry=registry
        )
        self.waiting = Gauge(
            "recsys_waiting",
            "What waits to be written",
            ["what"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.lost = Gauge(
            "recsys_exposures_lost",
            "Exposures that could not be kept",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.model = Gauge(
            "recsys_model_as_of_seconds",
            "The moment of training, Unix time",
            ["version"],
            registry=registry,
            multiprocess_mode="livemax",
        )

    def exposition(self) -> bytes:
        """Write everything down as Prometheus reads it."""
        if FOLDER_VARIABLE not in os.environ:
            return generate_latest(self._registry)
        everybody = CollectorRegistry()
        MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]
        return generate_latest(everybody)
