"""DKIM keys of a domain."""

import msgspec
import pytest

from postroad.domains.keys import free_selector, new_key, signing_keys
from postroad.model.domain import DkimKey, KeyAlgorithm, KeyState
from postroad.protocol.dkim.key import KeyRecord, parse_private_key, parse_record, public_value

RSA, ED25519 = KeyAlgorithm.RSA, KeyAlgorithm.ED25519
ORGANISATIONAL = "example.com"


async def made(selector: str, algorithm: KeyAlgorithm = ED25519, state: KeyState = KeyState.ACTIVE) -> DkimKey:
    return await new_key(selector, algorithm, state, now=7)


def signers(*keys: DkimKey, organisational: str | None = ORGANISATIONAL, ed25519_too: bool = True) -> list[str]:
    ready = signing_keys("news.example.com", keys, organisational, ed25519_too=ed25519_too)
    return [f"{key.selector}@{key.domain} {key.algorithm}" for key in ready]


@pytest.mark.parametrize("algorithm", [RSA, ED25519])
async def test_a_new_keys_record_can_be_read_and_belongs_to_the_private_key(algorithm: KeyAlgorithm) -> None:
    key = await made("postroad1", algorithm)

    record = parse_record(f"v=DKIM1; k={key.algorithm.value}; p={key.public_key}")
    private_key = parse_private_key(key.private_key)
    assert isinstance(record, KeyRecord)
    assert public_value(private_key) == key.public_key
    assert (key.state, key.created_at) == (KeyState.ACTIVE, 7)


async def test_only_active_keys_sign_and_rsa_comes_first() -> None:
    keys = [
        await made("postroad1e"),
        await made("postroad1", RSA),
        await made("postroad2", state=KeyState.PUBLISHED),
        await made("postroad2e", state=KeyState.RETIRED),
    ]

    assert signers(*keys) == [
        "postroad1@news.example.com rsa-sha256",
        "postroad1e@news.example.com ed25519-sha256",
    ]


async def test_ed25519_signs_only_where_the_domain_wants_it() -> None:
    assert signers(await made("postroad1e"), ed25519_too=False) == []


async def test_a_key_that_was_seen_at_the_organisational_domain_signs_for_it_as_well() -> None:
    key = msgspec.structs.replace(await made("postroad1e"), signs_organisational=True)

    assert signers(key) == [
        "postroad1e@news.example.com ed25519-sha256",
        "postroad1e-news@example.com ed25519-sha256",
    ]
    assert signers(key, organisational=None) == ["postroad1e@news.example.com ed25519-sha256"]


async def test_selectors_alternate_and_none_is_free_while_a_key_waits() -> None:
    active = await made("postroad1e")
    waiting = await made("postroad2e", state=KeyState.PUBLISHED)
    retired = await made("postroad2e", state=KeyState.RETIRED)

    free = [free_selector(ED25519, keys) for keys in ([], [active], [active, retired], [active, waiting])]

    assert free == ["postroad1e", "postroad2e", "postroad2e", None]
    assert free_selector(RSA, [active]) == "postroad1"
