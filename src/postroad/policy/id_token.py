"""Whether what an OpenID provider says of somebody is meant for us, now, and is enough to let them in."""

import hmac
from collections.abc import Iterable, Mapping
from typing import Any

LEEWAY_S = 60
"""How far apart the provider's clock and ours may be."""
_SUBJECT_LENGTH = 255
# OpenID Connect Core §3.1.3.7 (6): the token comes over TLS from the provider, and is verified all the same.
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
)  # fmt: skip
"""Signatures by a key of the provider's that others can only verify: neither ``none`` nor a shared secret."""


def id_token_refusal(claims: Mapping[str, Any], *, issuer: str, client_id: str, nonce: str, now_s: int) -> str | None:
    """Return what is wrong with a verified token's claims (OpenID Connect Core §3.1.3.7), or None."""
    if claims.get("iss") != issuer:
        return "it was issued by another provider"
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
    if client_id not in audiences:
        return "it was issued for another application"
    party = claims.get("azp")
    if (party is None and len(audiences) > 1) or (party is not None and party != client_id):
        return "it was issued at the request of another application"
    expires, issued = _seconds(claims.get("exp")), _seconds(claims.get("iat"))
    if expires is None or issued is None:
        return "it does not say when it was issued and when it ends"
    if now_s >= expires + LEEWAY_S:
        return "it has expired"
    if issued > now_s + LEEWAY_S:
        return "it was issued in the future: compare the clocks"
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        return "it does not belong to this sign-in"
    if not is_subject(claims.get("sub")):
        return "it names nobody"
    return None


def is_subject(value: object) -> bool:
    """Whether a value can be a provider's name for somebody (OpenID Connect Core §2)."""
    return isinstance(value, str) and 0 < len(value) <= _SUBJECT_LENGTH and value.isprintable()


def email_refusal(claims: Mapping[str, Any], domains: Iterable[str]) -> str | None:
    """Return why the address that a provider gives cannot be relied on, or None.

    ``domains`` are those that people may have addresses at; none for every one.
    """
    email = claims.get("email")
    if not isinstance(email, str) or "@" not in email:
        return "gave no email address"
    # Some providers write the boolean as text.
    if claims.get("email_verified") not in (True, "true"):
        return f"has not verified the email address {email}"
    allowed = [domain.lower() for domain in domains]
    if allowed and email.rpartition("@")[2].lower() not in allowed:
        return f"gave the email address {email}, whose domain may not sign in here"
    return None


def _seconds(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
