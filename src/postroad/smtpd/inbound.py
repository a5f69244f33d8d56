"""The inbound door, port 25: mail that comes back, and mail for sending domains, from anybody and without a login."""

import socket
import ssl
from collections.abc import Coroutine, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from postroad.model.submission import ClientFacts, Rejected
from postroad.net.address import client_of
from postroad.net.clock import Clock
from postroad.protocol.smtp.command import Mail
from postroad.protocol.smtp.offer import MailOffered, MessageOffered, Offer, RcptOffered
from postroad.protocol.smtp.reply import Reply
from postroad.smtpd import replies
from postroad.smtpd.connection import Connection, Door
from postroad.smtpd.listener import SmtpListener
from postroad.smtpd.rates import Rates
from postroad.smtpd.session import protocol_keyword
from postroad.smtpd.settings import InboundSettings, SmtpSettings
from postroad.storage.outage import log_fault

Target = TypeVar("Target")

_TAKEN = Reply(250, "2.0.0", "Taken")
_TOO_FAST = Reply(450, "4.7.1", "Too many messages from your network within a minute; try again later")


class Post(msgspec.Struct, Generic[Target], frozen=True, kw_only=True):
    """A whole message, for recipients that were taken."""

    offer: MessageOffered
    targets: tuple[Target, ...]
    client: ClientFacts


class Receiving(Protocol[Target]):
    """Decides about recipients and takes responsibility for what arrives."""

    async def target_of(self, reverse_path: str, forward_path: str, taken: Sequence[Target]) -> Target | Rejected:
        """Return what a recipient is, or why it is refused; raises where that cannot be found out."""

    async def receive(self, post: Post[Target]) -> Rejected | None:
        """Keep a message safe, or say why it is refused; raises where storing failed."""


class InboundSession(Connection, Generic[Target]):
    """A host that brings mail."""

    def __init__(self, door: Door, receiving: Receiving[Target], rates: Rates) -> None:
        super().__init__(door)
        self._receiving = receiving
        self._rates = rates
        self._targets: dict[str, Target] = {}

    def decide(self, offer: Offer) -> Reply | Coroutine[Any, Any, Reply] | None:
        """Ask for each recipient, and hand the message over."""
        match offer:
            case MailOffered():
                self._targets = {}
                is_bearable = self._rates.take(client_of(self.client_address), self._door.clock())
                return None if is_bearable else _TOO_FAST
            case RcptOffered(rcpt):
                return self._look_up(rcpt.forward_path)
            case MessageOffered():
                return self._take(offer)
            case _:
                # No login is offered, so none is on offer.
                return replies.ADDRESS_UNKNOWN

    async def _look_up(self, forward_path: str) -> Reply:
        # A transaction that was begun anew has no recipients yet.
        taken = tuple(self._targets.values())
        try:
            target = await self._receiving.target_of(self._machine.reverse_path, forward_path, taken)
        except Exception as error:  # noqa: BLE001 - logged
            log_fault("recipient_not_looked_up", error, client_address=self.client_address)
            return replies.STORAGE_FAILED
        if isinstance(target, Rejected):
            return replies.reply_to(target)
        self._targets[forward_path] = target
        return replies.RECIPIENT_OK

    async def _take(self, offer: MessageOffered) -> Reply:
        targets = tuple(self._targets[rcpt.forward_path] for rcpt in offer.recipients)
        post = Post(offer=offer, targets=targets, client=self._client_facts(offer.mail))
        try:
            refused = await self._receiving.receive(post)
        except Exception as error:  # noqa: BLE001 - logged
            # Whatever went wrong, nothing was promised yet: the host keeps the message and tries again.
            log_fault("returned_mail_not_stored", error, client_address=self.client_address)
            return replies.STORAGE_FAILED
        return _TAKEN if refused is None else replies.reply_to(refused)

    def _client_facts(self, mail: Mail) -> ClientFacts:
        machine = self._machine
        return ClientFacts(
            address=self.client_address,
            greeting=machine.client_name,
            protocol=protocol_keyword(
                is_extended=machine.is_extended, is_utf8=mail.is_utf8, is_tls=machine.is_tls, is_authenticated=False
            ),
            tls_version=self.tls_version,
            tls_cipher=self.tls_cipher,
        )


class InboundListener(SmtpListener, Generic[Target]):
    """The inbound door's listener."""

    def __init__(
        self,
        settings: SmtpSettings,
        inbound: InboundSettings,
        receiving: Receiving[Target],
        *,
        hostname: str,
        tls_context: ssl.SSLContext | None,
        clock: Clock,
    ) -> None:
        settings = msgspec.structs.replace(
            settings,
            max_message_size=inbound.max_message_size,
            max_recipients=inbound.max_recipients,
            max_sessions=inbound.max_sessions,
            max_sessions_per_address=inbound.max_sessions_per_address,
            max_bytes_in_flight=inbound.max_bytes_in_flight,
            proxy_protocol_from=inbound.proxy_protocol_from,
            max_bad_recipients=inbound.max_bad_recipients,
        )
        super().__init__(settings, hostname=hostname, tls_context=tls_context, clock=clock)
        self._receiving = receiving
        self._rates = Rates(inbound.messages_per_minute)

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Receive on bound sockets."""
        # Without DSN a host that was asked for a report sends it itself (RFC 3461 §5.2.2), for none leaves from here.
        door = self.door(requires_auth=False, takes_null_path=True, has_dsn=False)
        await self.serve(sockets, lambda: InboundSession(door, self._receiving, self._rates))
