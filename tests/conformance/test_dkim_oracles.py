"""Every signature of ours is believed by dkimpy and OpenDKIM, and none of a message that was changed.

The corpus holds what signers stumble over. Each message goes the way of a real one: signed with both algorithms, then
ended as the final dot of DATA ends it.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from postroad.protocol.dkim.key import SigningKey, format_record
from postroad.protocol.dkim.verify import Result, verify
from postroad.rendering.pipeline import render
from tests.conformance.dkim_oracles import OpenDkim, dkimpy_verdicts

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.eml"))
DOMAIN = "news.example.com"
NOW_S = 1_795_000_000


def with_field(field: bytes) -> Callable[[bytes], bytes]:
    """Return what puts a field above To."""
    return lambda content: re.sub(rb"(?i)\r\n(to:)", rb"\r\n" + field + rb"\r\n\1", content, count=1)


def with_a_line_more(content: bytes) -> bytes:
    return content + (b"PS\r\n" if b"\r\n\r\n" in content else b"\r\nPS\r\n")


TAMPERINGS: dict[str, Callable[[bytes], bytes]] = {
    "a line more": with_a_line_more,
    "another To": with_field(b"To: eve@example.org"),
    "a second From": with_field(b"From: eve@example.org"),
    "a second Subject": with_field(b"Subject: Win"),
    "a Reply-To more": with_field(b"Reply-To: eve@example.org"),
    "a List-Unsubscribe more": with_field(b"List-Unsubscribe: <https://example.org/>"),
}


@pytest.fixture(scope="module")
def keys() -> list[SigningKey]:
    return [
        SigningKey(DOMAIN, "pr1", rsa.generate_private_key(65537, 2048)),
        SigningKey(DOMAIN, "pr2", ed25519.Ed25519PrivateKey.generate()),
    ]


@pytest.fixture(scope="module")
def opendkim(keys: list[SigningKey], tmp_path_factory: pytest.TempPathFactory) -> OpenDkim:
    return OpenDkim(tmp_path_factory.mktemp("opendkim"), keys)


def transmitted(content: bytes, keys: Sequence[SigningKey]) -> bytes:
    signed = render(content, keys, NOW_S).content
    return signed if signed.endswith(b"\r\n") else signed + b"\r\n"


def our_verdicts(content: bytes, keys: Sequence[SigningKey]) -> list[bool]:
    records = {(key.selector, key.domain): format_record(key.private_key) for key in keys}
    return [
        verdict.result is Result.PASS
        for verdict in verify(content, lambda selector, domain: records.get((selector, domain)), NOW_S)
    ]


def test_the_corpus_is_there() -> None:
    assert len(CORPUS) >= 20
    assert all(b"\n" not in path.read_bytes().replace(b"\r\n", b"") for path in CORPUS)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_dkimpy_and_our_verifier_believe_us(path: Path, keys: list[SigningKey]) -> None:
    content = transmitted(path.read_bytes(), keys)

    assert dkimpy_verdicts(content, keys) == [True, True]
    assert our_verdicts(content, keys) == [True, True]


@pytest.mark.peer("opendkim")
@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_opendkim_believes_us(path: Path, keys: list[SigningKey], opendkim: OpenDkim) -> None:
    assert opendkim.verdicts(transmitted(path.read_bytes(), keys)) == [True, True]


@pytest.mark.parametrize("tampering", TAMPERINGS)
@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_changed_message_is_believed_by_nobody(path: Path, tampering: str, keys: list[SigningKey]) -> None:
    changed = TAMPERINGS[tampering](transmitted(path.read_bytes(), keys))

    assert our_verdicts(changed, keys) == [False, False]
    assert dkimpy_verdicts(changed, keys) == [False, False]


@pytest.mark.peer("opendkim")
@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_opendkim_sees_changes_too(tampering: str, keys: list[SigningKey], opendkim: OpenDkim) -> None:
    content = next(path for path in CORPUS if path.stem == "multipart_mixed").read_bytes()
    changed = TAMPERINGS[tampering](transmitted(content, keys))

    assert opendkim.verdicts(changed) == [False, False]


@pytest.mark.parametrize("form", [(b"relaxed", b"simple"), (b"simple", b"relaxed"), (b"simple", b"simple")])
@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_we_believe_what_dkimpy_signs(path: Path, form: tuple[bytes, bytes], keys: list[SigningKey]) -> None:
    content = path.read_bytes()
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    private = keys[0].private_key
    other_case = re.sub(rb"(?i)\r\nsubject:", b"\r\nsUbJeCt:", content, count=1)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    field = dkim.sign(content, b"pr1", DOMAIN.encode(), pem, canonicalize=form, include_headers=[b"from", b"subject"])

    assert our_verdicts(field + content, keys[:1]) == [True]
    assert our_verdicts(field + content + b"\r\n--\r\nPS\r\n", keys[:1]) == [False]
    assert our_verdicts(field + other_case, keys[:1]) == [form[0] == b"relaxed"]
