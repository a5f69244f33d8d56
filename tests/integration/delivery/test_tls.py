"""What a connection must be before mail and passwords go over it."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from postroad.model.attempt import FailureKind
from postroad.model.outcome import Phase
from postroad.model.route import Login, TlsRule
from tests.integration.delivery.sender import (
    AUTHORITY,
    DELIVERED,
    Sender,
    ends,
    route_to,
    server_context,
    transmission,
)
from tests.scenarios.receiver import Receiver

LOGIN = Login("user", "pass")


async def test_starttls_is_used_where_it_is_offered_and_its_facts_are_kept(senders: Callable[..., Sender]) -> None:
    async with Receiver(tls_context=server_context()) as receiver:
        attempts = await senders().send(route_to(receiver), transmission(1))
        tls = attempts[1].facts.tls
        assert tls is not None
        assert tls.version == "TLSv1.3"
        assert "mx.test" in tls.certificate_subject
        assert not tls.is_verified
        assert receiver.messages[0].is_tls


async def test_starttls_handshake_fails_then_clear(senders: Callable[..., Sender]) -> None:
    async with Receiver(breaks_handshake=True) as receiver:
        attempts = await senders().send(route_to(receiver), transmission(1))
        assert ends(attempts) == {1: DELIVERED}
        assert attempts[1].facts.tls is None
        assert attempts[1].facts.notes[0].startswith("sent in the clear: TLS failed")
        assert receiver.connections == 2


@pytest.mark.parametrize("rule", [TlsRule.ENCRYPT, TlsRule.VERIFY])
async def test_no_clear_text_where_tls_is_required(senders: Callable[..., Sender], rule: TlsRule) -> None:
    async with Receiver(breaks_handshake=True) as breaks, Receiver() as offers_none:
        for receiver in (breaks, offers_none):
            attempts = await senders().send(route_to(receiver, tls_rule=rule), transmission(1))
            assert ends(attempts) == {1: (Phase.STARTTLS, FailureKind.TLS)}
            assert receiver.messages == []


def demands_a_certificate(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = server_context()
    context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    AUTHORITY.configure_trust(context)
    return context


class Breaks(Receiver):
    """A host whose TLS does not work, each time in the same way; a ``delay_s`` makes it silent instead."""

    def __init__(self, at: str, *, delay_s: float = 0, **options: Any) -> None:
        super().__init__(tls_context=options.pop("tls_context", None) or server_context(), **options)
        self._at = at
        self._delay_s = delay_s

    async def _reply(self, dialogue: Any, verb: str, text: str, usual: str) -> str:
        if self._at == ("EHLO under TLS" if verb == "EHLO" and dialogue.is_tls else verb):
            if not self._delay_s:
                raise ConnectionResetError
            await asyncio.sleep(self._delay_s)
        return await super()._reply(dialogue, verb, text, usual)


FAILURES = {
    "TLS 1.3 with a certificate of ours": (lambda: Breaks("", tls_context=demands_a_certificate()), ""),
    "TLS 1.2 with a certificate of ours": (
        lambda: Breaks("", tls_context=demands_a_certificate(ssl.TLSVersion.TLSv1_2)),
        "",
    ),
    "ends at STARTTLS": (lambda: Breaks("STARTTLS"), ""),
    "ends under TLS": (lambda: Breaks("EHLO under TLS"), ""),
    "silent at STARTTLS": (lambda: Breaks("STARTTLS", delay_s=5), "no reply (starttls) within 0.2 s"),
    "silent under TLS": (lambda: Breaks("EHLO under TLS", delay_s=5), "no reply (ehlo) within 0.2 s"),
}


@pytest.mark.parametrize(("host", "why"), FAILURES.values(), ids=FAILURES)
async def test_tls_that_fails_without_a_reply_leads_to_the_clear_within_the_attempt(
    senders: Callable[..., Sender], host: Callable[[], Receiver], why: str
) -> None:
    async with host() as receiver:
        attempts = await senders(**({"ehlo_s": 0.2} if why else {})).send(route_to(receiver), transmission(1))
        assert ends(attempts) == {1: DELIVERED}
        assert [message.is_tls for message in receiver.messages] == [False]
        assert attempts[1].facts.notes[0].startswith(f"sent in the clear: TLS failed: {why}")
        assert receiver.connections == 2


@pytest.mark.parametrize("terms", [{"tls_rule": TlsRule.ENCRYPT}, {"tls_rule": TlsRule.VERIFY}, {"login": LOGIN}])
@pytest.mark.parametrize(("host", "why"), FAILURES.values(), ids=FAILURES)
async def test_tls_that_is_required_and_fails_without_a_reply_is_told_and_never_left(
    senders: Callable[..., Sender], host: Callable[[], Receiver], why: str, terms: dict[str, Any]
) -> None:
    async with host() as receiver:
        sender = senders(**({"ehlo_s": 0.2} if why else {}))
        attempts = await sender.send(route_to(receiver, **terms), transmission(1))
        assert attempts[1].failure is FailureKind.TLS
        assert attempts[1].facts.text.startswith(f"TLS failed: {why}")
        assert (receiver.messages, receiver.connections) == ([], 1)
        assert not any(line.startswith(("MAIL", "AUTH")) for line in receiver.commands)


@pytest.mark.parametrize("replies", [{"STARTTLS": "421 4.3.2 Busy"}, {"EHLO": ["250-mx\r\n250 STARTTLS", "421 Busy"]}])
async def test_421_where_tls_begins_keeps_its_meaning(senders: Callable[..., Sender], replies: dict[str, Any]) -> None:
    async with Receiver(tls_context=server_context(), replies=replies) as receiver:
        attempts = await senders().send(route_to(receiver), transmission(1))
        assert (attempts[1].failure, attempts[1].facts.code) == (FailureKind.REPLY, 421)
        assert receiver.connections == 1


async def test_a_host_that_fails_in_the_clear_as_well_is_told_with_both(senders: Callable[..., Sender]) -> None:
    replies = {"CONNECT": ["220 mx.test", "554 5.7.1 One connection is enough"]}
    async with Breaks("STARTTLS", replies=replies) as receiver:
        attempts = await senders().send(route_to(receiver), transmission(1))
        assert ends(attempts) == {1: (Phase.GREETING, 554)}
        assert attempts[1].facts.notes[0].startswith("tried in the clear: TLS failed: ")


async def test_a_host_that_is_silent_throughout_is_not_waited_for_twice(senders: Callable[..., Sender]) -> None:
    class Silent(Breaks):
        async def _converse(self, dialogue: Any) -> None:
            if self.connections > 1:
                await asyncio.sleep(30)
            await super()._converse(dialogue)

    async with Silent("STARTTLS", delay_s=30) as receiver:
        sender = senders(ehlo_s=2, greeting_s=3, tls_handshake_s=1)
        attempts = await sender.send(route_to(receiver), transmission(1))
        assert ends(attempts) == {1: (Phase.GREETING, FailureKind.TIMEOUT)}
        assert attempts[1].facts.text == "no reply (greeting) within 1 s"
        assert attempts[1].facts.notes == ("tried in the clear: TLS failed: no reply (starttls) within 2 s",)


async def test_verification_takes_the_right_name_and_no_other(senders: Callable[..., Sender]) -> None:
    right, wrong = server_context("mx.test"), server_context("other.test")
    async with Receiver(tls_context=right) as receiver, Receiver(tls_context=wrong) as impostor:
        attempts = await senders().send(route_to(receiver, tls_rule=TlsRule.VERIFY), transmission(1))
        assert attempts[1].facts.tls is not None
        assert attempts[1].facts.tls.is_verified
        attempts = await senders().send(route_to(impostor, tls_rule=TlsRule.VERIFY), transmission(1))
        assert ends(attempts) == {1: (Phase.STARTTLS, FailureKind.TLS)}
        assert impostor.messages == []


async def test_replies_injected_before_tls_are_not_believed(senders: Callable[..., Sender]) -> None:
    """What comes in the clear behind the 220 is part of no handshake, so either it is dropped or TLS fails."""
    injected = b"250-mx.test\r\n250 AUTH PLAIN\r\n"
    async with Receiver(tls_context=server_context(), injects_at_starttls=injected) as receiver:
        route = route_to(receiver, tls_rule=TlsRule.ENCRYPT, login=Login("user", "pass"))
        attempts = await senders().send(route, transmission(1))
        assert attempts[1].failure is not None
        assert not any(line.startswith("AUTH") for line in receiver.commands)


async def test_implicit_tls_and_login_at_a_smarthost(senders: Callable[..., Sender]) -> None:
    offers = ("PIPELINING", "AUTH LOGIN PLAIN")
    async with Receiver(tls_context=server_context(), implicit_tls=True, extensions=offers) as receiver:
        route = route_to(receiver, implicit_tls=True, login=Login("user", "pass"))
        attempts = await senders().send(route, transmission(1))
        assert ends(attempts) == {1: DELIVERED}
        assert "AUTH PLAIN AHVzZXIAcGFzcw==" in receiver.commands
        assert receiver.messages[0].is_tls


async def test_a_password_is_never_sent_in_the_clear_by_accident(senders: Callable[..., Sender]) -> None:
    async with Receiver(extensions=("AUTH PLAIN",)) as receiver:
        login = Login("user", "pass")
        attempts = await senders().send(route_to(receiver, login=login), transmission(1))
        assert ends(attempts) == {1: (Phase.STARTTLS, FailureKind.TLS)}
        attempts = await senders().send(route_to(receiver, login=login, tls_rule=TlsRule.NEVER), transmission(1))
        assert ends(attempts) == {1: DELIVERED}


async def test_a_refused_login_is_reported_with_its_reply(senders: Callable[..., Sender]) -> None:
    replies = {"AUTH": "535 5.7.8 Wrong password"}
    async with Receiver(extensions=("AUTH PLAIN",), replies=replies) as receiver:
        route = route_to(receiver, login=Login("user", "pass"), tls_rule=TlsRule.NEVER)
        assert ends(await senders().send(route, transmission(1))) == {1: (Phase.AUTH, 535)}
