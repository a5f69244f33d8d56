"""Every metric, declared in one place, and the meter that the services count with.

Several workers are one installation: the supervisor sets ``PROMETHEUS_MULTIPROC_DIR`` before anything imports this
module, each worker writes its own files there, and ``telemetry.exposition`` adds them up. The children of labels are
looked up once per label set and kept: no look-up by label text per message.
"""

from collections.abc import Callable
from typing import Literal, TypeVar

import msgspec
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from postroad.model.outcome import BounceClass
from postroad.telemetry.provider import PROVIDERS, provider_of

Direction = Literal["in", "out"]
End = Literal["delivered", "deferred", "bounced"]
Metric = TypeVar("Metric", Counter, Gauge, Histogram)

_MILLISECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_WAITS = (0.01, 0.1, 1.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 14400.0, 86400.0, 259200.0)
_ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Declared(msgspec.Struct, frozen=True):
    """One metric as it is documented."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


ACCEPTED = Declared("postroad_accepted_total", "counter", "Messages accepted.", ("channel",))
ACCEPTED_RECIPIENTS = Declared("postroad_accepted_recipients_total", "counter", "Deliveries made of accepted messages.")
REJECTED = Declared("postroad_rejected_total", "counter", "Submissions refused, by the rule that refused.", ("rule",))
DELIVERED = Declared("postroad_delivered_total", "counter", "Deliveries the receiving host took.", ("provider",))
DEFERRED = Declared("postroad_deferred_total", "counter", "Attempts that will be repeated.", ("provider",))
BOUNCED = Declared("postroad_bounced_total", "counter", "Deliveries given up.", ("provider", "bounce_class"))
MAYBE_DELIVERED = Declared(
    "postroad_maybe_delivered_total", "counter", "Attempts whose end is not known: a later one may be a repeat."
)
ACCEPT_SECONDS = Declared(
    "postroad_accept_seconds", "histogram", "From the final dot to the reply.", buckets=_MILLISECONDS
)
QUEUE_WAIT_SECONDS = Declared(
    "postroad_queue_wait_seconds", "histogram", "From acceptance to delivery.", buckets=_WAITS
)
ATTEMPT_SECONDS = Declared("postroad_attempt_seconds", "histogram", "One attempt, by its end.", ("end",), _SECONDS)
CONNECTIONS = Declared("postroad_connections_open", "gauge", "SMTP connections that are open.", ("direction",))
CONNECTIONS_TOTAL = Declared("postroad_connections_total", "counter", "SMTP connections made.", ("direction",))
TURNED_AWAY = Declared(
    "postroad_connections_turned_away_total", "counter", "Inbound SMTP connections refused for being too many."
)
SESSIONS_REUSED = Declared(
    "postroad_sessions_reused_total", "counter", "Times a kept outbound connection was used again."
)
SESSIONS_IDLE = Declared("postroad_sessions_idle", "gauge", "Open outbound connections without a delivery.")
READY = Declared("postroad_ready_deliveries", "gauge", "Leased deliveries waiting in memory for capacity.")
BYTES_IN_FLIGHT = Declared("postroad_bytes_in_flight", "gauge", "Octets of message text being received.")
CERTIFICATE_EXPIRES = Declared(
    "postroad_certificate_expires_seconds",
    "gauge",
    "When the certificate that the submission and HTTPS doors show expires, in seconds since 1970 (UTC).",
)
LOGINS = Declared(
    "postroad_logins_total",
    "counter",
    "Log-ins tried, by result: ok, cached, wrong, network, tls, client_locked, network_locked, credential_locked, shed "
    "or busy.",
    ("result",),
)
API_KEYS = Declared(
    "postroad_api_keys_total",
    "counter",
    "API keys checked, by result: ok, unknown, address, suspended or domain_gone.",
    ("result",),
)
BLOCKLISTS = Declared(
    "postroad_blocklist_answers_total",
    "counter",
    "Answers of DNS blocklists: clear, listed, refused (the list does not serve us) or failed.",
    ("zone", "result"),
)
REPEATED = Declared(
    "postroad_repeated_too_soon_total",
    "counter",
    "Refused messages that a client repeated as it should not: too_soon (within a minute of 4xx) or after_refusal (5xx).",
    ("kind",),
)
TRACKER = Declared(
    "postroad_tracker_requests_total",
    "counter",
    "Requests for tracked links: opened, clicked, trapped (the hidden link), page (to unsubscribe), unsubscribed, refused "
    "(a token that is not ours), blocked (a destination taken down) or failed (an unsubscribing that could not be stored).",
    ("result",),
)
TRACKER_LOST = Declared(
    "postroad_tracker_lost_total",
    "counter",
    "Opens and clicks that no event tells of: overflow (storage was away for too long), repeated "
    "(more than 200 of one delivery in a minute), stopped (at the end of a worker), or "
    "unknown (their message is no longer kept).",
    ("reason",),
)
TRACKER_WAITING = Declared("postroad_tracker_waiting", "gauge", "Opens and clicks that wait to be written.")
WEBHOOK_CALLS = Declared(
    "postroad_webhook_calls_total",
    "counter",
    "Events posted to webhooks and callbacks, by how the attempt ended: delivered, failed (tried again), refused (not wanted), "
    "given_up (their 72 hours were over), gone (the webhook was removed) or silent (its format has no word for the event).",
    ("result",),
)
RETURNED = Declared(
    "postroad_returned_mail_total",
    "counter",
    "Mail at the inbound door, by what it came to: bounced, noted (nothing changes), repeated, auto_reply, unreadable (no "
    "report), unknown (no longer kept), forged (a token that is not ours), complaint, unsubscribed, forwarded, stopped (by a "
    "route), refused (no such recipient) or relay (for a domain that is not ours).",
    ("result",),
)
STORAGE_ROWS = Declared(
    "postroad_storage_batch_rows", "histogram", "Callers that shared one transaction.", ("batch",), _ROWS
)
STORAGE_SECONDS = Declared(
    "postroad_storage_batch_seconds", "histogram", "One transaction, with its commit.", ("batch",), _MILLISECONDS
)
UPKEEP_ROWS = Declared("postroad_upkeep_rows_total", "counter", "Rows removed or folded by upkeep.", ("task",))

METRICS = (
    ACCEPTED, ACCEPTED_RECIPIENTS, REJECTED, DELIVERED, DEFERRED, BOUNCED, MAYBE_DELIVERED, ACCEPT_SECONDS,
    QUEUE_WAIT_SECONDS, ATTEMPT_SECONDS, CONNECTIONS, CONNECTIONS_TOTAL, TURNED_AWAY, SESSIONS_REUSED, SESSIONS_IDLE, READY,
    BYTES_IN_FLIGHT, CERTIFICATE_EXPIRES, LOGINS, BLOCKLISTS, API_KEYS, REPEATED, TRACKER, TRACKER_LOST, TRACKER_WAITING,
    RETURNED, WEBHOOK_CALLS, STORAGE_ROWS,
    STORAGE_SECONDS, UPKEEP_ROWS,
)  # fmt: skip
"""What the workers count; ``telemetry.exposition`` adds the sizes of the queue at each scrape."""


class Meter:
    """Counts what happens; a service takes it through a small Protocol of just the methods it calls."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._registry = registry
        self._totals: dict[str, int] = {}
        self._accepted = _Family(self._counter(ACCEPTED))
        self._recipients = self._counter(ACCEPTED_RECIPIENTS)
        self._rejected = _Family(self._counter(REJECTED))
        delivered, deferred, bounced = self._counter(DELIVERED), self._counter(DEFERRED), self._counter(BOUNCED)
        self._delivered = {provider: delivered.labels(provider) for provider in PROVIDERS}
        self._deferred = {provider: deferred.labels(provider) for provider in PROVIDERS}
        self._bounced = {
            (provider, bounce_class): bounced.labels(provider, bounce_class.value)
            for provider in PROVIDERS
            for bounce_class in BounceClass
        }
        self._maybe_delivered = self._counter(MAYBE_DELIVERED)
        self._accept_seconds = self._histogram(ACCEPT_SECONDS)
        self._queue_wait = self._histogram(QUEUE_WAIT_SECONDS)
        self._attempt_seconds = _Family(self._histogram(ATTEMPT_SECONDS))
        self._open = _Family(self._gauge(CONNECTIONS))
        self._opened = _Family(self._counter(CONNECTIONS_TOTAL))
        self._turned_away = self._counter(TURNED_AWAY)
        self._reused = self._counter(SESSIONS_REUSED)
        self._idle = self._gauge(SESSIONS_IDLE)
        self._ready = self._gauge(READY)
        self._in_flight = self._gauge(BYTES_IN_FLIGHT)
        self._certificate = self._gauge(CERTIFICATE_EXPIRES, "livemin")
        self._logins = _Family(self._counter(LOGINS))
        self._api_keys = _Family(self._counter(API_KEYS))
        self._blocklists = self._counter(BLOCKLISTS)
        self._repeated = _Family(self._counter(REPEATED))
        self._tracker = _Family(self._counter(TRACKER))
        self._tracker_lost = _Family(self._counter(TRACKER_LOST))
        self._tracker_waiting = self._gauge(TRACKER_WAITING)
        self._webhook_calls = _Family(self._counter(WEBHOOK_CALLS))
        self._returned = _Family(self._counter(RETURNED))
        self._batch_rows = _Family(self._histogram(STORAGE_ROWS))
        self._batch_seconds = _Family(self._histogram(STORAGE_SECONDS))
        self._upkeep = _Family(self._counter(UPKEEP_ROWS))

    def accepted(self, channel: str, recipients: int, duration_ms: float) -> None:
        """Count one accepted message and how long its sender waited for the reply."""
        self._accepted[channel].inc()
        self._recipients.inc(recipients)
        self._accept_seconds.observe(duration_ms / 1000)

    def rejected(self, rule: str) -> None:
        """Count one refused submission."""
        self._rejected[rule].inc()

    def delivered(self, destination: str, duration_ms: float, wait_ms: float) -> None:
        """Count one delivery taken by its host, the attempt's length and the time since acceptance."""
        self._delivered[provider_of(destination)].inc()
        self._attempt_seconds["delivered"].observe(duration_ms / 1000)
        self._queue_wait.observe(wait_ms / 1000)

    def deferred(self, destination: str, duration_ms: float, *, maybe_delivered: bool = False) -> None:
        """Count one attempt that will be repeated."""
        self._deferred[provider_of(destination)].inc()
        self._attempt_seconds["deferred"].observe(duration_ms / 1000)
        if maybe_delivered:
            self._maybe_delivered.inc()

    def bounced(self, destination: str, bounce_class: BounceClass, duration_ms: float) -> None:
        """Count one delivery given up."""
        self._bounced[provider_of(destination), bounce_class].inc()
        self._attempt_seconds["bounced"].observe(duration_ms / 1000)

    def connections(self, direction: Direction, *, now: int, since_start: int) -> None:
        """Say how many SMTP connections are open, and how many there have been since the worker's start."""
        self._open[direction].set(now)
        self._opened[direction].inc(self._since_last(direction, since_start))

    def turned_away(self, *, since_start: int) -> None:
        """Say how many inbound connections have been refused for being too many since the worker's start."""
        self._turned_away.inc(self._since_last("turned_away", since_start))

    def sessions(self, *, idle: int, reused_since_start: int) -> None:
        """Say how many outbound connections wait for work, and how often such a one was used again."""
        self._idle.set(idle)
        self._reused.inc(self._since_last("reused", reused_since_start))

    def ready(self, count: int) -> None:
        """Say how many leased deliveries wait in memory."""
        self._ready.set(count)

    def bytes_in_flight(self, octets: int) -> None:
        """Say how much message text is being received."""
        self._in_flight.set(octets)

    def certificate_expires(self, instant: int) -> None:
        """Say when the certificate that the doors show expires, in milliseconds since 1970."""
        self._certificate.set(instant / 1000)

    def login(self, result: str) -> None:
        """Count one log-in: ``ok``, ``cached``, or the reason why it was refused."""
        self._logins[result].inc()

    def api_key_checked(self, result: str) -> None:
        """Count one API key that was offered: ``ok``, or why it was refused."""
        self._api_keys[result].inc()

    def repeated(self, kind: str) -> None:
        """Count one refused message that was repeated too soon, or in vain."""
        self._repeated[kind].inc()

    def blocklist_asked(self, zone: str, result: str) -> None:
        """Count one answer of a list; clients are asked about when they connect, not for each message."""
        self._blocklists.labels(zone, result).inc()

    def tracked(self, result: str) -> None:
        """Count one request for a tracked link."""
        self._tracker[result].inc()

    def hits_lost(self, reason: str, count: int) -> None:
        """Count opens and clicks that no event tells of."""
        self._tracker_lost[reason].inc(count)

    def hits_waiting(self, count: int) -> None:
        """Say how many opens and clicks wait to be written."""
        self._tracker_waiting.set(count)

    def webhook_called(self, result: str, count: int = 1) -> None:
        """Count events posted, or not to be posted any more, by how that ended."""
        self._webhook_calls[result].inc(count)

    def returned(self, result: str) -> None:
        """Count one recipient of mail at the inbound door by what it came to."""
        self._returned[result].inc()

    def batch_written(self, batch: str, rows: int, duration_ms: float) -> None:
        """Count one storage transaction, named by what it wrote."""
        self._batch_rows[batch].observe(rows)
        self._batch_seconds[batch].observe(duration_ms / 1000)

    def upkeep_done(self, task: str, rows: int) -> None:
        """Count the rows one slice of upkeep dealt with."""
        self._upkeep[task].inc(rows)

    def _since_last(self, name: str, since_start: int) -> int:
        """Return by how much a total that is kept elsewhere has grown."""
        before, self._totals[name] = self._totals.get(name, 0), since_start
        return since_start - before

    def _counter(self, declared: Declared) -> Counter:
        return Counter(declared.name, declared.help, declared.labels, registry=self._registry)

    def _gauge(self, declared: Declared, of_workers: Literal["livesum", "livemin"] = "livesum") -> Gauge:
        # livesum: what open workers hold together; a dead worker's share is forgotten with its process.
        return Gauge(
            declared.name, declared.help, declared.labels, registry=self._registry, multiprocess_mode=of_workers
        )

    def _histogram(self, declared: Declared) -> Histogram:
        return Histogram(
            declared.name, declared.help, declared.labels, registry=self._registry, buckets=declared.buckets
        )


class _Family(dict[str, Metric]):
    """The children of a metric with one label, each looked up once."""

    def __init__(self, metric: Metric) -> None:
        super().__init__()
        self._child: Callable[[str], Metric] = metric.labels

    def __missing__(self, label: str) -> Metric:
        child = self._child(label)
        self[label] = child
        return child
