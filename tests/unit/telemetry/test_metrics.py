import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from postroad.model.outcome import BounceClass
from postroad.telemetry.exposition import STORED_METRICS, QueueFigure, Stored, WebhookFigures, render_all
from postroad.telemetry.metrics import METRICS, Meter
from postroad.telemetry.provider import PROVIDERS, provider_of


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def _value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def test_an_accepted_message_counts_its_recipients_and_the_wait(registry: CollectorRegistry) -> None:
    Meter(registry).accepted("smtp", 3, 4.0)

    assert _value(registry, "postroad_accepted_total", channel="smtp") == 1
    assert _value(registry, "postroad_accepted_recipients_total") == 3
    assert _value(registry, "postroad_accept_seconds_sum") == pytest.approx(0.004)


def test_ends_are_counted_by_provider_and_class(registry: CollectorRegistry) -> None:
    meter = Meter(registry)

    meter.delivered("gmail.com", 120.0, 5000.0)
    meter.deferred("example.org", 20.0, maybe_delivered=True)
    meter.bounced("hotmail.com", BounceClass.QUOTA, 30.0)

    assert _value(registry, "postroad_delivered_total", provider="gmail") == 1
    assert _value(registry, "postroad_queue_wait_seconds_sum") == 5.0
    assert _value(registry, "postroad_deferred_total", provider="other") == 1
    assert _value(registry, "postroad_maybe_delivered_total") == 1
    assert _value(registry, "postroad_bounced_total", provider="microsoft", bounce_class="quota") == 1
    assert _value(registry, "postroad_attempt_seconds_count", end="bounced") == 1


def test_connections_go_up_and_down(registry: CollectorRegistry) -> None:
    meter = Meter(registry)

    meter.connections("in", now=4, since_start=5)
    meter.connections("in", now=1, since_start=7)
    meter.connections("out", now=3, since_start=3)

    assert _value(registry, "postroad_connections_open", direction="in") == 1
    assert _value(registry, "postroad_connections_total", direction="in") == 7
    assert _value(registry, "postroad_connections_total", direction="out") == 3


def test_connections_turned_away_grow_by_what_came_since_the_last_look(registry: CollectorRegistry) -> None:
    meter = Meter(registry)

    meter.turned_away(since_start=2)
    meter.turned_away(since_start=5)

    assert _value(registry, "postroad_connections_turned_away_total") == 5


def test_states_and_batches_are_kept(registry: CollectorRegistry) -> None:
    meter = Meter(registry)

    meter.rejected("header_from_not_aligned")
    meter.sessions(idle=4, reused_since_start=1)
    meter.ready(7)
    meter.bytes_in_flight(4096)
    meter.login("wrong")
    meter.batch_written("accept", 20, 8.0)
    meter.upkeep_done("fold_counters", 12)

    assert _value(registry, "postroad_rejected_total", rule="header_from_not_aligned") == 1
    assert _value(registry, "postroad_sessions_reused_total") == 1
    assert _value(registry, "postroad_sessions_idle") == 4
    assert _value(registry, "postroad_ready_deliveries") == 7
    assert _value(registry, "postroad_bytes_in_flight") == 4096
    assert _value(registry, "postroad_logins_total", result="wrong") == 1
    assert _value(registry, "postroad_storage_batch_rows_sum", batch="accept") == 20
    assert _value(registry, "postroad_storage_batch_seconds_sum", batch="accept") == pytest.approx(0.008)
    assert _value(registry, "postroad_upkeep_rows_total", task="fold_counters") == 12


def test_every_declared_metric_is_made_and_none_besides(registry: CollectorRegistry) -> None:
    Meter(registry)

    made = {line.split()[2] for line in generate_latest(registry).decode().splitlines() if line.startswith("# TYPE")}

    assert {name for name in made if not name.endswith("_created")} == {one.name for one in METRICS}


def test_provider_label_is_capped() -> None:
    assert {provider_of(name) for name in ("gmail.com", "web.de", "a.example", "b.example")} == {
        "gmail",
        "gmx",
        "other",
    }
    assert len(PROVIDERS) <= 16


_WORKER = """
import sys
from postroad.telemetry.metrics import Meter
meter = Meter()
meter.accepted("smtp", 2, 1.0)
meter.connections("in", now=1, since_start=1)
sys.stdout.write("counted")
sys.stdout.flush()
sys.stdin.read()
"""

_RENDER = """
import sys
from pathlib import Path
from postroad.telemetry.exposition import QueueFigure, Stored, forget_process, render_all
directory, *dead = sys.argv[1:]
for pid in dead:
    forget_process(Path(directory), int(pid))
sys.stdout.buffer.write(render_all(Path(directory), Stored(queue=[QueueFigure("scheduled", 5, 61.5)])))
"""


def test_workers_are_added_up_and_a_dead_one_leaves_only_what_it_counted(tmp_path: Path) -> None:
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _WORKER], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.read(7) == "counted"

    both = _render(tmp_path)
    workers[0].communicate("", timeout=10)
    workers[1].communicate("", timeout=10)
    after = _render(tmp_path, workers[0].pid)

    assert 'postroad_accepted_total{channel="smtp"} 2.0' in both
    assert 'postroad_connections_open{direction="in"} 2.0' in both
    assert 'postroad_queue_deliveries{state="scheduled"} 5.0' in both
    assert 'postroad_queue_oldest_seconds{state="scheduled"} 61.5' in both
    assert 'postroad_accepted_total{channel="smtp"} 2.0' in after
    assert 'postroad_connections_open{direction="in"} 1.0' in after


def _render(directory: Path, *dead: int) -> str:
    arguments = [sys.executable, "-c", _RENDER, str(directory), *map(str, dead)]
    return subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=20).stdout


def test_without_workers_the_queue_is_still_shown(tmp_path: Path) -> None:
    text = render_all(
        tmp_path,
        Stored(
            queue=[QueueFigure("held", 1, 2.0)],
            feedback={"forged": 3},
            webhooks=WebhookFigures(waiting=4, oldest_age_s=1.5, paused=2),
        ),
    ).decode()

    assert all(one.name in text for one in STORED_METRICS)
    assert 'postroad_feedback_reports_total{result="forged"} 3.0' in text
