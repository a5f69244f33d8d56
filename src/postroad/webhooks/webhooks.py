"""Webhooks as people set them up: added, paused, resumed and removed, each with its audit entry."""

from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from postroad.dialects import formats
from postroad.model.actor import Actor
from postroad.model.audit import AuditEntry, entry_of
from postroad.model.credential import Secret
from postroad.model.domain import SendingDomain
from postroad.model.event import EventType
from postroad.model.options import CallbackFormat
from postroad.model.refused import RefusedError
from postroad.model.webhook import NO_LOGIN, Arrangement, Health, Login, Webhook
from postroad.net.address import is_private_host
from postroad.net.clock import Clock
from postroad.policy import webhook_url
from postroad.policy.permission import require_change, require_sight
from postroad.storage import domains, webhook_calls, webhooks
from postroad.storage.audit import recorded
from postroad.storage.database import Database
from postroad.storage.errors import Conflict, Outdated
from postroad.storage.secrets import Vault

NOTE_LENGTH = 500
_LONGEST_TOKEN = 1_024


class WebhookChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook is to be from now on."""

    url: str
    """With a password where it is a new one."""
    format: CallbackFormat
    event_types: Collection[EventType] = ()
    """None for all that the format has words for."""
    note: str = ""
    token: str | None = None
    """None keeps the one there is."""


class Webhooks:
    """Changes webhooks; workers follow within a second. What breaks a rule raises RefusedError."""

    def __init__(self, database: Database, vault: Vault, clock: Clock, *, allow_private_addresses: bool) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._allow_private_addresses = allow_private_addresses

    async def add(
        self,
        actor: Actor,
        domain: SendingDomain,
        url: str,
        *,
        format: CallbackFormat,  # noqa: A002 - the word for it
        event_types: Collection[EventType] = (),
        token: str = "",
        note: str = "",
    ) -> Webhook:
        """Have a domain's events posted to an address.

        Args:
            actor: Who adds it.
            domain: Whose events.
            url: Where to; user and password in it go along by HTTP Basic, and the password is kept sealed.
            format: How events are told.
            event_types: Which of them; none for all that the format has words for.
            token: What a format sends that authenticates by a fixed token.
            note: What it is for.
        """
        require_change(actor, domain.account_id, f"sending domain {domain.name}")
        address = self._address(url)
        _require_sound(note, token)
        webhook = Webhook(
            account_id=domain.account_id,
            domain_id=domain.id,
            url=address.shown,
            format=format,
            event_types=_types(format, event_types),
            note=note,
            created_at=self._clock(),
            created_by=actor.name,
        )
        login = Login(password=address.password, token=Secret(token))
        entry = entry_of(
            actor,
            "webhook.added",
            webhook.url,
            at=webhook.created_at,
            account_id=domain.account_id,
            after=_audited(webhook, domain, login),
        )
        try:
            return await self._database.write(recorded, entry, webhooks.add, self._vault, webhook, login)
        except Conflict as error:
            raise RefusedError(_sentence(error), field="url") from error

    async def edit(self, actor: Actor, before: Webhook, wanted: WebhookChange) -> Webhook:
        """Change a webhook from what it was found to be; calls that wait go to the new address, in the new format.

        A password or token that is kept sealed stays in force while it goes to the same server as the same user; it is
        never sent to another one that somebody writes into the address. What somebody else changed since it was found
        is not undone: that raises RefusedError.
        """
        require_change(actor, before.account_id, f"webhook {before.id}")
        address = self._address(wanted.url)
        _require_sound(wanted.note, wanted.token or "")
        kept = await self._database.read(webhooks.login_of, self._vault, before.id) or NO_LOGIN
        login = _login_after(before, kept, address, wanted.token)
        after = msgspec.structs.replace(
            before,
            url=address.shown,
            format=wanted.format,
            event_types=_types(wanted.format, wanted.event_types),
            note=wanted.note,
        )
        domain = await self._database.read(domains.get, before.domain_id)
        entry = entry_of(
            actor,
            "webhook.edited",
            after.url,
            at=self._clock(),
            account_id=before.account_id,
            before=_audited(before, domain) | {"url": before.url},
            after=_audited(after, domain, login) | {"url": after.url},
        )
        try:
            return await self._database.write(
                recorded, entry, webhooks.change, self._vault, after, login, made_from=(before, kept)
            )
        except Outdated as error:
            sentence = f"The webhook to {before.url} was changed by someone else just now; look at it again."
            raise RefusedError(sentence) from error
        except Conflict as error:
            raise RefusedError(_sentence(error), field="url") from error

    async def arrange(self, actor: Actor, domain: SendingDomain, wanted: Sequence[Arrangement]) -> list[Webhook]:
        """Add, change and remove some of a domain's webhooks, all of them or none; returns those it has then."""
        require_change(actor, domain.account_id, f"sending domain {domain.name}")
        changes: list[webhooks.Change] = []
        for one in wanted:
            if one.before is not None and not one.event_types:
                changes.append(
                    webhooks.Change(None, NO_LOGIN, self._arranged(actor, domain, one.before, None), one.before.id)
                )
                continue
            if not one.event_types:
                continue
            address = self._address(one.url)
            login = Login(password=address.password)
            after = Webhook(
                account_id=domain.account_id,
                domain_id=domain.id,
                url=address.shown,
                format=one.format,
                event_types=_types(one.format, one.event_types),
                created_at=self._clock(),
                created_by=actor.name,
            )
            if one.before is not None:
                kept = await self._database.read(webhooks.login_of, self._vault, one.before.id) or NO_LOGIN
                login = _login_after(one.before, kept, address, None)
                after = msgspec.structs.replace(
                    one.before, url=after.url, format=after.format, event_types=after.event_types
                )
            changes.append(webhooks.Change(after, login, self._arranged(actor, domain, one.before, after, login)))
        try:
            return await self._database.write(webhooks.arrange, self._vault, domain.id, changes)
        except Conflict as error:
            raise RefusedError(_sentence(error), field="url") from error

    def _arranged(
        self,
        actor: Actor,
        domain: SendingDomain,
        before: Webhook | None,
        after: Webhook | None,
        login: Login = NO_LOGIN,
    ) -> AuditEntry:
        told = after or before
        assert told is not None, "what is not there and is not to be is left out"
        action = "webhook.added" if before is None else "webhook.removed" if after is None else "webhook.edited"
        return entry_of(
            actor,
            action,
            told.url,
            at=self._clock(),
            account_id=domain.account_id,
            before=None if before is None else _audited(before, domain),
            after=None if after is None else _audited(after, domain, login),
        )

    async def all(self, actor: Actor, domain: SendingDomain | None = None) -> list[Webhook]:
        """Return a domain's webhooks, or all that the actor sees."""
        if domain is not None:
            require_sight(actor, domain.account_id, f"sending domain {domain.name}")
            return await self._database.read(webhooks.of_domain, domain.id)
        return await self._database.read(webhooks.list_all, actor.account_id)

    async def find(self, actor: Actor, webhook_id: int) -> Webhook:
        """Return a webhook. Raises MissingError."""
        found = await self._database.read(webhooks.get, webhook_id)
        require_sight(actor, None if found is None else found.account_id, f"webhook {webhook_id}")
        if found is None:
            raise RefusedError(f"There is no webhook {webhook_id}.")
        return found

    async def health_of(self, found: Sequence[Webhook]) -> dict[int, Health]:
        """Return how the receivers of webhooks are doing, those that anything is known of."""
        return await self._database.read(webhook_calls.health_of, [one.id for one in found])

    async def pause(self, actor: Actor, webhook_id: int) -> Webhook:
        """Let calls wait from now on, each until its 72 hours are over."""
        return await self._set_paused(actor, webhook_id, "webhook.paused", self._clock())

    async def resume(self, actor: Actor, webhook_id: int) -> Webhook:
        """Let calls go on, also where the circuit breaker had paused the address."""
        return await self._set_paused(actor, webhook_id, "webhook.resumed", None)

    async def remove(self, actor: Actor, webhook_id: int) -> Webhook:
        """Remove a webhook; calls that wait for it are not made any more."""
        webhook = await self.find(actor, webhook_id)
        require_change(actor, webhook.account_id, f"webhook {webhook_id}")
        domain = await self._database.read(domains.get, webhook.domain_id)
        entry = entry_of(
            actor,
            "webhook.removed",
            webhook.url,
            at=self._clock(),
            account_id=webhook.account_id,
            before=_audited(webhook, domain),
        )
        await self._database.write(recorded, entry, webhooks.remove, webhook.id)
        return webhook

    async def _set_paused(self, actor: Actor, webhook_id: int, action: str, at: int | None) -> Webhook:
        webhook = await self.find(actor, webhook_id)
        require_change(actor, webhook.account_id, f"webhook {webhook_id}")
        entry = entry_of(actor, action, webhook.url, at=self._clock(), account_id=webhook.account_id)
        await self._database.write(recorded, entry, webhooks.set_paused, webhook.id, at)
        return await self.find(actor, webhook_id)

    def _address(self, url: str) -> webhook_url.PostAddress:
        try:
            address = webhook_url.read(url)
        except ValueError as error:
            raise RefusedError(str(error), field="url") from error
        host = urlsplit(address.url).hostname or ""
        if not self._allow_private_addresses and is_private_host(host):
            sentence = (
                f"{host} is not an address of the public Internet; `webhooks.allow_private_addresses` would allow it."
            )
            raise RefusedError(sentence, field="url")
        return address


