"""Verifying the signatures of a message, one verdict for each (RFC 6376 §6, RFC 8301, RFC 8463)."""

import base64
import binascii
import enum
import hashlib
import hmac
import re
from collections.abc import Callable

import msgspec

from postroad.protocol.dkim.canonical import relaxed_body, relaxed_field, simple_body
from postroad.protocol.dkim.key import KeyRecord, RecordFault, parse_record, parse_tags, verify_signature
from postroad.protocol.mime.header import Field, HeaderBlock, HeaderFault, split

FindKey = Callable[[str, str], str | None]
"""Gives the text of the TXT record for (selector, domain); null where there is none."""
MAX_SIGNATURES = 20

_ALGORITHMS = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}
_REQUIRED = ("v", "a", "b", "bh", "d", "h", "s")
_FORMS = frozenset({"simple", "relaxed"})
# RFC 6376 §3.5: the value of b= goes, the tag and whatever stands around it stay.
_SIGNATURE_VALUE = re.compile(rb"((?:^|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")
_WHITE_SPACE = re.compile(r"[ \t\r\n]+")
_NUMBER = re.compile(r"\d{1,12}\Z")


class Result(enum.StrEnum):
    """What became of one signature (RFC 8601 §2.7.1)."""

    PASS = "pass"
    FAIL = "fail"
    PERMERROR = "permerror"
    NEUTRAL = "neutral"


class Verdict(msgspec.Struct, frozen=True):
    """One signature's result, with the reason in one sentence unless it passed."""

    domain: str
    selector: str
    result: Result
    reason: str = ""


class _Signature(msgspec.Struct, frozen=True):
    """A DKIM-Signature field that is well-formed."""

    field: Field
    algorithm: str
    header_form: str
    body_form: str
    domain: str
    identity: str
    selector: str
    names: tuple[bytes, ...]
    body_hash: bytes
    signature: bytes


def verify(content: bytes, find_key: FindKey, now_s: int | None = None) -> list[Verdict]:
    """Return a verdict for each DKIM-Signature field, top first; ``x=`` is judged where the time is given."""
    block = split(content)
    if isinstance(block, HeaderFault):
        return []
    bodies: dict[str, bytes] = {}
    fields = block.named(b"dkim-signature")[:MAX_SIGNATURES]
    return [_verdict(block, field, bodies, find_key, now_s) for field in fields]


def _verdict(
    block: HeaderBlock, field: Field, body_hashes: dict[str, bytes], find_key: FindKey, now_s: int | None
) -> Verdict:
    tags = parse_tags(block.value(field).decode("utf-8", "replace"))
    if tags is None:
        return Verdict("", "", Result.PERMERROR, "the field is not a list of tags")
    named = tags.get("d", "").lower(), tags.get("s", "")
    signature = _read(field, tags, now_s)
    if isinstance(signature, tuple):
        return Verdict(*named, *signature)
    record_text = find_key(signature.selector, signature.domain)
    if record_text is None:
        return Verdict(*named, Result.PERMERROR, "there is no key at the selector")
    record = parse_record(record_text)
    if isinstance(record, RecordFault):
        return Verdict(*named, Result.PERMERROR, record.text)
    mismatch = _mismatch(signature, record)
    if mismatch:
        return Verdict(*named, Result.PERMERROR, mismatch)
    if not hmac.compare_digest(_body_hash(block, signature.body_form, body_hashes), signature.body_hash):
        return Verdict(*named, Result.FAIL, "the body has changed since it was signed")
    data = _signed_data(block, signature)
    if not verify_signature(record.public_key, signature.signature, data, hashlib.sha256(data).digest()):
        return Verdict(*named, Result.FAIL, "the signature does not match the header and the key")
    return Verdict(*named, Result.PASS)


