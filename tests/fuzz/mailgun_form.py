"""Fuzz target: a body that is posted to Mailgun's API, read as a form and made into a message; `email` is the oracle.

Its first octet says how it is read. ``python -m tests.fuzz mailgun_form`` runs it.
"""

import email
import email.policy

from postroad.dialects.mailgun.errors import Refusal
from postroad.dialects.mailgun.submission import read_message, read_mime
from postroad.protocol.form import Form, FormError, read_multipart, read_urlencoded
from postroad.protocol.mime.header import HeaderBlock, split
from postroad.protocol.smtp.data import Fault, content_faults

_DOMAIN = "news.example.com"
_NOW = 1_780_000_000_000
_FIXED = {"from": [b"a@news.example.com"], "to": [b"b@x.example"], "text": [b"x"]}


def run_one(data: bytes) -> None:
    """Read ``data`` as a body; any exception or broken promise is a finding."""
    how, body = data[:1], data[1:]
    try:
        form = read_urlencoded(body) if how < b"\x80" else read_multipart(body, b"b")
    except FormError:
        return
    for fields in (form.fields, _FIXED | form.fields):
        read_mime(Form(fields, form.files), _DOMAIN, _NOW)
        call = read_message(Form(fields, form.files), _DOMAIN, _NOW)
        if isinstance(call, Refusal):
            assert call.text
            continue
        assert content_faults(call.content) is Fault.NONE
        block = split(call.content)
        assert isinstance(block, HeaderBlock)
        # Nothing that was given makes a field of its own.
        headers = {name.removeprefix("h:").lower() for name in fields if name.startswith("h:")}
        made = {"from", "to", "cc", "subject", "reply-to", "mime-version", "content-type", "content-transfer-encoding"}
        assert {field.name.decode() for field in block.fields} <= made | headers
        message = email.message_from_bytes(call.content, policy=email.policy.compat32)
        kinds = [part.get_content_type() for part in message.walk()]
        assert len([kind for kind in kinds if not kind.startswith("multipart/")]) >= 1
