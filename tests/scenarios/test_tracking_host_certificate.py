"""A domain's own tracking host gets a certificate once it leads here; links begin with ``https:`` from then on."""

import asyncio
import email
import email.policy
import http.client
import os
import re
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.peers.pebble import Pebble
from tests.peers.ports import LOOPBACK, free_port
from tests.scenarios.product import DOMAIN, USERNAME
from tests.scenarios.test_certificate_changes import RENEWAL_S, world_with_acme
from tests.scenarios.world import FIELD, World, destination, prepared_world
from tests.waiting import on_every_worker, within

NUMBER = 95
# Under a name of this machine alone, such as those that end in .test, the console would be shown.
OWN, ASTRAY, CONSOLE = "t.sender.example", "astray.sender.example", "console.node.test"
ZONES = {
    "node.test": "mail A 127.0.0.1\nconsole A 127.0.0.1\nclick A 127.0.0.1",
    "sender.example": "t A 127.0.0.1\nastray A 127.0.0.2",
}
URL = "https://shop.example/a?b=1"


def ask(context: ssl.SSLContext, port: int, path: str, host: str = OWN) -> http.client.HTTPResponse | None:
    """Ask a host over HTTPS; None where its certificate is not trusted."""
    try:
        with (
            socket.create_connection((LOOPBACK, port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=host) as session,
        ):
            connection = http.client.HTTPConnection(host)
            connection.sock = session
            connection.request("GET", path)
            reply = connection.getresponse()
            reply.read()
            return reply
    except ssl.SSLCertVerificationError:
        return None


def letter_with_link() -> bytes:
    made = EmailMessage(policy=email.policy.SMTP)
    made["From"], made["To"], made["Subject"] = USERNAME, f"you@{FIELD}", "A sale"
    made["X-OV-Track"] = "yes"
    made.set_content("No link.\n")
    made.add_alternative(f'<p><a href="{URL}">Shop</a></p>', subtype="html")
    return made.as_bytes()


async def link_in_mail(world: World) -> str:
    async with world.receiver(NUMBER) as host:
        await world.finished(world.submit(f"you@{destination(NUMBER)}", content=letter_with_link()))
    html = email.message_from_bytes(host.messages[0].content, policy=email.policy.default).get_body(("html",))
    assert html is not None
    found = re.search(r'href="([^"]+)"', html.get_content())
    assert found is not None
    return found[1]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[tuple[World, Pebble, int]]:
    """A running node with an authority, and its port for HTTPS."""
    https_port = free_port()
    with world_with_acme(tmp_path, ZONES) as (world, pebble):
        doors = {"listen_tls": [f"{LOOPBACK}:{https_port}"], "public_url": f"https://{CONSOLE}:{https_port}"}
        world.product.configure({"http": doors, "tracking": {"host": "click.node.test"}})
        with world.product:
            yield world, pebble, https_port


@pytest.mark.peer("nsd", "pebble")
async def test_a_tracking_host_gets_its_certificate_when_it_leads_here_and_links_follow(
    started: tuple[World, Pebble, int],
) -> None:
    world, pebble, https_port = started
    product = world.product

    def standing() -> dict[str, Any]:
        shown: dict[str, Any] = product.run_json("domain", "show", DOMAIN)["tracking_host"]
        return shown

    product.run("domain", "set", DOMAIN, f"tracking_host={ASTRAY}")
    within(RENEWAL_S, lambda: standing()["problem"])
    assert standing()["problem"].startswith(f"{ASTRAY} leads to 127.0.0.2, and not to ")
    assert (standing()["certificate"], standing()["is_https"]) == ("none", False)
    assert f"{ASTRAY} has no certificate" in product.run("check")
    assert ASTRAY not in (pebble.directory / "log").read_text()

    product.run("domain", "set", DOMAIN, f"tracking_host={OWN}")
    within(RENEWAL_S, lambda: standing()["certificate"] == "own")
    context = pebble.trusting()
    within(RENEWAL_S, lambda: on_every_worker(lambda: ask(context, https_port, "/") is not None))
    # The console has its own certificate under its own name, and is not under this one.
    console = ask(context, https_port, "/", CONSOLE)
    own = ask(context, https_port, "/sign-in")
    assert console is not None
    assert own is not None
    assert (console.status in {200, 303}, own.status) == (True, 421)
    shown = product.run("domain", "show", DOMAIN)
    assert "its own certificate" in shown
    assert "DNS: leads here" in shown

    # Links trust it once every worker must show it.
    assert standing()["is_https"]
    deadline = time.monotonic() + RENEWAL_S
    while (link := await link_in_mail(world)).startswith(f"http://{OWN}/c/"):
        assert time.monotonic() < deadline
        await asyncio.sleep(1)
    assert link.startswith(f"https://{OWN}/c/")
    followed = ask(context, https_port, link.removeprefix(f"https://{OWN}"))
    assert followed is not None
    assert (followed.status, followed.getheader("Location")) == (302, URL)


@pytest.mark.peer("nsd")
def test_a_tracking_host_has_its_certificate_from_a_file_that_is_read_anew_under_an_open_session(
    tmp_path: Path,
) -> None:
    https_port, folder, root = free_port(), tmp_path / "hosts", trustme.CA()
    folder.mkdir()
    root.issue_cert(OWN).private_key_and_cert_chain_pem.write_to_path(folder / "own.pem")
    context = ssl.create_default_context()
    root.configure_trust(context)
    settings = {
        "tls": {"host_certificates": str(folder)},
        "http": {"listen_tls": [f"{LOOPBACK}:{https_port}"], "public_url": f"https://{CONSOLE}:{https_port}"},
    }
    with prepared_world(tmp_path, settings=settings, workers=2) as world, world.product as product:
        product.run("domain", "set", DOMAIN, f"tracking_host={OWN}")
        assert "a file of tls.host_certificates" in product.run("domain", "show", DOMAIN)
        first = certificate_shown(context, https_port)
        with world.client() as session:
            root.issue_cert(OWN).private_key_and_cert_chain_pem.write_to_path(folder / "own.pem")
            os.kill(product.pid, signal.SIGHUP)
            within(RENEWAL_S, lambda: on_every_worker(lambda: certificate_shown(context, https_port) != first))
            assert session.noop()[0] == 250


def certificate_shown(context: ssl.SSLContext, port: int) -> bytes | None:
    with (
        socket.create_connection((LOOPBACK, port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=OWN) as session,
    ):
        return session.getpeercert(binary_form=True)