def _read(field: Field, tags: dict[str, str], now_s: int | None) -> _Signature | tuple[Result, str]:
    """Check the tags of a signature as RFC 6376 §6.1.1 asks."""
    missing = [name for name in _REQUIRED if not tags.get(name)]
    if missing:
        return Result.PERMERROR, f"the tag {missing[0]}= is missing"
    if tags["v"] != "1":
        return Result.PERMERROR, f"version {tags['v']!r} is not known"
    if tags["a"] not in _ALGORITHMS:
        # RFC 8301 §3.1: rsa-sha1 must not be verified.
        return Result.PERMERROR, f"the algorithm {tags['a']!r} is not accepted"
    if "l" in tags:
        # RFC 6376 §8.2: what follows the counted octets could be replaced at will.
        return Result.NEUTRAL, "l= leaves the end of the body unsigned, which is not accepted"
    header_form, _, body_form = tags.get("c", "simple/simple").partition("/")
    if header_form not in _FORMS or (body_form or "simple") not in _FORMS:
        return Result.PERMERROR, f"the canonical form {tags['c']!r} is not known"
    timing = _timing_fault(tags, now_s)
    if timing:
        return timing
    domain = tags["d"].lower()
    identity = tags.get("i", "@" + domain).rpartition("@")[2].lower()
    if identity != domain and not identity.endswith("." + domain):
        return Result.PERMERROR, "i= is not at the domain d= or below it"
    names = tuple(name.strip(" \t\r\n").lower().encode() for name in tags["h"].split(":"))
    if b"from" not in names:
        return Result.PERMERROR, "h= does not cover From"
    try:
        body_hash, signature = _octets(tags["bh"]), _octets(tags["b"])
    except ValueError:
        return Result.PERMERROR, "b= or bh= is not base64"
    form = body_form or "simple"
    return _Signature(field, tags["a"], header_form, form, domain, identity, tags["s"], names, body_hash, signature)


def _timing_fault(tags: dict[str, str], now_s: int | None) -> tuple[Result, str] | None:
    for name in ("t", "x"):
        if name in tags and not _NUMBER.match(tags[name]):
            return Result.PERMERROR, f"{name}= is not a number of seconds"
    if "x" in tags:
        if "t" in tags and int(tags["x"]) < int(tags["t"]):
            return Result.PERMERROR, "x= is earlier than t="
        if now_s is not None and int(tags["x"]) < now_s:
            return Result.FAIL, "the signature has expired"
    return None


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode(_WHITE_SPACE.sub("", text), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError(str(error)) from error


def _mismatch(signature: _Signature, record: KeyRecord) -> str:
    """Say where key record and signature do not go together (RFC 6376 §6.1.2)."""
    if record.kind != _ALGORITHMS[signature.algorithm]:
        return f"the key is {record.kind} and the signature {signature.algorithm}"
    if record.hashes and "sha256" not in record.hashes:
        return "the key record does not allow sha256"
    if not {"*", "email"} & set(record.services):
        return "the key record is not for email"
    if not record.allows_subdomain_identity and signature.identity != signature.domain:
        return "the key record's s flag asks for i= at exactly d="
    return ""


def _body_hash(block: HeaderBlock, form: str, known: dict[str, bytes]) -> bytes:
    if form not in known:
        canonical = relaxed_body if form == "relaxed" else simple_body
        known[form] = hashlib.sha256(canonical(block.body)).digest()
    return known[form]


def _signed_data(block: HeaderBlock, signature: _Signature) -> bytes:
    """Return what the signature is over: the fields that ``h=`` selects, then the signature's own field."""
    is_relaxed = signature.header_form == "relaxed"
    left: dict[bytes, list[Field]] = {}
    pieces: list[bytes] = []
    for name in signature.names:
        # RFC 6376 §5.4.2: from the bottom up; a name beyond its last field stands for nothing.
        remaining = left.setdefault(name, list(block.named(name)))
        if remaining:
            field = remaining.pop()
            pieces.append(relaxed_field(name, block.value(field)) if is_relaxed else block.raw(field))
    field = signature.field
    value = _SIGNATURE_VALUE.sub(rb"\1", block.value(field), count=1)
    if is_relaxed:
        pieces.append(relaxed_field(b"dkim-signature", value)[:-2])
    else:
        pieces.append(block.content[field.start : field.colon + 1] + value)
    return b"".join(pieces)
