"""What a scrape of ``/metrics`` answers: the workers' files added up, and what the database says at this moment."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from postroad.telemetry.metrics import Declared

QUEUE_DELIVERIES = Declared(
    "postroad_queue_deliveries", "gauge", "Deliveries in the queue, by where they stand.", ("state",)
)
QUEUE_OLDEST_SECONDS = Declared(
    "postroad_queue_oldest_seconds", "gauge", "Age of the oldest delivery, by where it stands.", ("state",)
)
FEEDBACK_REPORTS = Declared(
    "postroad_feedback_reports_total",
    "counter",
    "Feedback reports of mailbox providers, of the whole installation, by result: counted, repeated, left_alone (no "
    "complaint), unreadable, unmatched (no identifier of ours), forged (not signed here) or unknown (no longer kept).",
    ("result",),
)
STORED_METRICS = (QUEUE_DELIVERIES, QUEUE_OLDEST_SECONDS, FEEDBACK_REPORTS)
"""What is read from the database: the same on every node."""


class QueueFigure(msgspec.Struct, frozen=True):
    """How many deliveries stand in one state, and since when the oldest was accepted."""

    state: str
    deliveries: int
    oldest_age_s: float


def forget_process(directory: Path, pid: int) -> None:
    """Drop the gauges of a worker that ended; what it counted stays."""
    mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]


def render_all(directory: Path, queue: Sequence[QueueFigure] = (), feedback: Mapping[str, int] | None = None) -> bytes:
    """Return the metrics of all workers, and what the database says, in Prometheus' text format."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(directory))  # type: ignore[no-untyped-call]
    registry.register(_StoredCollector(queue, feedback or {}))
    return generate_latest(registry)


class _StoredCollector(Collector):
    def __init__(self, figures: Iterable[QueueFigure], feedback: Mapping[str, int]) -> None:
        self._figures = tuple(figures)
        self._feedback = feedback

    def collect(self) -> Iterator[Metric]:
        deliveries, oldest = (
            GaugeMetricFamily(one.name, one.help, labels=one.labels) for one in (QUEUE_DELIVERIES, QUEUE_OLDEST_SECONDS)
        )
        for figure in self._figures:
            deliveries.add_metric((figure.state,), figure.deliveries)
            oldest.add_metric((figure.state,), figure.oldest_age_s)
        yield deliveries
        yield oldest
        reports = CounterMetricFamily(FEEDBACK_REPORTS.name, FEEDBACK_REPORTS.help, labels=FEEDBACK_REPORTS.labels)
        for result, count in self._feedback.items():
            reports.add_metric((result,), count)
        yield reports
