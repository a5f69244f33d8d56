"""What a worker knows of webhooks: where events are posted, and with what calls are signed."""

import asyncio
import os
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from postroad.dialects import formats
from postroad.dialects.formats import Format
from postroad.model.credential import SigningKeys
from postroad.model.domain import SendingDomain
from postroad.model.options import CallbackFormat
from postroad.model.webhook import CallAttempt, Login, Receiver, WaitingCall, Webhook
from postroad.net.clock import Clock
from postroad.policy import webhook_url
from postroad.policy.key_text import RANDOM_BYTES, KeyTextKind, key_text
from postroad.storage import domains, outbox, revision, signing_keys, webhooks
from postroad.storage.database import Database
from postroad.storage.outbox import Outbox
from postroad.storage.secrets import Vault

_MOST_KNOWN = 10_000


class ReceiverFacts(msgspec.Struct, frozen=True, kw_only=True):
    """All that calls to one receiver need beside their events."""

    receiver: Receiver
    url: str
    """What is asked for."""
    username: str
    domain: SendingDomain
    keys: SigningKeys
    event_key: bytes = b""

    @property
    def format(self) -> Format:
        """How events are told to it."""
        return formats.of(self.receiver.format)


class WebhookFacts:
    """Answers from memory; ``refresh`` keeps it true after each change, and the outbox that events are written with."""

    def __init__(self, database: Database, vault: Vault, clock: Clock, box: Outbox | None = None) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._outbox = box
        self._known: dict[int, ReceiverFacts] = {}
        self._revision: int | None = None

    async def refresh(self) -> None:
        """Read anew what has changed. Raises StorageError."""
        current = await self._database.read(revision.current)
        if current == self._revision:
            return
        if self._outbox is not None:
            self._outbox.subscriptions = await self._database.read(outbox.subscriptions)
        self._known.clear()
        self._revision = current

    @property
    def has_webhooks(self) -> bool:
        """Whether events are posted without their messages asking for it, as far as is known."""
        return self._outbox is None or bool(self._outbox.subscriptions)

    @property
    def calls_made(self) -> int:
        """How many calls this worker has written so far; they may be waiting by now."""
        return 0 if self._outbox is None else self._outbox.calls_made

    async def of_call(self, call: WaitingCall) -> ReceiverFacts | None:
        """Return what calls to the receiver of a call need; None where it is gone. Raises StorageError."""
        known = self._known.get(call.receiver)
        if known is None:
            current = self._revision
            known = await self._of_callback(call) if call.callback is not None else await self._of_id(call.receiver)
            # What was read before a change must not stay in memory after it.
            if known is not None and current == self._revision:
                if len(self._known) >= _MOST_KNOWN:
                    # Messages may name an address each.
                    self._known.clear()
                self._known[call.receiver] = known
        return known

    async def of_webhook(self, webhook: Webhook) -> ReceiverFacts | None:
        """Return what calls to a webhook need; None where it is gone. Raises StorageError."""
        return await self._of_id(webhook.id)

    async def of_attempt(self, attempt: CallAttempt) -> ReceiverFacts | None:
        """Return what an attempt of the log was made with, but its login; None where its domain is gone.

        Raises StorageError.
        """
        receiver = Receiver(
            id=attempt.receiver,
            account_id=attempt.account_id,
            domain_id=attempt.domain_id,
            url=attempt.url,
            format=attempt.format,
        )
        rest = await self._database.read(_read_rest, self._vault, receiver.account_id, receiver.domain_id)
        return await self._facts(receiver, webhook_url.read(attempt.url), rest)

    async def event_key(self, account_id: int) -> bytes:
        """Return an account's key pair for events (PKCS #8, DER), made now where it has none. Raises StorageError."""
        found = await self._database.read(webhooks.event_key, self._vault, account_id)
        if found is None:
            fresh = await asyncio.to_thread(_new_event_key)
            found = await self._database.write(webhooks.ensure_event_key, self._vault, account_id, fresh, self._clock())
        return found

    async def _of_id(self, webhook_id: int) -> ReceiverFacts | None:
        read = await self._database.read(_read_webhook, self._vault, webhook_id)
        if read is None:
            return None
        webhook, login, rest = read
        receiver = Receiver(
            id=webhook.id,
            account_id=webhook.account_id,
            domain_id=webhook.domain_id,
            url=webhook.url,
            format=webhook.format,
            login=login,
        )
        return await self._facts(receiver, webhook_url.read(webhook.url), rest)

    async def _of_callback(self, call: WaitingCall) -> ReceiverFacts | None:
        assert call.callback is not None
        try:
            address = webhook_url.read(call.callback.url)
        except ValueError:
            return None
        receiver = Receiver(
            id=call.receiver,
            account_id=call.account_id,
            domain_id=call.domain_id,
            url=address.shown,
            format=call.callback.format,
            login=Login(password=address.password),
        )
        rest = await self._database.read(_read_rest, self._vault, receiver.account_id, receiver.domain_id)
        return await self._facts(receiver, address, rest)

    async def _facts(self, receiver: Receiver, address: webhook_url.PostAddress, rest: "_Rest") -> ReceiverFacts | None:
        if rest.domain is None:
            return None
        event_key = rest.event_key or b""
        if receiver.format is CallbackFormat.SENDGRID and not event_key:
            event_key = await self.event_key(receiver.account_id)
        keys = rest.keys
        if keys is None:
            fresh = key_text(KeyTextKind.SIGNING, os.urandom(RANDOM_BYTES))
            keys = await self._database.write(
                signing_keys.ensure, self._vault, receiver.account_id, fresh, self._clock()
            )
        return ReceiverFacts(
            receiver=receiver,
            url=address.url,
            username=address.username,
            domain=rest.domain,
            keys=keys,
            event_key=event_key,
        )


class _Rest(msgspec.Struct, frozen=True):
    domain: SendingDomain | None
    keys: SigningKeys | None
    event_key: bytes | None


def _read_webhook(connection: Any, vault: Vault, webhook_id: int) -> tuple[Webhook, Login, _Rest] | None:
    webhook = webhooks.get(connection, webhook_id)
    login = webhooks.login_of(connection, vault, webhook_id)
    if webhook is None or login is None:
        return None
    return webhook, login, _read_rest(connection, vault, webhook.account_id, webhook.domain_id)


def _read_rest(connection: Any, vault: Vault, account_id: int, domain_id: int) -> _Rest:
    return _Rest(
        domains.get(connection, domain_id),
        signing_keys.get(connection, vault, account_id),
        webhooks.event_key(connection, vault, account_id),
    )


def _new_event_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
