"""SIGHUP reads configuration and certificate anew, SIGTERM finishes what is in flight."""

import asyncio
import os
import signal
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.peers.ports import LOOPBACK
from tests.scenarios.product import USERNAME
from tests.scenarios.world import FIELD, World, destination, letter, only_delivery, prepared_world, submit_over
from tests.waiting import within

pytestmark = pytest.mark.peer("nsd")

TAKEN_UP_S = 15.0


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[World]:
    """A node that each test starts, and leaves stopped."""
    zones = {FIELD: "nowhere MX 0 ."}
    with prepared_world(tmp_path, zones=zones) as prepared:
        yield prepared
        prepared.product.stop()


def certificate_seen(authority: trustme.CA, world: World, name: str) -> bool:
    """Whether a client that trusts the authority gets a certificate for the name."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    try:
        with smtplib.SMTP(LOOPBACK, world.product.submission_port, timeout=10) as client:
            client._host = name  # type: ignore[attr-defined]
            client.starttls(context=context)
    except (ssl.SSLError, OSError, smtplib.SMTPException):
        return False
    return True


def write_certificate(authority: trustme.CA, name: str, path: Path) -> None:
    authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(str(path))


def test_a_new_certificate_and_new_settings_are_taken_up(stopped: World, tmp_path: Path) -> None:
    authority, path = trustme.CA(), tmp_path / "certificate.pem"
    product = stopped.product
    write_certificate(authority, "old.example", path)
    product.configure({"tls": {"certificate": str(path), "key": str(path)}, "smtp": {"max_message_size": 65_536}})
    product.start()
    with stopped.client() as client:
        assert client.esmtp_features["size"] == "65536"
    assert certificate_seen(authority, stopped, "old.example")

    write_certificate(authority, "new.example", path)
    os.kill(product.pid, signal.SIGHUP)
    within(TAKEN_UP_S, lambda: certificate_seen(authority, stopped, "new.example"))

    workers = product.worker_pids()
    product.configure({"smtp": {"max_message_size": 131_072}})
    os.kill(product.pid, signal.SIGHUP)
    within(TAKEN_UP_S, lambda: _offered_size(stopped) == "131072")
    assert product.worker_pids() != workers

    # What makes no sense is not taken up, and the node goes on.
    workers = product.worker_pids()
    product.configure({"tls": {"certificate": str(tmp_path / "nowhere.pem")}})
    os.kill(product.pid, signal.SIGHUP)
    within(TAKEN_UP_S, lambda: "configuration_kept" in product.log.read_text())
    product.configure({"delivery": {"retry_schedule": "soon"}})
    os.kill(product.pid, signal.SIGHUP)
    within(TAKEN_UP_S, lambda: product.log.read_text().count("configuration_kept") == 2)
    product.configuration.write_text("[smtp\n")
    os.kill(product.pid, signal.SIGHUP)
    within(TAKEN_UP_S, lambda: product.log.read_text().count("configuration_kept") == 3)
    assert _offered_size(stopped) == "131072"
    assert product.worker_pids() == workers


def _offered_size(world: World) -> str | None:
    try:
        with smtplib.SMTP(LOOPBACK, world.product.submission_port, timeout=10) as client:
            client.ehlo()
            return client.esmtp_features.get("size")
    except (OSError, smtplib.SMTPException):
        return None


def _is_refused(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


async def test_a_message_under_way_and_a_delivery_under_way_are_finished(stopped: World) -> None:
    product = stopped.product
    product.start()
    async with stopped.receiver(87, delays={"DOT": 2.0}) as slow:
        with stopped.client() as client, stopped.dialogue() as idle:
            message = submit_over(client, [f"a@{destination(87)}"], letter())
            async with asyncio.timeout(10):
                while not any(line.startswith("DATA") for line in slow.commands):
                    await asyncio.sleep(0.02)
            client.mail(USERNAME)
            client.rcpt(f"a@nowhere.{FIELD}")
            client.putcmd("DATA")
            assert client.getreply()[0] == 354
            os.kill(product.pid, signal.SIGTERM)
            # The idle session is told so, the message under way is taken.
            assert (await asyncio.to_thread(idle.reply)).startswith("421 4.3.2 ")
            # Who comes now is turned away at once: nobody waits for a greeting that never comes.
            await asyncio.to_thread(within, 5, lambda: _is_refused(product.submission_port))
            assert client.sock is not None
            client.sock.sendall(letter() + b".\r\n")
            assert (await asyncio.to_thread(client.getreply))[0] == 250
            assert client.getreply()[0] == 421
            client.close()
        began = time.monotonic()
        await asyncio.to_thread(product.stop)

    assert time.monotonic() - began < 15
    assert len(slow.messages) == 1
    story = await stopped.story(message)
    assert only_delivery(story).state.value == "delivered"
    assert only_delivery(story).attempts == 1


async def test_what_waits_is_given_back_and_delivered_after_the_next_start(stopped: World) -> None:
    product = stopped.product
    product.start()
    message = stopped.submit(f"a@{destination(88)}")
    await stopped.story_when(message, lambda story: only_delivery(story).attempts > 0)
    await asyncio.to_thread(product.stop)
    waiting = only_delivery(await stopped.story(message))
    async with stopped.receiver(88) as host:
        product.start()
        await stopped.finished(message)

    assert (waiting.state.value, waiting.lease) == ("scheduled", None)
    assert len(host.messages) == 1


def test_settings_that_a_worker_does_not_serve_with_reach_no_other_and_newer_ones_do(stopped: World) -> None:
    product = stopped.product
    product.configure({"workers": 2})
    product.start()
    within(TAKEN_UP_S, lambda: len(product.worker_pids()) == 2 and "node_serving" in product.log.read_text())
    workers = product.worker_pids()
    key = product.data_dir / "master.key"
    text = key.read_text()
    key.write_text("none")
    product.configure({"smtp": {"max_message_size": 131_072}})
    os.kill(product.pid, signal.SIGHUP)
    within(TAKEN_UP_S, lambda: "worker_died" in product.log.read_text())
    left = product.worker_pids()

    key.write_text(text)
    product.configure({"smtp": {"max_message_size": 262_144}})
    os.kill(product.pid, signal.SIGHUP)
    within(TAKEN_UP_S, lambda: len(product.worker_pids()) == 2 and not set(product.worker_pids()) & set(workers))
    within(TAKEN_UP_S, product.is_ready)
    assert len(set(left) & set(workers)) == 1
    assert _offered_size(stopped) == "262144"