def _login_after(before: Webhook, kept: Login, address: webhook_url.PostAddress, token: str | None) -> Login:
    old = webhook_url.read(before.url)
    is_same_server = webhook_url.server_of(old.url) == webhook_url.server_of(address.url)
    is_same_user = is_same_server and old.username == address.username
    password = kept.password if is_same_user and not address.password else address.password
    if token is None:
        return Login(password=password, token=kept.token if is_same_server else Secret(""))
    return Login(password=password, token=Secret(token))


def _require_sound(note: str, token: str) -> None:
    if len(note) > NOTE_LENGTH:
        raise RefusedError(f"A note has at most {NOTE_LENGTH} characters.", field="note")
    if len(token) > _LONGEST_TOKEN or not token.isascii() or not token.isprintable():
        raise RefusedError(f"A token has at most {_LONGEST_TOKEN} printable ASCII characters.", field="token")


def _sentence(error: Conflict) -> str:
    return f"{str(error)[0].upper()}{str(error)[1:]}."


def _types(chosen: CallbackFormat, wanted: Collection[EventType]) -> tuple[EventType, ...]:
    spoken = [kind for kind in EventType if formats.of(chosen).speaks_of(kind)]
    for kind in wanted:
        if kind not in spoken:
            words = ", ".join(one.value for one in spoken)
            sentence = f"The format {chosen.value} has no word for {kind.value} events; it has them for {words}."
            raise RefusedError(sentence, field="event_types")
    return tuple(kind for kind in spoken if not wanted or kind in wanted)


def _audited(webhook: Webhook, domain: SendingDomain | None, login: Login | None = None) -> dict[str, Any]:
    return {
        "domain": None if domain is None else domain.name,
        "format": webhook.format.value,
        "event_types": [kind.value for kind in webhook.event_types],
        "note": webhook.note,
        "has_password": webhook.has_password if login is None else bool(login.password),
        "has_token": webhook.has_token if login is None else bool(login.token),
    }
