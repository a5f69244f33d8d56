"""One recipient's copy of a message, taken apart to be read: its header, and what its parts say."""

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from postroad.protocol.mime.charset import shown
from postroad.protocol.mime.encoded_word import decode
from postroad.protocol.mime.header import HeaderFault
from postroad.protocol.mime.structure import Part, parse
from postroad.protocol.mime.transfer_encoding import decode_base64, decode_quoted_printable


class HeaderField(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a header, decoded."""

    name: str
    value: str


class ShownPart(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a body."""

    type: Annotated[str, Meta(examples=["text/html"])]
    size: Annotated[int, Meta(description="Octets, decoded.")]
    text: Annotated[str | None, Meta(description="What it says, where it is a text; its beginning where it is long.")]


class ShownCopy(msgspec.Struct, frozen=True, kw_only=True):
    """What would leave for one recipient."""

    recipient: str
    header: tuple[HeaderField, ...]
    parts: tuple[ShownPart, ...]
    content: Annotated[str, Meta(description="The message itself, or its beginning where it is long.")]


def shown_copy(recipient: str, content: bytes, most: int) -> ShownCopy:
    """Return a copy as it is shown, with at most so many octets of it, and of its texts together."""
    root = parse(content, is_lenient=True)
    header: tuple[HeaderField, ...] = ()
    parts: tuple[ShownPart, ...] = ()
    if not isinstance(root, HeaderFault):
        block = root.block
        header = tuple(
            HeaderField(
                name=block.content[one.start : one.colon].decode("ascii", "replace"), value=decode(block.text(one))
            )
            for one in block.fields
        )
        parts = tuple(_cut(_parts(content, root, most), most))
    return ShownCopy(
        recipient=recipient,
        header=header,
        parts=parts,
        content=content[:most].decode("utf-8", "replace"),
    )


def _parts(content: bytes, part: Part, most: int) -> Iterator[ShownPart]:
    if part.children:
        for child in part.children:
            yield from _parts(content, child, most)
        return
    octets = _octets(content[part.body_start : part.end], part.transfer_encoding)
    kind = part.content_type
    text = None
    if kind.type == "text":
        text = _text(octets, kind.parameters.get("charset", "us-ascii"), most)
    yield ShownPart(type=f"{kind.type}/{kind.subtype}", size=len(octets), text=text)


def _cut(parts: Iterator[ShownPart], room: int) -> Iterator[ShownPart]:
    for part in parts:
        if part.text is not None:
            part = msgspec.structs.replace(part, text=part.text[:room])  # noqa: PLW2901 - the same part, shorter
            room -= len(part.text or "")
        yield part


def _octets(encoded: bytes, encoding: str) -> bytes:
    try:
        match encoding:
            case "base64":
                return decode_base64(encoded)
            case "quoted-printable":
                return decode_quoted_printable(encoded)
    except ValueError:
        # It is shown as it would leave.
        return encoded
    return encoded


def _text(octets: bytes, charset: str, most: int) -> str:
    # Cut first: a long text takes as long to decode as a codec likes. A character at the cut is left out.
    return shown(octets[:most], charset, is_cut=len(octets) > most)
