"""An OpenID provider as its client sees it: its own description, its keys, and the exchange of a code for claims.

OpenID Connect Core 1.0 and Discovery 1.0, with RFC 6749 (OAuth 2.0), RFC 7636 (PKCE) and RFC 9207 (issuer of a response).
"""

import base64
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec
import structlog
from joserfc import jwk, jws
from joserfc.errors import JoseError

from postroad.accounts.settings import OidcSettings
from postroad.model import base64url
from postroad.net.clock import Clock
from postroad.net.http_client import HttpClient, HttpError, HttpReply
from postroad.policy.id_token import ALGORITHMS, id_token_refusal

T = TypeVar("T")

log = structlog.get_logger()

SCOPE = "openid email profile"
_DESCRIBED_FOR_MS = 3_600_000
_MOST_OCTETS = 256 * 1024
_TIMEOUT_S = 10.0
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


class ProviderError(Exception):
    """The provider cannot be used; the message continues a sentence that begins with its name.

    ``detail`` is for the log: it may name addresses that are nobody else's business.
    """

    def __init__(self, what: str, detail: str = "") -> None:
        super().__init__(what)
        self.detail = detail


class Description(msgspec.Struct, frozen=True):
    """What a provider says of itself (OpenID Connect Discovery §3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str
    access_token: str = ""


class _KeySet(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str | None = None


class _Failure(msgspec.Struct, frozen=True):
    error: str = ""


class OpenIdProvider:
    """Talks to the configured provider; what it says of itself and its keys are remembered."""

    def __init__(self, settings: OidcSettings, client: HttpClient, clock: Clock) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock
        self._description: Description | None = None
        self._described_until = 0
        self._keys: list[dict[str, Any]] | None = None

    async def describe(self) -> Description:
        """Return what the provider says of itself; raises ProviderError."""
        if self._description is None or self._clock() >= self._described_until:
            url = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
            found = _read(await self._get(url), Description, "its description")
            # Discovery §4.3: or somebody else's description would be believed.
            if found.issuer != self._settings.issuer:
                raise ProviderError("names itself differently", f"{found.issuer} is not {self._settings.issuer}")
            for endpoint in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
                self._require_safe(endpoint)
            self._description, self._described_until = found, self._clock() + _DESCRIBED_FOR_MS
        return self._description

    async def look(self) -> int:
        """Ask for the provider's description and its keys, and return how many keys of use it has."""
        return sum(parameters.get("kty") != "oct" for parameters in await self._fetched_keys())

    async def authorization_url(self, *, redirect_uri: str, state: str, nonce: str, challenge: str) -> str:
        """Return where a browser is sent to sign in (Core §3.1.2.1); ``challenge`` is PKCE's, made by S256."""
        endpoint = (await self.describe()).authorization_endpoint
        parameters = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(parameters)}"

    async def claims(self, code: str, *, redirect_uri: str, verifier: str, nonce: str) -> Mapping[str, Any]:
        """Return what the provider says of whoever signed in; raises ProviderError where any of it is not right."""
        tokens = await self._exchange(code, redirect_uri, verifier)
        claims = await self._verified(tokens.id_token)
        refusal = id_token_refusal(
            claims,
            issuer=self._settings.issuer,
            client_id=self._settings.client_id,
            nonce=nonce,
            now_s=self._clock() // 1000,
        )
        if refusal is not None:
            raise ProviderError("gave a token that cannot be accepted", refusal)
        if "email" in claims:
            return claims
        return {**await self._user_info(tokens.access_token, claims["sub"]), **claims}

    async def _exchange(self, code: str, redirect_uri: str, verifier: str) -> _Tokens:
        """Redeem a code (Core §3.1.3); the code and what proves us go to the provider alone."""
        description, settings = await self.describe(), self._settings
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        headers = dict(_FORM)
        if not settings.client_secret:
            fields["client_id"] = settings.client_id
        elif "client_secret_basic" in description.token_endpoint_auth_methods_supported:
            # RFC 6749 §2.3.1: both are form-encoded first.
            pair = f"{quote_plus(settings.client_id)}:{quote_plus(settings.client_secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            fields |= {"client_id": settings.client_id, "client_secret": settings.client_secret}
        reply = await self._ask("POST", description.token_endpoint, headers, urlencode(fields).encode())
        return _read(reply, _Tokens, "its tokens")

    async def _verified(self, token: str) -> dict[str, Any]:
        """Return the claims of a token that a key of the provider's has signed."""
        keys = self._keys
        claims = None if keys is None else _verified_by(token, keys)
        if claims is None:
            # The key may be newer than what is remembered: the set is asked for again, once.
            keys = self._keys = await self._fetched_keys()
            claims = _verified_by(token, keys)
        if claims is None:
            raise ProviderError("gave a token that cannot be accepted", "none of its keys has signed it")
        return claims

    async def _fetched_keys(self) -> list[dict[str, Any]]:
        return _read(await self._get((await self.describe()).jwks_uri), _KeySet, "its keys").keys

    async def _user_info(self, access_token: str, subject: str) -> dict[str, Any]:
        """Return the claims that some providers give at a place of its own only (Core §5.3)."""
        endpoint = (await self.describe()).userinfo_endpoint
        if not endpoint or not access_token:
            return {}
        self._require_safe(endpoint)
        headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
        claims = _read(await self._ask("GET", endpoint, headers), dict[str, Any], "its claims")
        # Core §5.3.2: or it could be about somebody else.
        if claims.get("sub") != subject:
            raise ProviderError("gave claims that cannot be accepted", "they are about somebody else")
        return claims

    async def _get(self, url: str) -> HttpReply:
        return await self._ask("GET", url, {"Accept": "application/json"})

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> HttpReply:
        try:
            reply = await self._client.request(
                method, url, headers=headers, body=body, timeout_s=_TIMEOUT_S, most_octets=_MOST_OCTETS
            )
        except HttpError as error:
            raise ProviderError("cannot be reached at the moment", f"{url}: {error}") from error
        if reply.status != 200:
            raise ProviderError("refused to answer", f"{url} answered {reply.status} {_failure(reply)}".rstrip())
        return reply

    def _require_safe(self, url: str) -> None:
        """Raise ProviderError where a URL would be asked in clear text, though the issuer is not."""
        scheme = urlsplit(url).scheme
        if scheme != "https" and scheme != urlsplit(self._settings.issuer).scheme:
            raise ProviderError("names a place that is not safe to ask", url)


