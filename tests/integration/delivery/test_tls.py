"""What a connection must be before mail and passwords go over it."""

from collections.abc import Callable

import pytest

from postroad.model.attempt import FailureKind
from postroad.model.outcome import Phase
from postroad.model.route import Login, TlsRule
from tests.integration.delivery.sender import DELIVERED, Sender, ends, route_to, server_context, transmission
from tests.scenarios.receiver import Receiver


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
