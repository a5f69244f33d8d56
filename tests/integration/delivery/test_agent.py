"""Transactions over one connection and several hosts, as the agent reports them."""

from collections.abc import Callable

import pytest

from postroad.delivery.agent import SiteEventKind
from postroad.model.attempt import FailureKind
from postroad.model.envelope import Notify
from postroad.model.outcome import Phase
from postroad.model.route import TlsRule
from tests.integration.delivery.sender import CONTENT, DELIVERED, Sender, ends, route_to, transmission
from tests.scenarios.receiver import Receiver


async def test_a_delivery_arrives_byte_for_byte_with_its_facts(senders: Callable[..., Sender]) -> None:
    async with Receiver() as receiver:
        attempts = await senders().send(route_to(receiver), transmission(1))
        facts = attempts[1].facts
        assert ends(attempts) == {1: DELIVERED}
        assert (facts.enhanced_status, facts.text) == ("2.0.0", "Ok: taken")
        assert (facts.egress_source, facts.site, facts.host) == ("main", "site", "mx.test")
        assert (facts.host_address, facts.tls, facts.notes) == ("127.0.0.1", None, ())
        (message,) = receiver.messages
        assert message.content == CONTENT
        assert (message.reverse_path, message.recipients) == ("b+1@a.test", ["r1@b.test"])


async def test_many_transactions_over_one_connection(senders: Callable[..., Sender]) -> None:
    async with Receiver() as receiver:
        attempts = await senders().send(route_to(receiver), *(transmission(key) for key in range(1, 301)))
        assert set(ends(attempts).values()) == {DELIVERED}
        assert receiver.connections == 1
        assert [message.recipients for message in receiver.messages] == [[f"r{key}@b.test"] for key in range(1, 301)]
        assert receiver.has_seen_pipelining


async def test_no_pipelining_host(senders: Callable[..., Sender]) -> None:
    async with Receiver(extensions=()) as receiver:
        attempts = await senders().send(route_to(receiver), *(transmission(key) for key in range(1, 21)))
        assert set(ends(attempts).values()) == {DELIVERED}
        assert not receiver.has_seen_pipelining


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
async def test_rcpt_refused_others_pass(senders: Callable[..., Sender], extensions: tuple[str, ...]) -> None:
    def rcpt(line: str) -> str | None:
        return "550 5.1.1 No such user" if "r2@" in line else None

    async with Receiver(extensions=extensions, replies={"RCPT": rcpt}) as receiver:
        attempts = await senders().send(route_to(receiver), *(transmission(key) for key in (1, 2, 3)))
        assert ends(attempts) == {1: DELIVERED, 2: (Phase.RCPT, 550), 3: DELIVERED}
        assert attempts[2].facts.enhanced_status == "5.1.1"
        assert [message.recipients for message in receiver.messages] == [["r1@b.test"], ["r3@b.test"]]
        assert receiver.connections == 1


async def test_rcpt_refused_and_data_answered_354(senders: Callable[..., Sender]) -> None:
    def rcpt(line: str) -> str | None:
        return "550 5.1.1 No such user" if "r1@" in line else None

    async with Receiver(replies={"RCPT": rcpt, "DATA": "354 whatever"}) as receiver:
        attempts = await senders().send(route_to(receiver), transmission(1), transmission(2))
        assert ends(attempts) == {1: (Phase.RCPT, 550), 2: DELIVERED}
        assert [message.recipients for message in receiver.messages] == [["r2@b.test"]]


async def test_greylisted_content_is_refused_for_its_recipient_alone(senders: Callable[..., Sender]) -> None:
    async with Receiver(replies={"DOT": ["451 4.7.1 Greylisted"]}) as receiver:
        attempts = await senders().send(route_to(receiver), transmission(1), transmission(2))
        assert ends(attempts) == {1: (Phase.FINAL_DOT, 451), 2: DELIVERED}


async def test_disconnect_in_data(senders: Callable[..., Sender]) -> None:
    """Content larger than every buffer on the way is still leaving when the host hangs up: nothing was taken."""
    large = transmission(1, content=b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 300_000)
    async with Receiver(disconnect_at="CONTENT") as receiver, Receiver() as second:
        attempts = await senders().send(route_to(receiver, second), large)
        assert ends(attempts) == {1: (Phase.CONTENT, FailureKind.LOST)}
        assert second.connections == 0


