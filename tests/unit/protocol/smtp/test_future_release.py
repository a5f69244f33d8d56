"""FUTURERELEASE (RFC 4865): offered, read, bounded."""

import pytest

from postroad.protocol.smtp.command import Mail, Malformed, parse_command
from postroad.protocol.smtp.future_release import Release, offer, refusal
from postroad.protocol.smtp.server import ServerMachine
from postroad.protocol.smtp.server_options import ServerOptions

NOW = 1_795_769_400_000
DAY_S = 86_400


@pytest.mark.parametrize(
    ("parameter", "release"),
    [
        ("HOLDFOR=3600", Release(3600)),
        ("holdfor=999999999", Release(999_999_999)),
        ("HOLDUNTIL=2026-11-27T08:50:00Z", Release(None, NOW)),
        ("HOLDUNTIL=2026-11-27t09:50:00+01:00", Release(None, NOW)),
        ("HOLDUNTIL=2026-11-27T08:50:00.250Z", Release(None, NOW + 250)),
    ],
)
def test_mail_says_when_to_send(parameter: str, release: Release) -> None:
    found = parse_command(f"MAIL FROM:<a@b.example> {parameter}".encode())
    assert isinstance(found, Mail)
    assert found.release == release


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ("HOLDFOR", "HOLDFOR needs a number of seconds"),
        ("HOLDFOR=0", "HOLDFOR needs a number of seconds"),
        ("HOLDFOR=-1", "HOLDFOR needs a number of seconds"),
        ("HOLDFOR=1234567890", "HOLDFOR needs a number of seconds"),
        ("HOLDUNTIL=tomorrow", "HOLDUNTIL needs a date and time"),
        ("HOLDUNTIL=2026-11-27", "HOLDUNTIL needs a date and time"),
        ("HOLDUNTIL=2026-02-30T08:50:00Z", "HOLDUNTIL needs a date and time"),
        ("HOLDUNTIL=2026-11-27T08:50:00", "HOLDUNTIL needs a date and time"),
        ("HOLDFOR=60 HOLDUNTIL=2026-11-27T08:50:00Z", "are given both"),
        ("HOLDFOR=60 HOLDFOR=60", "given twice"),
    ],
)
def test_what_is_wrong_with_it_is_told(parameters: str, words: str) -> None:
    found = parse_command(f"MAIL FROM:<a@b.example> {parameters}".encode())
    assert isinstance(found, Malformed)
    assert (found.reply.code, found.reply.enhanced_status) == (501, "5.5.4")
    assert words in found.reply.text


def test_the_furthest_instant_moves_with_the_clock() -> None:
    assert offer(30 * DAY_S, NOW) == "2592000 2026-12-27T08:50:00Z"


def test_an_instant_that_is_over_means_at_once_and_too_far_is_refused() -> None:
    assert refusal(Release(None, NOW - 1), 60, NOW) is None
    assert refusal(Release(60), 60, NOW) is None
    for release in (Release(61), Release(None, NOW + 60_001)):
        reply = refusal(release, 60, NOW)
        assert reply is not None
        assert (reply.code, reply.enhanced_status) == (501, "5.5.4")


def converse(max_hold_s: int, mail: bytes) -> bytes:
    machine = ServerMachine(ServerOptions(hostname="mx.test", requires_auth=False, max_hold_s=max_hold_s), lambda: NOW)
    machine.greet()
    machine.feed(b"EHLO c\r\n" + mail + b"\r\n")
    if machine.next_event() is not None:
        machine.accept()
    return machine.data_to_send()


def test_a_server_offers_it_and_keeps_to_its_bounds() -> None:
    said = converse(30 * DAY_S, b"MAIL FROM:<a@b.example> HOLDFOR=3600")
    assert b"250-FUTURERELEASE 2592000 2026-12-27T08:50:00Z\r\n" in said
    assert said.endswith(b"250 2.1.0 Sender ok\r\n")
    said = converse(30 * DAY_S, b"MAIL FROM:<a@b.example> HOLDFOR=2592001")
    assert b"501 5.5.4 HOLDFOR is too far ahead" in said


def test_a_server_that_does_not_offer_it_refuses_it() -> None:
    said = converse(0, b"MAIL FROM:<a@b.example> HOLDFOR=3600")
    assert b"FUTURERELEASE" not in said
    assert b"555 5.5.4" in said


@pytest.mark.parametrize(
    ("parameter", "reply"),
    [
        ("HOLDFOR=2592000", b"250 2.1.0"),
        ("HOLDFOR=2592001", b"501 5.5.4 HOLDFOR is too far ahead; at most 2592000 seconds"),
        ("HOLDFOR=999999999", b"501 5.5.4 HOLDFOR is too far ahead"),
        ("HOLDUNTIL=2026-12-27T08:50:00Z", b"250 2.1.0"),
        ("HOLDUNTIL=2026-12-27T08:50:00.001Z", b"501 5.5.4 HOLDUNTIL is too far ahead"),
        ("HOLDUNTIL=2026-12-27T08:50:01Z", b"501 5.5.4 HOLDUNTIL is too far ahead"),
        ("HOLDUNTIL=9999-12-31T23:59:59-23:59", b"501 5.5.4 HOLDUNTIL is too far ahead"),
        ("HOLDUNTIL=0001-01-01T00:00:00+23:59", b"250 2.1.0"),
    ],
)
def test_the_furthest_time_is_taken_and_the_next_is_refused(parameter: str, reply: bytes) -> None:
    last = converse(30 * DAY_S, b"MAIL FROM:<a@b.example> " + parameter.encode()).splitlines()[-1]
    assert last.startswith(reply)
