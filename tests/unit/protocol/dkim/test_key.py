"""Keys and their public records."""

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from postroad.protocol.dkim.key import (
    KeyRecord,
    RecordFault,
    SigningKey,
    format_record,
    parse_private_key,
    parse_record,
    parse_tags,
    public_value,
    split_text,
)


def der_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_a_private_key_is_read_from_pkcs8(rsa_key: SigningKey) -> None:
    assert isinstance(rsa_key.private_key, rsa.RSAPrivateKey)
    parsed = parse_private_key(der_of(rsa_key.private_key))

    assert public_value(parsed) == public_value(rsa_key.private_key)


def test_keys_of_another_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="RSA or Ed25519"):
        parse_private_key(der_of(ec.generate_private_key(ec.SECP256R1())))


def test_a_key_never_shows_itself(rsa_key: SigningKey) -> None:
    assert repr(rsa_key) == "SigningKey('news.example.com', 'pr1', rsa-sha256)"


@pytest.mark.parametrize("name", ["rsa_key", "ed25519_key"])
def test_a_record_reads_back_as_written(name: str, request: pytest.FixtureRequest) -> None:
    key: SigningKey = request.getfixturevalue(name)
    record = parse_record(format_record(key.private_key))

    assert isinstance(record, KeyRecord)
    assert public_value(record.public_key) == public_value(key.private_key)


def test_long_records_are_cut_into_strings_of_255(rsa_key: SigningKey) -> None:
    text = format_record(rsa_key.private_key)
    strings = split_text(text)

    assert [len(string) <= 255 for string in strings] == [True, True]
    assert "".join(strings) == text


def test_white_space_in_the_key_is_allowed(rsa_key: SigningKey) -> None:
    value = public_value(rsa_key.private_key)

    assert isinstance(parse_record(f"p={value[:40]} \t{value[40:]}"), KeyRecord)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("v=DKIM1; p=", "the key is revoked: its p= tag is empty"),
        ("v=DKIM1; k=rsa", "the key record has no p= tag"),
        ("v=DKIM2; p=AAAA", "the key record's version is not DKIM1"),
        ("p=AAAA; v=DKIM1", "the key record's version is not DKIM1"),
        ("v=DKIM1; p=???", "the key record's p= tag is not base64"),
        ("v=DKIM1; p=AAAA", "the key record's p= tag holds no public key"),
        ("v=DKIM1; k=ed25519; p=AAAA", "an Ed25519 key has 32 octets, this one 3"),
        ("v=DKIM1; k=dsa; p=AAAA", "the key type 'dsa' is not known"),
        ("v=spf1 -all", "the key record's version is not DKIM1"),
        ("hello", "the key record is not a list of tags"),
    ],
)
def test_records_that_cannot_be_used_say_why(text: str, reason: str) -> None:
    fault = parse_record(text)

    assert isinstance(fault, RecordFault)
    assert fault.text == reason
    assert fault.is_revoked == (reason.startswith("the key is revoked"))


def test_short_rsa_keys_are_refused() -> None:
    """The key is a fixed one of 512 bits: making such a key is refused today."""
    der = bytes.fromhex("305c300d06092a864886f70d0101010500034b003048024100c1" + "5a" * 62 + "a70203010001")
    fault = parse_record("p=" + base64.b64encode(der).decode())

    assert fault == RecordFault("an RSA key of 512 bits is too short")


def test_tag_lists() -> None:
    assert parse_tags(" a = b ; c=d=e;") == {"a": "b", "c": "d=e"}
    assert parse_tags("a=b; a=c") is None
    assert parse_tags("a=b;; c=d") is None
