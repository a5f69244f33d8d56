"""The inbound door on real sockets: limits for strangers, what a failing service is answered with, and transactions."""

import asyncio
import contextlib
import smtplib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from postroad.model.submission import Rejected
from postroad.net.clock import now_ms
from postroad.net.listen import Endpoint, bind
from postroad.smtpd.inbound import InboundListener, Post
from postroad.smtpd.settings import InboundSettings, SmtpSettings
from postroad.storage.errors import StorageUnavailable

HOST = "rp.news.example"
CONTENT = b"Subject: x\r\n\r\ny\r\n"


class Receiving:
    """Takes a@ and b@, and keeps what it got."""

    def __init__(self) -> None:
        self.posts: list[Post[str]] = []
        self.asked: list[tuple[str, str, tuple[str, ...]]] = []
        self.is_away = False

    async def target_of(self, reverse_path: str, forward_path: str, taken: Sequence[str]) -> str | Rejected:
        self._require_storage()
        self.asked.append((reverse_path, forward_path, tuple(taken)))
        if forward_path.startswith(("a@", "b@")):
            return forward_path[0]
        return Rejected("no_such_recipient", "5.1.1", "There is nobody")

    async def receive(self, post: Post[str]) -> Rejected | None:
        self._require_storage()
        self.posts.append(post)
        return None

    def _require_storage(self) -> None:
        if self.is_away:
            raise StorageUnavailable("away")


@contextlib.asynccontextmanager
async def door(**settings: Any) -> AsyncIterator[tuple[Receiving, int]]:
    receiving = Receiving()
    listener: InboundListener[str] = InboundListener(
        SmtpSettings(), InboundSettings(**settings), receiving, hostname="mail.example", tls_context=None, clock=now_ms
    )
    (sockets,) = bind(Endpoint("127.0.0.1", 0))
    await listener.start(sockets)
    try:
        yield receiving, sockets[0].getsockname()[1]
    finally:
        await listener.stop(1)


def bring(client: smtplib.SMTP, *recipients: str, sender: str = "") -> list[int]:
    codes = [client.mail(sender)[0], *(client.rcpt(one)[0] for one in recipients)]
    return [*codes, client.data(CONTENT)[0]] if codes[0] == 250 else codes


async def test_a_message_comes_with_what_its_recipients_are() -> None:
    def dialogue(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.ehlo("mx.example")
            assert bring(client, f"a@{HOST}", f"c@{HOST}", f"b@{HOST}", sender="x@y.example") == [
                250,
                250,
                550,
                250,
                250,
            ]
            # What was taken in a transaction that was given up says nothing about the next one.
            client.mail("")
            client.rcpt(f"b@{HOST}")
            client.rset()
            assert bring(client, f"a@{HOST}") == [250, 250, 250]

    async with door() as (receiving, port):
        await asyncio.to_thread(dialogue, port)

    assert [one.targets for one in receiving.posts] == [("a", "b"), ("a",)]
    assert receiving.posts[0].client.protocol == "ESMTP"
    assert receiving.asked[2] == ("x@y.example", f"b@{HOST}", ("a",))
    assert receiving.asked[-1] == ("", f"a@{HOST}", ())


async def test_while_storage_is_away_hosts_are_told_to_come_again() -> None:
    receiving_code: list[int] = []

    def dialogue(port: int, receiving: Receiving) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.ehlo("mx.example")
            client.mail("")
            client.rcpt(f"a@{HOST}")
            receiving.is_away = True
            receiving_code.append(client.data(CONTENT)[0])
            client.mail("")
            receiving_code.append(client.rcpt(f"a@{HOST}")[0])

    async with door() as (receiving, port):
        await asyncio.to_thread(dialogue, port, receiving)

    assert receiving_code == [451, 451]
    assert receiving.posts == []


async def test_strangers_have_limits() -> None:
    def dialogue(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.ehlo("mx.example")
            assert client.mail("", ["SIZE=99999999"])[0] == 552
            assert bring(client, f"a@{HOST}") == [250, 250, 250]
            assert bring(client, f"a@{HOST}") == [250, 250, 250]
            assert client.mail("") == (
                450,
                b"4.7.1 Too many messages from your network within a minute; try again later",
            )
            with pytest.raises(smtplib.SMTPConnectError) as refused, smtplib.SMTP("127.0.0.1", port, timeout=10):
                pass
            assert refused.value.smtp_code == 421

    async with door(messages_per_minute=2, max_sessions_per_address=1, max_message_size=65_536) as (receiving, port):
        await asyncio.to_thread(dialogue, port)

    assert len(receiving.posts) == 2


async def test_who_guesses_addresses_is_shown_out() -> None:
    def dialogue(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.ehlo("mx.example")
            client.mail("")
            assert [client.rcpt(f"c{number}@{HOST}")[0] for number in range(3)] == [550, 550, 550]
            with pytest.raises(smtplib.SMTPServerDisconnected):
                client.noop()
                client.noop()

    async with door(max_bad_recipients=3) as (_, port):
        await asyncio.to_thread(dialogue, port)
