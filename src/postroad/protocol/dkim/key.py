"""DKIM keys: private ones parsed once, and the public records that name them (RFC 6376 §3.6, RFC 8463 §4)."""

import base64
import binascii
import re

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey = rsa.RSAPublicKey | ed25519.Ed25519PublicKey

_PADDING = padding.PKCS1v15()
_SHA256 = hashes.SHA256()
_WHITE_SPACE = re.compile(r"[ \t\r\n]+")
MIN_RSA_BITS = 1024
_LONGEST_STRING = 255


class SigningKey(msgspec.Struct, frozen=True):
    """A private key, ready to sign, with the domain and selector that its public record stands at."""

    domain: str
    """In A-labels."""
    selector: str
    private_key: PrivateKey

    @property
    def algorithm(self) -> str:
        """The ``a=`` tag: ``rsa-sha256`` or ``ed25519-sha256``."""
        return "rsa-sha256" if isinstance(self.private_key, rsa.RSAPrivateKey) else "ed25519-sha256"

    def sign(self, data: bytes, digest: bytes) -> bytes:
        """Return the signature of ``data``, whose SHA-256 is ``digest``."""
        if isinstance(self.private_key, rsa.RSAPrivateKey):
            return self.private_key.sign(data, _PADDING, _SHA256)
        # RFC 8463 §3: Ed25519 signs the hash, not the data.
        return self.private_key.sign(digest)

    def __repr__(self) -> str:
        return f"SigningKey({self.domain!r}, {self.selector!r}, {self.algorithm})"


def parse_private_key(der: bytes) -> PrivateKey:
    """Read a private key of our own making in PKCS #8 DER; raises ValueError where it is none that DKIM can use."""
    # To prove an RSA key consistent takes 40 ms of the event loop, each time that a domain is read again.
    key = serialization.load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
    match key:
        case rsa.RSAPrivateKey() if key.key_size >= MIN_RSA_BITS:
            return key
        case rsa.RSAPrivateKey():
            raise ValueError(f"an RSA key of {key.key_size} bits is too short; {MIN_RSA_BITS} are the least")
        case ed25519.Ed25519PrivateKey():
            return key
        case _:
            raise ValueError("a DKIM key is RSA or Ed25519")


def public_value(key: PrivateKey | PublicKey) -> str:
    """Return the ``p=`` value of a key's record: base64."""
    public = key.public_key() if isinstance(key, PrivateKey) else key
    if isinstance(public, rsa.RSAPublicKey):
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()
    # RFC 8463 §4.2: the bare 32 octets, without an ASN.1 frame.
    return base64.b64encode(public.public_bytes_raw()).decode()


def format_record(key: PrivateKey | PublicKey) -> str:
    """Return the text of the TXT record to publish at ``<selector>._domainkey.<domain>``."""
    kind = "rsa" if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey) else "ed25519"
    return f"v=DKIM1; k={kind}; p={public_value(key)}"


def split_text(text: str) -> tuple[str, ...]:
    """Cut a record into the strings of at most 255 octets that a TXT record is made of (RFC 6376 §3.6.2.2)."""
    return tuple(text[at : at + _LONGEST_STRING] for at in range(0, len(text), _LONGEST_STRING)) or ("",)


class KeyRecord(msgspec.Struct, frozen=True):
    """What a published record says."""

    kind: str
    public_key: PublicKey
    hashes: tuple[str, ...] = ()
    """The ``h=`` tag; empty allows all."""
    services: tuple[str, ...] = ("*",)
    flags: tuple[str, ...] = ()

    @property
    def allows_subdomain_identity(self) -> bool:
        """Whether ``i=`` may be at a sub-domain of ``d=``: the ``s`` flag forbids it."""
        return "s" not in self.flags


class RecordFault(msgspec.Struct, frozen=True):
    """Why a published record cannot be used, in one sentence."""

    text: str
    is_revoked: bool = False


def parse_tags(text: str) -> dict[str, str] | None:
    """Read a tag list (RFC 6376 §3.2); null where it is none or names a tag twice."""
    tags: dict[str, str] = {}
    specs = text.split(";")
    if not specs[-1].strip(" \t\r\n"):
        specs.pop()
    for spec in specs:
        name, equals, value = spec.partition("=")
        name = name.strip(" \t\r\n")
        if not equals or not name.isidentifier() or not name.isascii() or name in tags:
            return None
        tags[name] = value.strip(" \t\r\n")
    return tags


def parse_record(text: str) -> KeyRecord | RecordFault:
    """Read a key record's text, its strings already joined (RFC 6376 §3.6.1)."""
    tags = parse_tags(text)
    if tags is None:
        return RecordFault("the key record is not a list of tags")
    if tags.get("v", "DKIM1") != "DKIM1" or ("v" in tags and next(iter(tags)) != "v"):
        return RecordFault("the key record's version is not DKIM1")
    if "p" not in tags:
        return RecordFault("the key record has no p= tag")
    value = _WHITE_SPACE.sub("", tags["p"])
    if not value:
        return RecordFault("the key is revoked: its p= tag is empty", is_revoked=True)
    kind = tags.get("k", "rsa")
    public = _public_key(kind, value)
    if isinstance(public, RecordFault):
        return public
    return KeyRecord(kind, public, _names(tags.get("h", "")), _names(tags.get("s", "*")), _names(tags.get("t", "")))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in (part.strip(" \t\r\n") for part in text.split(":")) if name)


def _public_key(kind: str, value: str) -> PublicKey | RecordFault:
    try:
        octets = base64.b64decode(value, validate=True)
    except binascii.Error:
        return RecordFault("the key record's p= tag is not base64")
    if kind == "ed25519":
        if len(octets) != 32:
            return RecordFault(f"an Ed25519 key has 32 octets, this one {len(octets)}")
        return ed25519.Ed25519PublicKey.from_public_bytes(octets)
    if kind != "rsa":
        return RecordFault(f"the key type {kind!r} is not known")
    try:
        key = serialization.load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        return RecordFault("the key record's p= tag holds no public key")
    if not isinstance(key, rsa.RSAPublicKey):
        return RecordFault("the key record says k=rsa and holds another kind of key")
    # RFC 8301 §3.2: verifiers must not take RSA keys of less than 1,024 bits for valid.
    if key.key_size < MIN_RSA_BITS:
        return RecordFault(f"an RSA key of {key.key_size} bits is too short")
    return key


def verify_signature(key: PublicKey, signature: bytes, data: bytes, digest: bytes) -> bool:
    """Whether ``signature`` is this key's over ``data``, whose SHA-256 is ``digest``."""
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, _PADDING, _SHA256)
        else:
            key.verify(signature, digest)
    except InvalidSignature:
        return False
    return True