async def test_disconnect_after_dot_leaves_the_end_unknown_and_is_not_repeated(senders: Callable[..., Sender]) -> None:
    async with Receiver(disconnect_at="DOT") as receiver, Receiver() as second:
        attempts = await senders().send(route_to(receiver, second), transmission(1), transmission(2))
        assert ends(attempts) == {1: (Phase.FINAL_DOT, FailureKind.LOST), 2: DELIVERED}
        assert [message.recipients for message in second.messages] == [["r2@b.test"]]


async def test_garbage_after_the_dot_leaves_the_end_unknown(senders: Callable[..., Sender]) -> None:
    async with Receiver(replies={"DOT": "*** stack smashing detected ***"}) as receiver:
        attempts = await senders().send(route_to(receiver), transmission(1))
        assert ends(attempts) == {1: (Phase.FINAL_DOT, FailureKind.LOST)}


async def test_no_answer_to_the_dot_times_out_with_the_end_unknown(senders: Callable[..., Sender]) -> None:
    async with Receiver(delays={"DOT": 5}) as receiver:
        attempts = await senders(final_dot_s=0.1).send(route_to(receiver), transmission(1))
        assert ends(attempts) == {1: (Phase.FINAL_DOT, FailureKind.TIMEOUT)}
        receiver.disconnect_all()


async def test_421_on_connect_then_second_mx(senders: Callable[..., Sender]) -> None:
    async with Receiver(replies={"CONNECT": "421 4.3.2 Busy"}) as first, Receiver() as second:
        sender = senders()
        attempts = await sender.send(route_to(first, second), transmission(1))
        assert ends(attempts) == {1: DELIVERED}
        assert sender.signals == [SiteEventKind.THROTTLED, SiteEventKind.CONNECTED]


async def test_refused_connection_then_second_mx(senders: Callable[..., Sender]) -> None:
    async with Receiver() as gone:
        pass
    async with Receiver() as second:
        sender = senders()
        attempts = await sender.send(route_to(gone, second), transmission(1))
        assert ends(attempts) == {1: DELIVERED}
        assert sender.signals == [SiteEventKind.REFUSED, SiteEventKind.CONNECTED]


async def test_no_host_answers(senders: Callable[..., Sender]) -> None:
    async with Receiver() as gone:
        pass
    attempts = await senders().send(route_to(gone, gone), transmission(1), transmission(2))
    assert ends(attempts) == {1: (Phase.CONNECT, FailureKind.CONNECT), 2: (Phase.CONNECT, FailureKind.CONNECT)}
    assert "refused" in attempts[1].facts.text


async def test_a_host_that_may_do_better_later_outweighs_one_that_refuses_for_good(
    senders: Callable[..., Sender],
) -> None:
    temporary, permanent = {"CONNECT": "421 4.3.2 Busy"}, {"CONNECT": "554 5.7.1 Go away"}
    async with Receiver(replies=temporary) as first, Receiver(replies=permanent) as second:
        attempts = await senders().send(route_to(first, second), transmission(1))
        assert ends(attempts) == {1: (Phase.GREETING, 421)}
        attempts = await senders().send(route_to(second), transmission(1))
        assert ends(attempts) == {1: (Phase.GREETING, 554)}


async def test_a_host_without_tls_that_is_demanded_outweighs_one_that_was_not_reached(
    senders: Callable[..., Sender],
) -> None:
    async with Receiver() as gone:
        pass
    async with Receiver() as clear:
        for hops in ((clear, gone), (gone, clear)):
            attempts = await senders().send(route_to(*hops, tls_rule=TlsRule.ENCRYPT), transmission(1))
            assert ends(attempts) == {1: (Phase.STARTTLS, FailureKind.TLS)}
            assert clear.messages == []


async def test_hops_within_one_attempt_are_bounded(senders: Callable[..., Sender]) -> None:
    async with Receiver(replies={"CONNECT": "554 no"}) as refuses, Receiver() as last:
        attempts = await senders(max_hops=3).send(route_to(refuses, refuses, refuses, last), transmission(1))
        assert ends(attempts) == {1: (Phase.GREETING, 554)}
        assert (refuses.connections, last.connections) == (3, 0)


