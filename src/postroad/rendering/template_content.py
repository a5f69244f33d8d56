"""A message whose texts come from a stored template: put together of what was submitted and what was rendered.

The rule: the template's text and HTML take the place of the message's own text/plain and text/html parts. Whatever else
it holds stays as it was submitted, byte for byte: attachments (multipart/mixed), inline parts such as images
(multipart/related), other versions of the text such as a calendar invitation (multipart/alternative). The header stays,
but for the fields that describe the body; the template's subject is used where the message has none or an empty one.
"""

from collections.abc import Iterable, Sequence

import msgspec

from postroad.model.ids import text_of
from postroad.protocol.mime import transfer_encoding
from postroad.protocol.mime.compose import unstructured
from postroad.protocol.mime.header import Edit, HeaderBlock, HeaderFault, apply, insert_at_end, remove, replace
from postroad.protocol.mime.structure import Part, parse
from postroad.rendering.errors import ImpossibleCopyError
from postroad.rendering.merge_body import TEXTS, is_file

_LONGEST_LINE = 78
"""RFC 5322 §2.1.1: longer lines are encoded, as some hosts break them."""
_CLOSED = frozenset({"signed", "encrypted"})


class Texts(msgspec.Struct, frozen=True, kw_only=True):
    """What a template was rendered to for one recipient."""

    html: str = ""
    text: str = ""
    subject: str = ""


def with_template(content: bytes, texts: Texts, message_id: int) -> bytes:
    """Return a message with a template's texts in place of its own.

    Raises:
        ImpossibleCopyError: The message is signed or encrypted as a whole, or its parts cannot be read.
    """
    root = parse(content)
    if isinstance(root, HeaderFault):
        raise ImpossibleCopyError(f"the template cannot be put into the message: {root.text}")
    if root.content_type.type == "multipart" and root.content_type.subtype in _CLOSED:
        raise ImpossibleCopyError(
            "the message is signed or encrypted, and a template would take the place of what was signed"
        )
    kept = _Kept([], [], [], set())
    _sort(content, root, kept, within="mixed", is_root=True)
    header, body = _put_together(texts, kept, _boundary(content, texts, message_id))
    return _header(content, root.block, texts.subject, header) + b"\r\n" + body


class _Kept(msgspec.Struct):
    """Parts of the submitted message that stay, with their headers."""

    alternatives: list[bytes]
    related: list[bytes]
    attachments: list[bytes]
    read: set[str]
    """The kinds of text that came."""


def _sort(content: bytes, part: Part, kept: _Kept, *, within: str, is_root: bool = False) -> None:
    """Put each part that stays where it belongs, by the multipart it stands in."""
    kind = part.content_type
    if kind.type == "multipart" and kind.subtype not in _CLOSED:
        for number, child in enumerate(part.children):
            # RFC 2387 §3.2: the first part of multipart/related is what the others belong to.
            is_main = kind.subtype == "related" and number == 0
            _sort(content, child, kept, within=within if is_main else kind.subtype)
        return
    is_body = kind.type == "text" and kind.subtype in TEXTS and not is_file(part, kept.read)
    if is_body or (is_root and part.body_start == part.end):
        return
    octets = _described(part) + content[part.body_start : part.end] if is_root else content[part.start : part.end]
    if within == "alternative":
        kept.alternatives.append(octets)
    elif within == "related" or part.block.first(b"content-id") is not None:
        kept.related.append(octets)
    else:
        kept.attachments.append(octets)


def _described(part: Part) -> bytes:
    """Return the fields of a message that describe its body, as the header of a part."""
    fields = [part.block.raw(field) for field in part.block.fields if field.name.startswith(b"content-")]
    return b"".join(fields) + b"\r\n"


def _put_together(texts: Texts, kept: _Kept, boundary: str) -> tuple[bytes, bytes]:
    """Return the fields that describe the new body, and the body."""
    versions = [_text_part("plain", texts.text)] if texts.text or not texts.html else []
    versions += [_text_part("html", texts.html)] if texts.html else []
    versions += [_cut(octets) for octets in kept.alternatives]
    part = versions[0] if len(versions) == 1 else _multipart("alternative", versions, f"{boundary}-a")
    if kept.related:
        part = _multipart("related", [part, *map(_cut, kept.related)], f"{boundary}-r")
    if kept.attachments:
        part = _multipart("mixed", [part, *map(_cut, kept.attachments)], f"{boundary}-m")
    return part


def _text_part(subtype: str, text: str) -> tuple[bytes, bytes]:
    octets = "\r\n".join(text.splitlines()).encode("utf-8", "replace") + b"\r\n"
    is_plain = octets.isascii() and max(map(len, octets.split(b"\r\n"))) <= _LONGEST_LINE and b"\0" not in octets
    header = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: "
    if is_plain:
        return f"{header}7bit\r\n".encode(), octets
    return f"{header}quoted-printable\r\n".encode(), transfer_encoding.quoted_printable(octets)


def _cut(octets: bytes) -> tuple[bytes, bytes]:
    """Cut a part behind its header; one without fields begins with the empty line."""
    if octets.startswith(b"\r\n"):
        return b"", octets[2:]
    header, _, body = octets.partition(b"\r\n\r\n")
    return header + b"\r\n", body


def _multipart(subtype: str, parts: Sequence[tuple[bytes, bytes]], boundary: str) -> tuple[bytes, bytes]:
    delimiter = b"--" + boundary.encode()
    body = b"".join(b"%b\r\n%b\r\n%b\r\n" % (delimiter, header, octets) for header, octets in parts)
    body += delimiter + b"--\r\n"
    header = f'Content-Type: multipart/{subtype};\r\n boundary="{boundary}"\r\n'.encode()
    # RFC 2045 §6.4: what is 8bit in a part is declared of the whole.
    return header if body.isascii() else header + b"Content-Transfer-Encoding: 8bit\r\n", body


def _boundary(content: bytes, texts: Texts, message_id: int) -> str:
    """Return a boundary that the same message has at each attempt, and that stands nowhere in it."""
    boundary = f"postroad-{text_of(message_id).lower()}"
    while boundary.encode() in content or boundary in texts.text or boundary in texts.html:
        boundary += "x"
    return boundary


def _header(content: bytes, block: HeaderBlock, subject: str, described: bytes) -> bytes:
    alone = msgspec.structs.replace(block, content=content[: block.end], body_offset=block.end)
    edits = [remove(field) for field in block.fields if field.name.startswith(b"content-")]
    edits += _subject_edits(block, subject)
    if block.first(b"mime-version") is None:
        edits.append(insert_at_end(block, b"MIME-Version: 1.0\r\n"))
    edits.append(insert_at_end(block, described))
    return apply(alone, edits)


def _subject_edits(block: HeaderBlock, subject: str) -> Iterable[Edit]:
    field = block.first(b"subject")
    if not subject.strip() or (field is not None and block.text(field)):
        return ()
    raw = unstructured("Subject", " ".join(subject.split()))
    return (replace(field, raw) if field is not None else insert_at_end(block, raw),)
