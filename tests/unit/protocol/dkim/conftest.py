"""Keys made once for all tests of the package."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from postroad.protocol.dkim.key import SigningKey

DOMAIN = "news.example.com"


@pytest.fixture(scope="session")
def rsa_key() -> SigningKey:
    return SigningKey(DOMAIN, "pr1", rsa.generate_private_key(65537, 2048))


@pytest.fixture(scope="session")
def ed25519_key() -> SigningKey:
    return SigningKey(DOMAIN, "pr2", ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32))
