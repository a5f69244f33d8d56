"""The load bench's own parts: what they report is what happened."""

import json
import subprocess
import sys
import time

import pytest
from bench.load import report
from bench.load.drivers import Load, Measurement
from bench.load.usage import Meter
from bench.micro import personal
from bench.tracker import __main__ as tracker

from tests.peers.sink import Sink

SPIN = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"


def generate(port: int, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.load.generator", "--port", str(port), "--sender", "load@bench.example"]
    return subprocess.run([*command, *options], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.peer("smtp-sink")
@pytest.mark.parametrize("login", ["once", "each"])
def test_the_generator_sends_each_message_once_and_in_the_size_asked_for(login: str) -> None:
    with Sink(keep_messages=True) as sink:
        done = generate(sink.port, "--messages", "50", "--sessions", "7", "--size", "4096", "--login", login)
        sink.wait_for(50)
        messages = sink.messages()

    assert json.loads(done.stdout)["accepted"] == 50
    serials = {line for message in messages for line in message.content.splitlines() if line.startswith(b"Message-ID")}
    assert (len(messages), len(serials)) == (50, 50)
    sizes = {len(message.content.replace(b"\n", b"\r\n")) for message in messages}
    assert all(4096 - 80 <= size <= 4096 for size in sizes), sizes


@pytest.mark.peer("smtp-sink")
def test_a_refused_message_fails_the_run_and_names_the_reply() -> None:
    with Sink("-f", ".") as sink:
        done = generate(sink.port, "--messages", "5", "--sessions", "1")

    assert done.returncode == 1
    assert "expected 250 to the final dot, got: 500 5.3.0 Error: command failed" in done.stderr


def test_processor_time_of_children_that_have_ended_is_counted() -> None:
    parent = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {SPIN!r}]); print(); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-u", "-c", parent], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        with Meter([process.pid]) as meter:
            process.stdout.readline()
            time.sleep(0.05)
    finally:
        process.kill()
        process.communicate()

    assert meter.cpu_s >= 0.29
    assert meter.peak_memory_mib > 1


def test_the_table_gives_the_ratio_of_the_medians() -> None:
    def measured(server: str, rate: float) -> Measurement:
        return Measurement(
            server=server,
            driver="smtp-source",
            messages=10,
            accepted_per_s=rate,
            delivered_per_s=rate,
            cpu_ms_per_message=1.0,
            peak_memory_mib=100.0,
            p50_ms=None,
            p99_ms=None,
        )

    rates = {"Postroad": (900.0, 1500.0, 1200.0), "Postfix + OpenDKIM": (400.0, 390.0, 500.0)}
    measurements = [measured(server, rate) for server, rounds in rates.items() for rate in rounds]
    load = Load(messages=10, sessions=2, size=4096, limit_s=60)
    found = report.Report(date="2026-11-21", machine={}, versions={}, load=load, measurements=measurements)

    assert "| smtp-source | **ratio** | **3.00** |" in report.render(found)


async def test_a_newsletter_for_a_thousand_is_made_without_a_thousand_copies() -> None:
    cost = await personal.measure(1000, watches_memory=True)

    assert cost.recipients == 1000
    # 1,000 copies of 52 KB would be 50 MiB.
    assert cost.peak_bytes < 8 * 2**20


def test_every_request_of_the_tracker_bench_leads_to_a_stored_event(capsys: pytest.CaptureFixture[str]) -> None:
    assert tracker.main(["--per-s", "20", "--seconds", "2", "--deliveries", "100", "--no-files"]) == 0

    printed = capsys.readouterr().out
    assert "'302': 20" in printed
    assert "'200': 20" in printed
    assert "40 of 40 events stored" in printed
