"""Signing in by the configured OpenID provider, with the connections to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from postroad.accounts.people.challenges import Challenges
from postroad.accounts.people.oidc import OidcSignIn
from postroad.accounts.people.openid_provider import OpenIdProvider
from postroad.config import Settings
from postroad.net.clock import now_ms
from postroad.net.http_client import HttpClient
from postroad.node.first_start import console_url
from postroad.storage.database import Database


@asynccontextmanager
async def single_sign_on(
    settings: Settings, database: Database, challenges: Challenges
) -> AsyncIterator[OidcSignIn | None]:
    """Yield what signs people in by the provider, or None where none is configured."""
    oidc = settings.accounts.oidc
    if not oidc.issuer:
        yield None
        return
    client = HttpClient(
        allow_private_addresses=oidc.allow_private_addresses,
        authorities=Path(oidc.authorities) if oidc.authorities else None,
    )
    try:
        provider = OpenIdProvider(oidc, client, now_ms)
        yield OidcSignIn(database, now_ms, oidc, provider, console_url(settings), challenges=challenges)
    finally:
        await client.aclose()
