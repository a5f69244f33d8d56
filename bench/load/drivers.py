"""The clients that load a server, and one measured run of one of them."""

import os
import subprocess
import sys
import time

import msgspec
from tests.peers.ports import LOOPBACK
from tests.peers.programs import path_of
from tests.peers.sink import Sink

from bench.load import generator
from bench.load.servers import SENDER, Server
from bench.load.usage import Meter

RECIPIENT_DOMAIN = "there.example"

DRIVERS = {
    "smtp-source": "Postfix's smtp-source, a connection for each message, no login",
    "login-each": "own generator, a connection and a login for each message",
    "login-each-starttls": "the same with STARTTLS and a full handshake each time, ECDSA P-256 certificate",
    "login-each-tls": "the same with TLS from the first octet",
    "login-once": "own generator, one login for each session, connections kept",
}

_TLS = {"login-each-starttls": "starttls", "login-each-tls": "implicit"}
"""How drivers that log in encrypt; the others do not."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """How much a run sends."""

    messages: int
    sessions: int
    size: int
    limit_s: float
    """After this time a run has failed."""


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """What one run showed of one server."""

    server: str
    driver: str
    messages: int
    accepted_per_s: float
    delivered_per_s: float
    """End to end: from the first connection until the sink had all of them."""
    cpu_ms_per_message: float
    peak_memory_mib: float
    p50_ms: float | None
    p99_ms: float | None


def measure(server: Server, sink: Sink, driver: str, load: Load) -> Measurement:
    """Load a server once and watch it until the sink has everything; raises where one message was not taken."""
    before = sink.count()
    with Meter(server.pids) as meter:
        began_at = time.monotonic()
        report = _drive(server, driver, load)
        accepted_at = report.ended_at if report else time.monotonic()
        began_at = report.began_at if report else began_at
        done_at = sink.wait_for(before + load.messages, load.limit_s)
    return Measurement(
        server=server.name,
        driver=driver,
        messages=load.messages,
        accepted_per_s=load.messages / (accepted_at - began_at),
        delivered_per_s=load.messages / (done_at - began_at),
        cpu_ms_per_message=meter.cpu_s * 1000 / load.messages,
        peak_memory_mib=meter.peak_memory_mib,
        p50_ms=report.p50_ms if report else None,
        p99_ms=report.p99_ms if report else None,
    )


def _drive(server: Server, driver: str, load: Load) -> generator.Report | None:
    if driver == "smtp-source":
        _run_smtp_source(server, load)
        return None
    return run_generator(server, load, login="once" if driver == "login-once" else "each", tls=_TLS.get(driver, "none"))


def _run_smtp_source(server: Server, load: Load) -> None:
    command = [path_of("smtp-source"), "-s", str(load.sessions), "-m", str(load.messages), "-l", str(load.size)]
    command += ["-S", "A message of the load bench", "-f", SENDER, "-t", f"someone@{RECIPIENT_DOMAIN}"]
    # It ends with a fatal error at the first refused message.
    subprocess.run([*command, f"{LOOPBACK}:{server.open_port}"], check=True, timeout=load.limit_s)


def run_generator(
    server: Server, load: Load, *, login: str, tls: str = "none", pace_per_s: float | None = None
) -> generator.Report:
    """Have the generator send a load in a process of its own."""
    port = server.login_tls_port if tls == "implicit" else server.login_port
    command = [sys.executable, "-m", "bench.load.generator", "--port", str(port), "--login", login, "--tls", tls]
    command += ["--messages", str(load.messages), "--sessions", str(load.sessions), "--size", str(load.size)]
    command += ["--sender", SENDER, "--recipient-domain", RECIPIENT_DOMAIN, "--limit-s", str(load.limit_s)]
    if server.username is not None:
        command += ["--username", server.username]
    if pace_per_s is not None:
        command += ["--pace-per-s", str(pace_per_s)]
    environment = {**os.environ, "LOAD_PASSWORD": server.password}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, timeout=load.limit_s + 30)
    return msgspec.json.decode(done.stdout, type=generator.Report)
