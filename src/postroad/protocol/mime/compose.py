"""Composing the few messages that we write ourselves: fields, and parts under one multipart (RFC 5322, RFC 2046)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from postroad.protocol.mime import transfer_encoding
from postroad.protocol.mime.encoded_word import encode, encoded_words
from postroad.protocol.mime.header import fold
from postroad.protocol.mime.mailbox import Mailbox

_LONGEST_PLAIN_LINE = 78
_LONGEST_PHRASE = 400
"""Of a name in quotes, which no line can be broken within once each character of it is escaped."""
_LONGEST_LINE = 998
"""RFC 5322 §2.1.1."""


class BodyPart(msgspec.Struct, frozen=True):
    """One part of a multipart, its body encoded already."""

    content_type: str
    body: bytes
    transfer_encoding: str = "7bit"
    description: str = ""

    def encode(self) -> bytes:
        """Return the part's header, empty line and body."""
        header = fold("Content-Type", self.content_type.split(" "))
        if self.description:
            header += fold("Content-Description", encode(self.description))
        if self.transfer_encoding != "7bit":
            header += f"Content-Transfer-Encoding: {self.transfer_encoding}\r\n".encode()
        return header + b"\r\n" + self.body


def unstructured(name: str, text: str) -> bytes:
    """Return a field of plain text, such as Subject, encoded where it must be."""
    return fold(name, encode(text))


def phrase(name: str) -> tuple[str, ...]:
    """Return the words of a display name or a group's: in quotes, or encoded where it must be (RFC 5322 §3.2.5)."""
    if not name.isascii() or not name.isprintable() or "=?" in name or len(name) > _LONGEST_PHRASE:
        return encoded_words(name)
    return ('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"',)


def address_field(name: str, mailboxes: Sequence[Mailbox]) -> bytes:
    """Return a field of addresses, such as To."""
    words: list[str] = []
    for one in mailboxes:
        words += (*phrase(one.display_name), f"<{one.address}>,") if one.display_name else (f"{one.address},",)
    return fold(name, [*words[:-1], words[-1].removesuffix(",")])


def json_field(name: str, document: Mapping[str, Any]) -> bytes:
    """Return a field of JSON in ASCII, folded at its spaces; in encoded words where it has too few of them."""
    text = json.dumps(document)
    # "=?" within a text would be taken for an encoded word by whoever reads the field.
    field = fold(name, text.replace("=?", "=\\u003f").split(" "))
    if max(map(len, field.split(b"\r\n"))) <= _LONGEST_LINE:
        return field
    return fold(name, encoded_words(text))


def text_part(text: str, description: str = "") -> BodyPart:
    """Return a plain text part of lines that end with a line feed; encoded only where it must be."""
    octets = text.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8", "replace")
    is_plain = octets.isascii() and all(len(line) <= _LONGEST_PLAIN_LINE for line in octets.split(b"\r\n"))
    if is_plain:
        return BodyPart("text/plain; charset=us-ascii", octets, description=description)
    encoded = transfer_encoding.quoted_printable(octets)
    return BodyPart("text/plain; charset=utf-8", encoded, "quoted-printable", description)


def identity_encoding(octets: bytes) -> str:
    """Return the name of the encoding that leaves octets as they are (RFC 2045 §6.2)."""
    return "7bit" if octets.isascii() else "8bit"


def multipart(content_type: str, fields: Sequence[bytes], parts: Sequence[BodyPart], boundary: str) -> bytes:
    """Return a whole message: the fields, MIME-Version, the multipart's own, and its parts.

    ``content_type`` goes without the boundary, which must not begin any line of the parts: make it of a unique id.
    """
    delimiter = f"--{boundary}".encode()
    encoded = [part.encode() for part in parts]
    if any(delimiter in part for part in encoded):
        raise ValueError(f"the boundary {boundary!r} stands within a part")
    # RFC 2046 §5.1.1: 8bit in a part is declared of the whole.
    eight_bit = (
        [b"Content-Transfer-Encoding: 8bit\r\n"] if any(part.transfer_encoding == "8bit" for part in parts) else []
    )
    header = b"".join(
        [
            *fields,
            b"MIME-Version: 1.0\r\n",
            fold("Content-Type", [f"{content_type};", f'boundary="{boundary}"']),
            *eight_bit,
        ]
    )
    body = b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in encoded)
    return header + b"\r\n" + body + delimiter + b"--\r\n"
