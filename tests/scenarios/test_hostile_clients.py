"""Clients that break the protocol, on purpose or not: each has its answer, and the node stays quick and small."""

import smtplib
import socket
import ssl
import time
from pathlib import Path

import pytest

from postroad.model.event import EventType
from postroad.net.clock import now_ms
from tests.scenarios.product import USERNAME
from tests.scenarios.world import FIELD, Dialogue, World, letter

pytestmark = pytest.mark.peer("nsd")


def test_unknown_commands_end_the_session(world: World) -> None:
    with world.dialogue() as dialogue:
        replies = [dialogue.say("GET / HTTP/1.1") for _ in range(5)]
        end = dialogue.rest()

    assert replies[0].startswith("500 5.5.")
    assert (replies[-1] + end.decode()).split("421 ")[1].startswith("4.7.0 ")


def test_a_client_that_speaks_before_the_greeting_is_answered_in_order(world: World) -> None:
    port = world.product.submission_port
    with Dialogue(port, greeting=False, before=b"EHLO early.example\r\nNOOP\r\n") as dialogue:
        replies = [dialogue.reply() for _ in range(3)]

    assert [reply[:3] for reply in replies] == ["220", "250", "250"]


def test_a_half_closed_client_still_gets_its_reply(world: World) -> None:
    content = letter()
    with world.dialogue() as dialogue:
        dialogue.log_in()
        lines = f"MAIL FROM:<{USERNAME}>\r\nRCPT TO:<a@nomail.{FIELD}>\r\nDATA\r\n".encode()
        dialogue.send(lines + content + b".\r\n")
        dialogue.socket.shutdown(socket.SHUT_WR)
        replies = dialogue.rest().decode().splitlines()

    assert [reply[:3] for reply in replies] == ["250", "250", "354", "250"]


async def test_a_message_without_its_final_dot_is_never_taken(world: World) -> None:
    began = now_ms()
    with world.dialogue() as dialogue:
        dialogue.log_in()
        lines = f"MAIL FROM:<{USERNAME}>\r\nRCPT TO:<dotless@nomail.{FIELD}>\r\nDATA\r\n".encode()
        dialogue.send(lines + letter() + b"more text\r\n.")
        dialogue.socket.shutdown(socket.SHUT_WR)
        replies = dialogue.rest().decode().splitlines()
    accepted = await world.events_since(began, EventType.ACCEPTED)

    assert [reply[:3] for reply in replies] == ["250", "250", "354"]
    assert [one for one in accepted if (one.recipient or "").startswith("dotless@")] == []


def test_commands_behind_starttls_in_the_clear_are_dropped(world: World) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with world.dialogue() as dialogue:
        dialogue.say("EHLO client.example")
        dialogue.send(b"STARTTLS\r\nEHLO injected.example\r\nNOOP\r\n")
        assert dialogue.reply().startswith("220 ")
        with context.wrap_socket(dialogue.socket, server_hostname="mail.node.test") as encrypted:
            encrypted.sendall(b"MAIL FROM:<a@b.example>\r\nQUIT\r\n")
            said = b""
            while piece := encrypted.recv(4096):
                said += piece

    # The first word under TLS answers the first command under TLS, and the EHLO in the clear does not count.
    assert [line[:3] for line in said.splitlines()] == [b"503", b"221"]


def test_thousands_of_recipients_cost_little_and_are_told_no(world: World) -> None:
    with world.dialogue() as dialogue:
        dialogue.log_in()
        dialogue.say(f"MAIL FROM:<{USERNAME}>")
        refused = 0
        for block in range(50):
            lines = [f"RCPT TO:<r{block}.{number}@{FIELD}>\r\n" for number in range(1000)]
            dialogue.send("".join(lines).encode())
            refused += sum(dialogue.reply().startswith("452 4.5.3 ") for _ in lines)
        assert dialogue.say("RSET").startswith("250")

    assert refused == 49_000
    assert _largest_rss(world) < 400_000_000


def test_an_endless_line_is_not_kept(world: World) -> None:
    before = _largest_rss(world)
    with world.dialogue() as dialogue:
        for _ in range(64):
            dialogue.send(b"x" * 1_000_000)
        dialogue.send(b"\r\n")
        assert dialogue.reply().startswith("500 5.5.2 ")

    assert _largest_rss(world) - before < 32_000_000


def test_many_silent_connections_do_not_keep_a_client_waiting(world: World) -> None:
    silent = [socket.create_connection(("127.0.0.1", world.product.submission_port)) for _ in range(150)]
    try:
        began = time.monotonic()
        with world.client() as client:
            assert client.noop()[0] == 250
        assert time.monotonic() - began < 3
    finally:
        for one in silent:
            one.close()


def test_connections_beyond_the_limit_of_an_address_are_turned_away(world: World) -> None:
    held = [socket.create_connection(("127.0.0.1", world.product.submission_port)) for _ in range(200)]
    try:
        for one in held:
            one.settimeout(10)
            assert one.recv(100).startswith(b"220 ")
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            smtplib.SMTP("127.0.0.1", world.product.submission_port, timeout=10)
        assert refused.value.smtp_code == 421
    finally:
        for one in held:
            one.close()


def _largest_rss(world: World) -> int:
    statuses = (Path(f"/proc/{pid}/status").read_text() for pid in world.product.worker_pids())
    return max(int(status.partition("VmRSS:")[2].split()[0]) * 1024 for status in statuses)
