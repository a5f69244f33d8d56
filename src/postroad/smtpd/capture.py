"""The capture sink of ``postroad dev``: a real SMTP receiver that keeps what is delivered, whoever it is for."""

import socket
import ssl
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

import msgspec

from postroad.net.clock import Clock
from postroad.protocol.smtp.offer import MessageOffered, Offer
from postroad.protocol.smtp.reply import Reply
from postroad.smtpd import replies
from postroad.smtpd.connection import Connection, Door
from postroad.smtpd.listener import SmtpListener
from postroad.smtpd.settings import SmtpSettings
from postroad.storage.outage import log_fault

_KEPT = Reply(250, "2.0.0", "Captured")


class Store(Protocol):
    """Where captured messages go."""

    async def __call__(self, reverse_path: str, recipients: tuple[str, ...], content: bytes, received_at: int) -> None:
        """Keep one message; raises where that fails."""


class CaptureSession(Connection):
    """A host that delivers mail here, without a login, for anybody and from anybody."""

    def __init__(self, door: Door, store: Store) -> None:
        super().__init__(door)
        self._store = store

    def decide(self, offer: Offer) -> Reply | Coroutine[Any, Any, Reply] | None:
        """Keep every message and agree to everything else."""
        return self._keep(offer, self._door.clock()) if isinstance(offer, MessageOffered) else None

    async def _keep(self, offer: MessageOffered, received_at: int) -> Reply:
        recipients = tuple(rcpt.forward_path for rcpt in offer.recipients)
        try:
            await self._store(offer.mail.reverse_path, recipients, offer.content, received_at)
        except Exception as error:  # noqa: BLE001 - logged
            log_fault("capture_failed", error, client_address=self.client_address)
            return replies.STORAGE_FAILED
        return _KEPT


class CaptureListener(SmtpListener):
    """The capture sink's listener."""

    def __init__(
        self,
        settings: SmtpSettings,
        store: Store,
        *,
        hostname: str,
        tls_context: ssl.SSLContext | None,
        clock: Clock,
    ) -> None:
        # What comes in is our own delivery, never a load balancer, wherever these may be in front of submission.
        settings = msgspec.structs.replace(settings, proxy_protocol_from=())
        super().__init__(settings, hostname=hostname, tls_context=tls_context, clock=clock)
        self._store = store

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Receive on bound sockets."""
        door = self.door(requires_auth=False, takes_null_path=True)
        await self.serve(sockets, lambda: CaptureSession(door, self._store))
