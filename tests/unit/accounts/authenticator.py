"""A device that makes and uses passkeys, in software, as honest or not as a test wants it."""

import base64
import hashlib
import json
import secrets
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

# Web Authentication §6.1: user present, user verified, attested credential data included.
_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40


class Authenticator:
    """One device with one key pair."""

    def __init__(self, *, verifies: bool = True, count: int | None = 0) -> None:
        """``verifies``: asks for finger, face or PIN. ``count``: null where it does not count its uses."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id = secrets.token_bytes(20)
        self.verifies = verifies
        self.count = count
        self._handle = ""

    def makes(self, options: str, origin: str) -> str:
        """Return what a browser answers to the options of a creation."""
        document = json.loads(options)
        self._handle = document["user"]["id"]
        numbers = self._key.public_key().public_numbers()
        # RFC 9053 §2.1 and §7.1.1: an EC2 key for ES256.
        key = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + key
        data = self._data(document["rp"]["id"], _ATTESTED) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = _client_data("webauthn.create", document["challenge"], origin)
        return self._answer({"clientDataJSON": _text(client), "attestationObject": _text(attestation)})

    def uses(self, options: str, origin: str, **changed: Any) -> str:
        """Return what a browser answers to the options of a use."""
        document = json.loads(options)
        if self.count is not None:
            self.count += 1
        data = self._data(document["rpId"], 0)
        client = _client_data("webauthn.get", document["challenge"], origin)
        signature = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": _text(client),
            "authenticatorData": _text(data),
            "signature": _text(signature),
            "userHandle": self._handle,
        }
        return self._answer(response | changed)

    def _data(self, party: str, flags: int) -> bytes:
        flags |= _PRESENT | (_VERIFIED if self.verifies else 0)
        return hashlib.sha256(party.encode()).digest() + bytes([flags]) + (self.count or 0).to_bytes(4, "big")

    def _answer(self, response: dict[str, Any]) -> str:
        name = _text(self.credential_id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})


def _client_data(kind: str, challenge: str, origin: str) -> bytes:
    return json.dumps({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": False}).encode()


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
