"""What ``postroad check`` looks at of signing in to the console by an OpenID provider."""

from pathlib import Path

from postroad.accounts.people.oidc import CALLBACK_PATH
from postroad.accounts.people.openid_provider import OpenIdProvider, ProviderError
from postroad.cli.findings import Finding
from postroad.config import Settings
from postroad.net.clock import now_ms
from postroad.net.http_client import HttpClient

_SUBJECT = "single sign-on"


def single_sign_on(settings: Settings) -> list[Finding]:
    """Look whether the provider can send people back to the console; nothing where there is no provider."""
    oidc, public_url = settings.accounts.oidc, settings.http.public_url
    if not oidc.issuer:
        return []
    if not public_url:
        text = "Providers send people back to a name that they know, and http.public_url is not set."
        return [Finding(_SUBJECT, "wrong", text, "Set http.public_url to where people reach the console.")]
    text = f"People sign in by {oidc.issuer}, which sends them back to {public_url.rstrip('/')}{CALLBACK_PATH}."
    return [Finding(_SUBJECT, "ok", text)]


async def provider(settings: Settings) -> list[Finding]:
    """Ask the provider for its description and its keys; nothing where there is no provider."""
    oidc = settings.accounts.oidc
    if not oidc.issuer:
        return []
    client = HttpClient(
        allow_private_addresses=oidc.allow_private_addresses,
        authorities=Path(oidc.authorities) if oidc.authorities else None,
    )
    try:
        keys = await OpenIdProvider(oidc, client, now_ms).look()
    except ProviderError as error:
        text = f"{oidc.issuer} {error} ({error.detail})." if error.detail else f"{oidc.issuer} {error}."
        return [Finding(_SUBJECT, "wrong", text, "Check accounts.oidc; passwords go on working meanwhile.")]
    finally:
        await client.aclose()
    if not keys:
        return [Finding(_SUBJECT, "wrong", f"{oidc.issuer} has no key to sign with.", "Ask whoever runs it.")]
    return [Finding(_SUBJECT, "ok", f"{oidc.issuer} describes itself and shows its keys.")]
