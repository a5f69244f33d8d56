"""A captured message made ready to be looked at: its parts, its header and what its signatures are worth."""

import base64
import email
import email.policy
from email.message import EmailMessage
from typing import cast

import msgspec

from postroad.protocol.dkim.verify import FindKey, Verdict, verify
from postroad.protocol.mime.charset import shown
from postroad.protocol.mime.encoded_word import decode


class Captured(msgspec.Struct, frozen=True, kw_only=True):
    """What the inbox shows of one message."""

    subject: str
    header_from: str
    to: str
    date: str
    headers: tuple[tuple[str, str], ...]
    text: str | None
    html: str | None
    attachments: tuple[str, ...]
    source: str
    signatures: tuple[Verdict, ...]

    @property
    def is_signed_well(self) -> bool:
        """Whether there is a signature and every one is valid."""
        return bool(self.signatures) and all(verdict.result == "pass" for verdict in self.signatures)


def captured(content: bytes, find_key: FindKey) -> Captured:
    """Take a message apart for the inbox."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    html = _part_text(message, "html")
    headers = tuple((name, decode(value.encode("utf-8", "surrogateescape"))) for name, value in message.raw_items())
    named = {name.lower(): value for name, value in reversed(headers)}
    return Captured(
        subject=named.get("subject", ""),
        header_from=named.get("from", ""),
        to=named.get("to", ""),
        date=named.get("date", ""),
        headers=headers,
        text=_part_text(message, "plain"),
        html=None if html is None else _with_inline_images(message, html),
        attachments=tuple(part.get_filename() or part.get_content_type() for part in message.iter_attachments()),
        source=content.decode("utf-8", "replace"),
        signatures=tuple(verify(content, find_key)),
    )


def _part_text(message: EmailMessage, subtype: str) -> str | None:
    body = message.get_body((subtype,))
    if body is None:
        return None
    content = cast("EmailMessage", body).get_payload(decode=True)
    return shown(cast("bytes", content), body.get_content_charset("utf-8"))


def _with_inline_images(message: EmailMessage, html: str) -> str:
    """Return the HTML with ``cid:`` references replaced by data URLs, for no request may leave the page."""
    for part in message.walk():
        content_id = str(part.get("Content-ID", "")).strip("<> ")
        if content_id and part.get_content_maintype() == "image":
            data = base64.b64encode(cast("bytes", part.get_payload(decode=True))).decode()
            html = html.replace(f"cid:{content_id}", f"data:{part.get_content_type()};base64,{data}")
    return html
