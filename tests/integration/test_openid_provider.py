"""What a provider that lies, or is broken, can make us believe: a forger's answers to the real client."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from joserfc import jwk, jwt

from postroad.accounts.people.openid_provider import OpenIdProvider, ProviderError
from postroad.accounts.settings import OidcSettings
from postroad.net.clock import now_ms
from postroad.net.http_client import HttpClient

CALLBACK = "https://mail.example.com/sign-in/oidc/callback"


class Forger:
    """A provider that answers what a test wants."""

    def __init__(self) -> None:
        self.issuer = ""
        self.key = jwk.RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
        self.published: list[dict[str, Any]] = [self.key.as_dict(private=False)]
        self.description: dict[str, Any] = {}
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "one"}
        self.claims: dict[str, Any] = {}
        self.user_info: dict[str, Any] = {"sub": "s"}
        self.token: str | None = None
        self.asked: list[str] = []
        self.form: dict[str, str] = {}
        self.authorization = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        match request.path:
            case "/.well-known/openid-configuration":
                return web.json_response(self.described())
            case "/keys":
                return web.json_response({"keys": self.published})
            case "/user":
                return web.json_response(self.user_info)
        self.form = {name: str(value) for name, value in (await request.post()).items()}
        self.authorization = request.headers.get("Authorization", "")
        return web.json_response({"id_token": self.token or self.signed(), "access_token": "at"})

    def described(self) -> dict[str, Any]:
        places = {"authorization_endpoint": "/sign", "token_endpoint": "/token", "jwks_uri": "/keys"}
        whole = {name: self.issuer + path for name, path in places.items()}
        return {"issuer": self.issuer, **whole, "userinfo_endpoint": self.issuer + "/user"} | self.description

    def signed(self) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "postroad", "sub": "s", "nonce": "n", "iat": now, "exp": now + 60}
        return jwt.encode(self.header, claims | self.claims, self.key, algorithms=[self.header["alg"]])


@pytest.fixture
async def forger() -> AsyncIterator[Forger]:
    forging = Forger()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", forging.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    forging.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield forging
    await runner.cleanup()


@pytest.fixture
async def provider(forger: Forger) -> AsyncIterator[OpenIdProvider]:
    client = HttpClient(allow_private_addresses=True)
    settings = OidcSettings(issuer=forger.issuer, client_id="postroad", client_secret="s:cr t")
    yield OpenIdProvider(settings, client, now_ms)
    await client.aclose()


async def claims(provider: OpenIdProvider) -> Any:
    return await provider.claims("code", redirect_uri=CALLBACK, verifier="v", nonce="n")


async def refusal(provider: OpenIdProvider) -> str:
    with pytest.raises(ProviderError) as refused:
        await claims(provider)
    return f"{refused.value} | {refused.value.detail}"


async def test_what_an_honest_provider_says_is_believed(forger: Forger, provider: OpenIdProvider) -> None:
    forger.claims = {"email": "ada@acme.example", "email_verified": True}

    assert (await claims(provider))["email"] == "ada@acme.example"
    assert forger.form["code_verifier"] == "v"
    # RFC 6749 §2.3.1: each part form-encoded before they are joined.
    assert forger.authorization == "Basic cG9zdHJvYWQ6cyUzQWNyK3Q="
    assert "client_secret" not in forger.form
    assert "/user" not in forger.asked


async def test_the_secret_goes_into_the_form_where_the_provider_wants_it(
    forger: Forger, provider: OpenIdProvider
) -> None:
    forger.description = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    await claims(provider)

    assert (forger.authorization, forger.form["client_secret"]) == ("", "s:cr t")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"aud": "another"}, "another application"),
        ({"aud": ["postroad", "another"]}, "at the request of another"),
        ({"azp": "another"}, "at the request of another"),
        ({"iss": "https://evil.example"}, "another provider"),
        ({"exp": 1_700_000_000}, "expired"),
        ({"nonce": "other"}, "does not belong"),
    ],
    ids=str,
)
async def test_a_token_that_is_not_for_us_is_refused(
    changed: dict[str, Any], why: str, forger: Forger, provider: OpenIdProvider
) -> None:
    forger.claims = changed

    assert why in await refusal(provider)


async def test_a_token_that_a_stranger_signed_is_refused(forger: Forger, provider: OpenIdProvider) -> None:
    forger.key = jwk.RSAKey.generate_key(2048, {"kid": "one"})

    assert "none of its keys" in await refusal(provider)


async def test_an_unsigned_token_is_refused(forger: Forger, provider: OpenIdProvider) -> None:
    body = forger.signed().split(".")[1]
    forger.token = f"eyJhbGciOiJub25lIn0.{body}."

    assert "none of its keys" in await refusal(provider)


async def test_a_public_key_is_no_shared_secret(forger: Forger, provider: OpenIdProvider) -> None:
    pem = forger.key.as_pem(private=False)
    now = int(time.time())
    header = b'{"alg":"HS256","kid":"one"}'
    body = json.dumps({"iss": forger.issuer, "aud": "postroad", "sub": "s", "nonce": "n", "iat": now, "exp": now + 60})
    forger.token = forged_with_hmac(header, body.encode(), pem)

    assert "none of its keys" in await refusal(provider)


async def test_a_shared_secret_among_the_keys_is_not_used(forger: Forger, provider: OpenIdProvider) -> None:
    forger.published = [{"kty": "oct", "k": "c2VjcmV0", "kid": "one", "alg": "HS256"}]

    assert "none of its keys" in await refusal(provider)


async def test_a_key_that_is_new_is_fetched_once(forger: Forger, provider: OpenIdProvider) -> None:
    await claims(provider)
    await claims(provider)
    assert forger.asked.count("/keys") == 1

    forger.key = jwk.RSAKey.generate_key(2048, {"kid": "two"})
    forger.header = {"alg": "RS256", "kid": "two"}
    assert "none of its keys" in await refusal(provider)
    assert forger.asked.count("/keys") == 2

    forger.published = [{"kty": "XYZ", "kid": "odd"}, forger.key.as_dict(private=False)]
    await claims(provider)
    await claims(provider)
    assert forger.asked.count("/keys") == 3


async def test_a_token_without_a_key_id_is_tried_with_each(forger: Forger, provider: OpenIdProvider) -> None:
    other = jwk.RSAKey.generate_key(2048, {"kid": "zero"})
    forger.published = [other.as_dict(private=False), forger.key.as_dict(private=False)]
    forger.header = {"alg": "RS256"}

    assert (await claims(provider))["sub"] == "s"


async def test_claims_about_somebody_else_are_refused(forger: Forger, provider: OpenIdProvider) -> None:
    forger.user_info = {"sub": "other", "email": "ada@acme.example", "email_verified": True}

    assert "somebody else" in await refusal(provider)


async def test_claims_of_the_token_win(forger: Forger, provider: OpenIdProvider) -> None:
    forger.user_info = {"sub": "s", "email": "ada@acme.example", "iss": "x"}

    found = await claims(provider)
    assert (found["email"], found["iss"]) == ("ada@acme.example", forger.issuer)


async def test_a_provider_that_names_itself_differently_is_refused(forger: Forger, provider: OpenIdProvider) -> None:
    forger.description = {"issuer": "https://evil.example"}

    assert "names itself differently" in await refusal(provider)


async def test_a_place_in_clear_text_is_not_asked_by_a_secure_issuer() -> None:
    client = HttpClient()
    settings = OidcSettings(issuer="https://login.example.com", client_id="postroad")
    with pytest.raises(ProviderError, match="not safe to ask"):
        OpenIdProvider(settings, client, now_ms)._require_safe("http://login.example.com/token")


@pytest.mark.parametrize("token", ["", "x", "a.b", "....", "e30.e30.e30", "\0", "é.é.é"], ids=repr)
async def test_what_is_no_token_is_refused(token: str, forger: Forger, provider: OpenIdProvider) -> None:
    forger.token = token or " "

    assert "none of its keys" in await refusal(provider)


@pytest.mark.parametrize("description", [{"jwks_uri": 7}, {"token_endpoint": None}], ids=str)
async def test_a_broken_description_is_said(
    description: dict[str, Any], forger: Forger, provider: OpenIdProvider
) -> None:
    forger.description = description

    assert "gave an answer that cannot be read" in await refusal(provider)


async def test_a_way_that_has_parameters_keeps_them(forger: Forger, provider: OpenIdProvider) -> None:
    forger.description = {"authorization_endpoint": forger.issuer + "/sign?tenant=7"}
    url = await provider.authorization_url(redirect_uri=CALLBACK, state="s", nonce="n", challenge="c")

    assert url.startswith(f"{forger.issuer}/sign?tenant=7&response_type=code&client_id=postroad&")
    assert "code_challenge_method=S256" in url


def forged_with_hmac(header: bytes, body: bytes, key: bytes) -> str:
    import base64
    import hmac

    def text(octets: bytes) -> str:
        return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()

    signed = f"{text(header)}.{text(body)}"
    return f"{signed}.{text(hmac.digest(key, signed.encode(), 'sha256'))}"
