"""What a scrape of ``/metrics`` answers: the workers' files added up, and what the database says at this moment."""

from collections.abc import Iterator, Mapping, Sequence
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
WEBHOOKS_WAITING = Declared(
    "postroad_webhook_calls_waiting",
    "gauge",
    "Events that wait to be posted, of the whole installation, up to 100,000.",
)
WEBHOOKS_OLDEST_SECONDS = Declared(
    "postroad_webhook_oldest_seconds", "gauge", "Age of the oldest event that waits to be posted."
)
WEBHOOKS_PAUSED = Declared(
    "postroad_webhook_paused_addresses", "gauge", "Addresses that take no calls and that are tried only now and then."
)
STORED_METRICS = (
    QUEUE_DELIVERIES, QUEUE_OLDEST_SECONDS, FEEDBACK_REPORTS, WEBHOOKS_WAITING, WEBHOOKS_OLDEST_SECONDS, WEBHOOKS_PAUSED,
)  # fmt: skip
"""What is read from the database: the same on every node."""


class QueueFigure(msgspec.Struct, frozen=True):
    """How many deliveries stand in one state, and since when the oldest was accepted."""

    state: str
    deliveries: int
    oldest_age_s: float


class WebhookFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What waits to be posted."""

    waiting: int
    oldest_age_s: float
    paused: int


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What the database says at the moment of a scrape."""

    queue: Sequence[QueueFigure] = ()
    feedback: Mapping[str, int] = {}
    webhooks: WebhookFigures | None = None


NOTHING_STORED = Stored()


def forget_process(directory: Path, pid: int) -> None:
    """Drop the gauges of a worker that ended; what it counted stays."""
    mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]


def render_all(directory: Path, stored: Stored = NOTHING_STORED) -> bytes:
    """Return the metrics of all workers, and what the database says, in Prometheus' text format."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(directory))  # type: ignore[no-untyped-call]
    registry.register(_StoredCollector(stored))
    return generate_latest(registry)


class _StoredCollector(Collector):
    def __init__(self, stored: Stored) -> None:
        self._stored = stored

    def collect(self) -> Iterator[Metric]:
        deliveries, oldest = (
            GaugeMetricFamily(one.name, one.help, labels=one.labels) for one in (QUEUE_DELIVERIES, QUEUE_OLDEST_SECONDS)
        )
        for figure in self._stored.queue:
            deliveries.add_metric((figure.state,), figure.deliveries)
            oldest.add_metric((figure.state,), figure.oldest_age_s)
        yield deliveries
        yield oldest
        reports = CounterMetricFamily(FEEDBACK_REPORTS.name, FEEDBACK_REPORTS.help, labels=FEEDBACK_REPORTS.labels)
        for result, count in self._stored.feedback.items():
            reports.add_metric((result,), count)
        yield reports
        webhooks = self._stored.webhooks
        if webhooks is not None:
            yield GaugeMetricFamily(WEBHOOKS_WAITING.name, WEBHOOKS_WAITING.help, webhooks.waiting)
            yield GaugeMetricFamily(WEBHOOKS_OLDEST_SECONDS.name, WEBHOOKS_OLDEST_SECONDS.help, webhooks.oldest_age_s)
            yield GaugeMetricFamily(WEBHOOKS_PAUSED.name, WEBHOOKS_PAUSED.help, webhooks.paused)
