"""Fuzz target: the DKIM verifier; what it believes dkimpy believes too.

``python -m tests.fuzz dkim_verify`` runs it; ``seed`` gives messages that begin well.
"""

from cryptography.hazmat.primitives.asymmetric import ed25519

from postroad.protocol.dkim.key import SigningKey, format_record, parse_record
from postroad.protocol.dkim.sign import sign
from postroad.protocol.dkim.verify import Result, verify
from postroad.protocol.mime.header import HeaderBlock, split
from tests.conformance.dkim_oracles import dkimpy_verdicts

KEY = SigningKey("news.example.com", "pr1", ed25519.Ed25519PrivateKey.from_private_bytes(b"f" * 32))
_RECORD = format_record(KEY.private_key)


def seed(content: bytes) -> bytes:
    """Return a content signed with the target's key."""
    return sign(content, [KEY], 1_795_000_000) + content


def run_one(data: bytes) -> None:
    """Verify ``data``, and read it as a key record; any exception or wrong belief is a finding."""
    parse_record(data.decode("utf-8", "replace"))
    verdicts = verify(data, lambda selector, domain: _RECORD if (selector, domain) == ("pr1", KEY.domain) else None)
    # On the wire every body ends with CRLF; of one that does not dkimpy keeps the white space at its end.
    if len(verdicts) == 1 and verdicts[0].result is Result.PASS and data.endswith(b"\r\n"):
        assert dkimpy_verdicts(data, [KEY]) == [True]
    # A message whose signed fields and body are whole is signed anew without complaint.
    block = split(data)
    if isinstance(block, HeaderBlock):
        assert verify(seed(data), lambda *_: _RECORD)[0].result is Result.PASS