def _verified_by(token: str, keys: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return a token's claims where one of the keys has signed it."""
    header = _header(token)
    if header is None or header.alg not in ALGORITHMS:
        return None
    for parameters in keys:
        is_meant = header.kid is None or parameters.get("kid") in (None, header.kid)
        if not is_meant or parameters.get("use", "sig") != "sig" or parameters.get("kty") == "oct":
            continue
        try:
            key = jwk.import_key(parameters)
            payload = jws.deserialize_compact(token, key, algorithms=[header.alg]).payload
            return msgspec.json.decode(payload, type=dict[str, Any])
        except (JoseError, ValueError, TypeError, KeyError) as error:
            # Of another kind than the signature, or not a key that we know: another may fit.
            log.debug("openid_key_does_not_fit", kid=parameters.get("kid"), why=str(error))
    return None


def _header(token: str) -> _Header | None:
    """Return the header of a token, which says by which key it is signed (RFC 7515 §4)."""
    text = token.partition(".")[0]
    try:
        return msgspec.json.decode(base64url.decode(text), type=_Header)
    except ValueError:
        return None


def _read(reply: HttpReply, kind: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(reply.content, type=kind)
    except ValueError as error:
        raise ProviderError("gave an answer that cannot be read", f"{what}: {error}") from error


def _failure(reply: HttpReply) -> str:
    """Return the code of an error (RFC 6749 §5.2); what stands beside it is for developers."""
    try:
        return msgspec.json.decode(reply.content, type=_Failure).error[:60]
    except ValueError:
        return ""
