"""A node obtains its certificate from an ACME authority, renews it, or takes up new files; no session ends for that."""

import contextlib
import http.client
import smtplib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.peers.pebble import Pebble
from tests.peers.ports import LOOPBACK, free_port
from tests.scenarios.crash import database
from tests.scenarios.product import PASSWORD, USERNAME, Product
from tests.scenarios.world import FIELD, World, letter, prepared_world, submit_over
from tests.waiting import on_every_worker, within

HOST, CONSOLE = "mail.node.test", "console.node.test"
RENEWAL_S = 30.0
ZONES = {"node.test": "mail A 127.0.0.1\nconsole A 127.0.0.1"}


class Doors:
    """The doors of a node, seen by clients that trust one authority."""

    def __init__(self, product: Product, context: ssl.SSLContext) -> None:
        self._product = product
        self._context = context

    @contextlib.contextmanager
    def session(self) -> Iterator[smtplib.SMTP]:
        """Log in after STARTTLS, with the name verified."""
        with smtplib.SMTP(LOOPBACK, self._product.submission_port, timeout=10) as client:
            client._host = HOST  # type: ignore[attr-defined]
            client.starttls(context=self._context)
            client.login(USERNAME, PASSWORD)
            yield client

    def shown(self) -> bytes | None:
        """Return the certificate of the door that begins with TLS; None where it is not trusted."""
        try:
            with (
                socket.create_connection((LOOPBACK, self._product.submission_tls_port), timeout=10) as plain,
                self._context.wrap_socket(plain, server_hostname=HOST) as session,
            ):
                return session.getpeercert(binary_form=True)
        except ssl.SSLCertVerificationError:
            return None

    def page(self, https_port: int, path: str) -> tuple[int, str]:
        """Ask the console's name over HTTPS, with the certificate verified; returns status and text."""
        with (
            socket.create_connection((LOOPBACK, https_port), timeout=10) as plain,
            self._context.wrap_socket(plain, server_hostname=CONSOLE) as session,
        ):
            connection = http.client.HTTPConnection(CONSOLE)
            connection.sock = session
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()

    def another_than(self, before: bytes | None) -> bytes:
        """Wait until each worker shows one certificate, and that another than ``before``."""
        found = within(RENEWAL_S, lambda: now if (now := self.shown()) != before else None)
        within(RENEWAL_S, lambda: on_every_worker(lambda: self.shown() == found))
        assert found is not None
        return found


def submit(session: smtplib.SMTP) -> None:
    assert isinstance(session.sock, ssl.SSLSocket)
    submit_over(session, [f"you@{FIELD}"], letter())


@contextlib.contextmanager
def world_with_acme(tmp_path: Path, zones: dict[str, str]) -> Iterator[tuple[World, Pebble]]:
    """A node that is not started yet, and the authority that it is to ask."""
    acme_port = free_port()
    with (
        prepared_world(tmp_path, zones=zones, settings={"smtp": {"hostname": HOST}}, workers=2) as world,
        Pebble(http_port=acme_port, resolver=world.authority.resolver) as pebble,
    ):
        acme = {
            "directory": pebble.url,
            "authorities": str(pebble.authorities),
            "agree_terms": True,
            "email": "operator@node.test",
            "http_listen": [f"{LOOPBACK}:{acme_port}"],
        }
        world.product.configure({"tls": {"acme": acme}})
        yield world, pebble


@pytest.mark.peer("nsd", "pebble")
def test_a_certificate_is_obtained_shown_by_every_worker_and_renewed_under_an_open_session(tmp_path: Path) -> None:
    https_port = free_port()
    http = {"listen_tls": [f"{LOOPBACK}:{https_port}"], "public_url": f"https://{CONSOLE}:{https_port}"}
    with world_with_acme(tmp_path, ZONES) as (world, pebble):
        product = world.product
        product.configure({"http": http})
        with product:
            doors = Doors(product, pebble.trusting())
            first = doors.another_than(None)
            state = product.run_json("certificate", "show")
            assert (state["names"], state["last_error"], state["attempts"]) == ([HOST, CONSOLE], "", 0)
            assert doors.page(https_port, "/")[0] in {200, 303}
            status, text = doors.page(https_port, f"/mail/config-v1.1.xml?emailaddress={USERNAME}")
            assert (status, f"<hostname>{HOST}</hostname>" in text) == (200, True)

            with doors.session() as opened_before:
                product.run("certificate", "renew")
                second = doors.another_than(first)
                submit(opened_before)
            with doors.session() as opened_after:
                submit(opened_after)

            # The account is the same one, and a node that starts anew shows what is there.
            product.stop()
            product.start()
            assert doors.shown() == second


@pytest.mark.peer("nsd", "pebble")
def test_a_failed_order_is_told_with_its_reason_and_mail_is_taken_meanwhile(tmp_path: Path) -> None:
    # The name leads to an address where nothing listens.
    with world_with_acme(tmp_path, {"node.test": "mail A 127.0.0.2"}) as (world, _), world.product as product:

        def failed() -> dict[str, Any] | None:
            now: dict[str, Any] = product.run_json("certificate", "show")
            return now if now["last_error"] else None

        state = within(RENEWAL_S, failed)
        assert state is not None

        assert state["last_error"].startswith(f"{HOST}: ")
        assert "127.0.0.2" in state["last_error"]
        assert state["attempts"] == 1
        assert "certificate_not_issued" in product.log.read_text()
        with pytest.raises(RuntimeError, match=r"WRONG    ACME: .*127\.0\.0\.2"):
            product.run("check")
        with world.client() as client:
            submit_over(client, [f"you@{FIELD}"], letter())


@pytest.mark.peer("nsd", "pebble")
def test_a_node_answers_the_authority_for_another_and_both_show_what_was_issued(tmp_path: Path) -> None:
    port_80 = free_port()
    with (
        database("postgres") as url,
        prepared_world(tmp_path / "one", zones=ZONES, database_url=url) as world,
        Pebble(http_port=port_80, resolver=world.authority.resolver) as pebble,
    ):
        # One asks the authority, which finds its proof at the other.
        one, other = world.product, Product(tmp_path / "other", smarthost_port=None, database_url=url, workers=1)
        other.join(one)
        other.roles = "smtp,http,delivery"
        acme = {"directory": pebble.url, "authorities": str(pebble.authorities), "agree_terms": True}
        for node, listen in ((one, []), (other, [f"{LOOPBACK}:{port_80}"])):
            node.configure({"smtp": {"hostname": HOST}, "tls": {"acme": acme | {"http_listen": listen}}})
        with other, one:
            issued = Doors(one, pebble.trusting()).another_than(None)
            assert Doors(other, pebble.trusting()).another_than(None) == issued
            assert "certificate_issued" in one.log.read_text()
            assert "certificate_issued" not in other.log.read_text()


@pytest.mark.peer("nsd")
def test_changed_files_are_taken_up_without_a_signal_and_under_an_open_session(tmp_path: Path) -> None:
    authority, path = trustme.CA(), tmp_path / "certificate.pem"
    context = ssl.create_default_context()
    authority.configure_trust(context)
    authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(path))
    settings = {"tls": {"certificate": str(path)}}
    with prepared_world(tmp_path, settings=settings, workers=2) as world, world.product as product:
        doors = Doors(product, context)
        first = doors.another_than(None)
        with doors.session() as opened_before:
            path.write_text("half a file")
            within(RENEWAL_S, lambda: "certificate_kept" in product.log.read_text())
            assert doors.shown() == first
            authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(path))
            doors.another_than(first)
            submit(opened_before)
