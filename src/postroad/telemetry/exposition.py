"""What a scrape of ``/metrics`` answers: the workers' files added up, and the sizes of the queue as they are now."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from postroad.telemetry.metrics import Declared

QUEUE_DELIVERIES = Declared(
    "postroad_queue_deliveries", "gauge", "Deliveries in the queue, by where they stand.", ("state",)
)
QUEUE_OLDEST_SECONDS = Declared(
    "postroad_queue_oldest_seconds", "gauge", "Age of the oldest delivery, by where it stands.", ("state",)
)
QUEUE_METRICS = (QUEUE_DELIVERIES, QUEUE_OLDEST_SECONDS)


class QueueFigure(msgspec.Struct, frozen=True):
    """How many deliveries stand in one state, and since when the oldest was accepted."""

    state: str
    deliveries: int
    oldest_age_s: float


def forget_process(directory: Path, pid: int) -> None:
    """Drop the gauges of a worker that ended; what it counted stays."""
    mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]


def render_all(directory: Path, queue: Sequence[QueueFigure] = ()) -> bytes:
    """Return the metrics of all workers in Prometheus' text format."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(directory))  # type: ignore[no-untyped-call]
    registry.register(_QueueCollector(queue))
    return generate_latest(registry)


class _QueueCollector(Collector):
    def __init__(self, figures: Iterable[QueueFigure]) -> None:
        self._figures = tuple(figures)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        deliveries, oldest = (GaugeMetricFamily(one.name, one.help, labels=one.labels) for one in QUEUE_METRICS)
        for figure in self._figures:
            deliveries.add_metric((figure.state,), figure.deliveries)
            oldest.add_metric((figure.state,), figure.oldest_age_s)
        yield deliveries
        yield oldest
