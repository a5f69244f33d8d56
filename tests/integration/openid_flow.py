"""The services of signing in by an OpenID provider over a real database, and a browser that goes to the provider."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import msgspec

from postroad.accounts.people.challenges import Challenges
from postroad.accounts.people.oidc import CALLBACK_PATH, Arrived, OidcSignIn
from postroad.accounts.people.openid_provider import OpenIdProvider
from postroad.accounts.settings import OidcSettings
from postroad.model.account import Account
from postroad.model.user import Invitation, Membership, Role, User
from postroad.net.clock import now_ms
from postroad.net.http_client import HttpClient
from postroad.storage import accounts, audit, identities, invitations, memberships, users
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database
from tests.peers.openid import OpenIdPeer

BASE = "https://mail.example.com"
CALLBACK = BASE + CALLBACK_PATH
HERE = "192.0.2.7"


def service_for(database: Database, settings: OidcSettings, client: HttpClient, base: str = BASE) -> OidcSignIn:
    """Return signing in by a provider, with nothing of the provider remembered."""
    provider = OpenIdProvider(settings, client, now_ms)
    challenges = Challenges(database, now_ms, b"a key")
    return OidcSignIn(database, now_ms, settings, provider, base, challenges=challenges)


class World:
    """An installation whose people sign in by a provider."""

    def __init__(self, database: Database, client: HttpClient, settings: OidcSettings) -> None:
        self.database = database
        self._client = client
        self.settings = settings
        self.service = self.with_settings()

    def with_settings(self, **settings: Any) -> OidcSignIn:
        """Use other settings from now on, with nothing of the provider remembered."""
        self.settings = msgspec.structs.replace(self.settings, **settings)
        self.service = service_for(self.database, self.settings, self._client)
        return self.service

    async def account(self, name: str = "acme") -> Account:
        found = await self.database.read(accounts.by_name, name)
        return await self.database.write(accounts.add, name, 1) if found is None else found

    async def person(self, email: str, **facts: Any) -> User:
        """Store a person who may look at the account."""
        account = await self.account()
        user = User(id=0, account_id=account.id, email=email, created_at=1, **facts)
        added = await self.database.write(users.add, user)
        right = Membership(user_id=added.id, account_id=account.id, role=Role.USER, created_at=1)
        await self.database.write(memberships.add, right)
        return added

    async def invited(self, email: str, role: Role, account_name: str = "acme") -> None:
        account = await self.account(account_name)
        offer = Invitation(
            id=0,
            account_id=account.id,
            email=email,
            role=role,
            invited_by="ada@acme.example",
            created_at=1,
            expires_at=now_ms() + 60_000,
        )
        await self.database.write(invitations.add, offer, account.name.encode())

    async def comes_by(self, browser: "Browser", **changed: str) -> Arrived:
        """Go to the provider and come back; ``changed`` parameters are put into the way there."""
        begun = await self.service.begin("/domains")
        answer = await browser.goes_to(with_parameters(begun.url, changed))
        return await self.service.finish(answer, begun.browser, HERE)

    async def bound_to(self, user: User) -> list[tuple[str, str]]:
        return [(one.issuer, one.subject) for one in await self.database.read(identities.of_user, user.id)]

    async def actions(self) -> list[str]:
        return [one.action for one in reversed(await self.database.read(audit.search, AuditSelector(), 50))]


class Browser:
    """Follows the provider's redirects until one leads to us."""

    def __init__(self, peer: OpenIdPeer) -> None:
        self._peer = peer

    async def goes_to(self, url: str) -> Mapping[str, str]:
        """Return the parameters of the address that the provider sends the browser to."""
        async with httpx2.AsyncClient(verify=self._peer.trust) as client:
            for _ in range(10):
                reply = await client.get(url)
                assert reply.is_redirect, reply.text
                url = str(reply.url.join(reply.headers["location"]))
                if url.startswith(CALLBACK):
                    return dict(parse_qsl(urlsplit(url).query))
        raise AssertionError(f"the provider did not come to an end: {url}")


def with_parameters(url: str, changed: Mapping[str, str]) -> str:
    """Return a URL with other values of its parameters."""
    parts = urlsplit(url)
    return parts._replace(query=urlencode({**dict(parse_qsl(parts.query)), **changed})).geturl()


def settings_for(peer: OpenIdPeer) -> OidcSettings:
    """Return the settings by which the peer is the provider."""
    return OidcSettings(
        issuer=peer.issuer,
        client_id=peer.client_id,
        client_secret=peer.client_secret,
        name="Example Login",
        authorities=str(peer.authorities),
        allow_private_addresses=True,
    )


def client_for(settings: OidcSettings) -> HttpClient:
    """Return the HTTP client that settings ask for."""
    return HttpClient(allow_private_addresses=settings.allow_private_addresses, authorities=Path(settings.authorities))