async def test_a_route_without_hops_is_reported(senders: Callable[..., Sender]) -> None:
    attempts = await senders().send(route_to(), transmission(1))
    assert ends(attempts) == {1: (Phase.DNS, FailureKind.DNS)}


async def test_slow_greeting_times_out_and_the_next_host_is_asked(senders: Callable[..., Sender]) -> None:
    async with Receiver(delays={"CONNECT": 5}) as slow, Receiver() as second:
        sender = senders(greeting_s=0.1)
        assert ends(await sender.send(route_to(slow, second), transmission(1))) == {1: DELIVERED}
        slow_only = await sender.send(route_to(slow, site="other"), transmission(1))
        assert ends(slow_only) == {1: (Phase.GREETING, FailureKind.TIMEOUT)}


async def test_reply_garbage_sends_what_had_no_answer_to_the_next_host(senders: Callable[..., Sender]) -> None:
    async with Receiver(replies={"MAIL": "HTTP/1.1 400 Bad Request"}) as garbage, Receiver() as second:
        sender = senders()
        assert ends(await sender.send(route_to(garbage, second), transmission(1))) == {1: DELIVERED}
        alone = await sender.send(route_to(garbage, site="other"), transmission(1), transmission(2))
        assert alone[1].failure is FailureKind.PROTOCOL
        assert alone[2].failure is FailureKind.PROTOCOL


async def test_421_after_some_messages_is_followed_by_a_connection_of_its_own(senders: Callable[..., Sender]) -> None:
    taken = ["250 ok", "250 ok", "421 4.7.0 Enough for one connection"]
    async with Receiver(replies={"MAIL": taken}) as receiver:
        sender = senders()
        attempts = await sender.send(route_to(receiver), *(transmission(key) for key in range(1, 6)))
        assert set(ends(attempts).values()) == {DELIVERED}
        assert receiver.connections == 2
        assert SiteEventKind.THROTTLED in sender.signals


async def test_421_to_every_mail_is_reported_as_the_reply_it_is(senders: Callable[..., Sender]) -> None:
    async with Receiver(replies={"MAIL": "421 4.7.0 Slow down"}) as receiver:
        attempts = await senders().send(route_to(receiver), *(transmission(key) for key in range(1, 4)))
        assert set(ends(attempts).values()) == {(Phase.MAIL, 421)}
        assert receiver.connections == 1


async def test_a_message_that_breaks_every_connection_does_not_hold_up_the_others(
    senders: Callable[..., Sender],
) -> None:
    class Breaks(Receiver):
        def _ends_here(self, verb: str) -> bool:
            return verb == "RCPT" and "r1@" in self.commands[-1]

    async with Breaks() as first, Breaks() as second, Breaks() as third:
        attempts = await senders().send(route_to(first, second, third), *(transmission(key) for key in (1, 2, 3)))
        assert ends(attempts) == {1: (Phase.RCPT, FailureKind.LOST), 2: DELIVERED, 3: DELIVERED}


async def test_parameters_are_passed_on_where_they_are_offered(senders: Callable[..., Sender]) -> None:
    full = transmission(
        1,
        is_eight_bit=True,
        ret="HDRS",
        envid="e=1",
        notify=Notify.SUCCESS | Notify.DELAY,
        original_recipient="rfc822;o@b",
    )
    async with Receiver() as receiver:
        await senders().send(route_to(receiver), full)
        mail, rcpt = (next(c for c in receiver.commands if c.startswith(verb)) for verb in ("MAIL", "RCPT"))
        assert mail == f"MAIL FROM:<b+1@a.test> SIZE={len(CONTENT)} BODY=8BITMIME RET=HDRS ENVID=e+3D1"
        assert rcpt == "RCPT TO:<r1@b.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;o@b"


async def test_smtputf8_is_needed_and_not_offered(senders: Callable[..., Sender]) -> None:
    async with Receiver(extensions=("PIPELINING",)) as receiver:
        attempts = await senders().send(route_to(receiver), transmission(1, is_utf8=True), transmission(2))
        assert ends(attempts) == {1: (Phase.MAIL, FailureKind.NEEDS_SMTPUTF8), 2: DELIVERED}
        assert receiver.connections == 1
