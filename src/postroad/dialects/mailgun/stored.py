"""Stored messages as Mailgun's API tells them."""

import email
import email.policy
import itertools
from collections.abc import Sequence
from email.message import EmailMessage, MIMEPart
from typing import Any

from postroad.model.message import Message
from postroad.protocol.mime.charset import shown
from postroad.protocol.mime.encoded_word import decode

_MOST_FIELDS = 1_000
_MOST_PARTS = 1_000


def as_sent(message: Message, recipients: Sequence[str], content: bytes) -> dict[str, Any]:
    """Return a message with its bytes in one piece."""
    return _envelope(message, recipients) | {"body-mime": content.decode("utf-8", "replace")}


def taken_apart(message: Message, recipients: Sequence[str], content: bytes) -> dict[str, Any]:
    """Return a message with its texts, header fields and the facts of its files."""
    read = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(read, EmailMessage)
    fields = [
        [name, decode(value.encode("utf-8", "surrogateescape"))]
        for name, value in itertools.islice(read.raw_items(), _MOST_FIELDS)
    ]
    document = _envelope(message, recipients) | {"message-headers": fields}
    named = {name.lower(): value for name, value in reversed(fields)}
    document |= {
        name: named[name.lower()]
        for name in ("From", "To", "Cc", "Subject", "Date", "Message-Id", "Mime-Version", "Content-Type")
        if name.lower() in named
    }
    plain, html = _body(read, "plain"), _body(read, "html")
    document |= {"body-plain": plain, "stripped-text": plain, "attachments": _files(read)}
    if html:
        document |= {"body-html": html, "stripped-html": html}
    return document


def _envelope(message: Message, recipients: Sequence[str]) -> dict[str, Any]:
    return {
        "recipients": ", ".join(recipients),
        "sender": message.reverse_path,
        "from": message.header_from,
        "subject": message.subject,
    }


def _text(value: Any) -> str:
    return str(value).encode("utf-8", "replace").decode("utf-8")


def _body(read: EmailMessage, kind: str) -> str:
    part = read.get_body((kind,))
    return "" if part is None else _content(part)


def _content(part: MIMEPart) -> str:
    octets = part.get_payload(decode=True)
    if not isinstance(octets, bytes):
        return ""
    return shown(octets, part.get_content_charset("utf-8"))


def _files(read: EmailMessage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for number, part in enumerate(read.walk()):
        if number == _MOST_PARTS:
            break
        name = part.get_filename()
        if part.is_multipart() or not name:
            continue
        octets = part.get_payload(decode=True)
        size = len(octets) if isinstance(octets, bytes) else 0
        found.append({"filename": _text(name), "content-type": part.get_content_type(), "size": size})
    return found
