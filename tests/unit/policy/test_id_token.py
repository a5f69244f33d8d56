"""What an OpenID provider's token must say to be accepted, claim by claim."""

from typing import Any

import pytest

from postroad.policy.id_token import email_refusal, id_token_refusal

NOW_S = 1_790_000_000
GOOD: dict[str, Any] = {
    "iss": "https://login.example.com",
    "aud": "postroad",
    "sub": "248289761001",
    "nonce": "n-0S6_WzA2Mj",
    "iat": NOW_S - 5,
    "exp": NOW_S + 300,
}


def refusal(**changed: Any) -> str | None:
    claims = {name: value for name, value in (GOOD | changed).items() if value is not ...}
    return id_token_refusal(
        claims, issuer="https://login.example.com", client_id="postroad", nonce="n-0S6_WzA2Mj", now_s=NOW_S
    )


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"aud": ["postroad"]},
        {"aud": ["postroad", "other"], "azp": "postroad"},
        {"azp": "postroad"},
        {"exp": NOW_S - 59},
        {"iat": NOW_S + 59},
        {"exp": NOW_S + 0.5},
    ],
    ids=str,
)
def test_a_token_for_us_and_now_is_accepted(changed: dict[str, Any]) -> None:
    assert refusal(**changed) is None


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"iss": "https://login.example.com/"}, "another provider"),
        ({"iss": ...}, "another provider"),
        ({"aud": "other"}, "another application"),
        ({"aud": ["other"]}, "another application"),
        ({"aud": "postroad-not"}, "another application"),
        ({"aud": {"postroad": 1}}, "another application"),
        ({"aud": ...}, "another application"),
        ({"aud": ["postroad", "other"]}, "at the request of another application"),
        ({"azp": "other"}, "at the request of another application"),
        ({"exp": NOW_S - 60}, "expired"),
        ({"exp": ...}, "when it was issued"),
        ({"exp": "1790000300"}, "when it was issued"),
        ({"exp": True}, "when it was issued"),
        ({"iat": ...}, "when it was issued"),
        ({"iat": NOW_S + 61}, "in the future"),
        ({"nonce": "other"}, "does not belong to this sign-in"),
        ({"nonce": ...}, "does not belong to this sign-in"),
        ({"nonce": 7}, "does not belong to this sign-in"),
        ({"sub": ""}, "names nobody"),
        ({"sub": "x" * 256}, "names nobody"),
        ({"sub": "a\0b"}, "names nobody"),
        ({"sub": 7}, "names nobody"),
        ({"sub": ...}, "names nobody"),
    ],
    ids=str,
)
def test_any_other_is_refused(changed: dict[str, Any], sentence: str) -> None:
    found = refusal(**changed)

    assert found is not None
    assert sentence in found


@pytest.mark.parametrize(
    ("claims", "domains", "sentence"),
    [
        ({"email": "a@b.example", "email_verified": True}, (), None),
        ({"email": "a@b.example", "email_verified": "true"}, (), None),
        ({"email": "a@B.example", "email_verified": True}, ("b.Example",), None),
        ({"email": "a@b.example", "email_verified": True}, ("other.example", "b.example"), None),
        ({"email": "a@b.example", "email_verified": True}, ("other.example",), "whose domain"),
        ({"email": "a@sub.b.example", "email_verified": True}, ("b.example",), "whose domain"),
        ({"email": "a@b.example@c.example", "email_verified": True}, ("b.example",), "whose domain"),
        ({"email": "a@b.example", "email_verified": "yes"}, (), "not verified"),
        ({"email": "a@b.example", "email_verified": 1.5}, (), "not verified"),
        ({"email": "a@b.example"}, (), "not verified"),
        ({"email": "nobody", "email_verified": True}, (), "no email address"),
        ({"email": ["a@b.example"], "email_verified": True}, (), "no email address"),
    ],
    ids=str,
)
def test_only_a_verified_address_of_an_allowed_domain_will_do(
    claims: dict[str, Any], domains: tuple[str, ...], sentence: str | None
) -> None:
    found = email_refusal(claims, domains)

    assert (found is None) if sentence is None else (found is not None and sentence in found)
