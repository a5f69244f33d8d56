"""Signing: the DKIM-Signature fields to put on top of a message (RFC 6376 §5).

Relaxed forms for header and body. The body is hashed and the header fields are put in canonical form once, however
many keys sign; what is left per key is its own field and the key's operation.
"""

import base64
import functools
import hashlib
from collections.abc import Sequence

from postroad.protocol.dkim.canonical import relaxed_body_hash, relaxed_field
from postroad.protocol.dkim.key import SigningKey
from postroad.protocol.mime.header import HeaderBlock, HeaderFault, fold, split

# RFC 6376 §5.4.1 and §5.4.2: each is listed once more than it occurs, so that none can be added unseen.
OVER_SIGNED = (
    "From", "To", "Cc", "Subject", "Date", "Message-ID", "Reply-To", "Sender", "MIME-Version", "Content-Type",
    "Content-Transfer-Encoding", "In-Reply-To", "References", "Feedback-ID", "List-Unsubscribe",
    "List-Unsubscribe-Post",
)  # fmt: skip
# A discussion list may add these to a message that came without them and leave its signature whole.
SIGNED_WHERE_PRESENT = ("List-Id", "List-Help", "List-Subscribe", "List-Post", "List-Owner", "List-Archive")

_NAMES = tuple((name, name.lower().encode(), name in OVER_SIGNED) for name in OVER_SIGNED + SIGNED_WHERE_PRESENT)
_WIDTH = 76


def sign(content: bytes, keys: Sequence[SigningKey], signed_at_s: int) -> bytes:
    """Return one DKIM-Signature field per key, in the order of the keys, to put on top of ``content``.

    Raises ValueError where the content has no readable header block: what is signed has been admitted.
    """
    block = split(content)
    if isinstance(block, HeaderFault):
        raise ValueError(block.text)  # noqa: TRY004 - the content is wrong, not a type
    names, signed_fields = _signed_fields(block)
    names_tag = _names_tag(tuple(names))
    bh = base64.b64encode(relaxed_body_hash(content, block.body_offset)).decode()
    return b"".join(_field(key, names_tag, bh, signed_fields, signed_at_s) for key in keys)


def _signed_fields(block: HeaderBlock) -> tuple[list[str], bytes]:
    """Return the names for ``h=`` and the canonical form of the fields they select."""
    names: list[str] = []
    pieces: list[bytes] = []
    by_name = block.by_name
    for name, key, is_always in _NAMES:
        found = by_name.get(key)
        if found is None:
            if is_always:
                names.append(name)
            continue
        names += [name] * (len(found) + 1)
        # RFC 6376 §5.4.2: several fields of a name are taken from the bottom up.
        pieces += [relaxed_field(key, block.value(field)) for field in reversed(found)]
    return names, b"".join(pieces)


@functools.lru_cache(maxsize=256)
def _names_tag(names: tuple[str, ...]) -> str:
    """Write the ``h=`` tag over as many lines as it needs; messages differ little in which fields they have."""
    lines: list[str] = []
    line = "h="
    last = len(names) - 1
    for index, name in enumerate(names):
        part = name + (";" if index == last else ":")
        if len(line) + len(part) > _WIDTH:
            lines.append(line)
            line = part
        else:
            line += part
    lines.append(line)
    return "\r\n\t".join(lines)


def _field(key: SigningKey, names_tag: str, bh: str, signed_fields: bytes, signed_at_s: int) -> bytes:
    tags = (
        "v=1;", f"a={key.algorithm};", "c=relaxed/relaxed;", f"d={key.domain};", f"s={key.selector};",
        f"t={signed_at_s};",
    )  # fmt: skip
    head = fold("DKIM-Signature", tags, _WIDTH)[:-2]
    unsigned = head + f"\r\n\t{names_tag}\r\n\tbh={bh};\r\n\tb=".encode()
    # RFC 6376 §3.7: the field itself comes last, with an empty b= and without its CRLF.
    data = signed_fields + relaxed_field(b"dkim-signature", unsigned[len("DKIM-Signature:") :])[:-2]
    signature = base64.b64encode(key.sign(data, hashlib.sha256(data).digest()))
    return unsigned + _folded_value(signature) + b"\r\n"


def _folded_value(value: bytes) -> bytes:
    """Write base64 over lines of at most 76 columns; the first has ``b=`` before it."""
    first = _WIDTH - 3
    lines = [value[:first]]
    lines += [value[at : at + _WIDTH - 1] for at in range(first, len(value), _WIDTH - 1)]
    return b"\r\n\t".join(lines)
