"""Fuzz target: a body that is posted to SendGrid's API, packed or not, and made into messages.

Its first octet says whether it is gzip. ``python -m tests.fuzz sendgrid_call`` runs it.
"""

from postroad.dialects.sendgrid.errors import Refusal
from postroad.dialects.sendgrid.submission import read_call
from postroad.protocol.inflate import InflateError, Inflater
from postroad.protocol.mime.header import HeaderBlock, split
from postroad.protocol.smtp.data import Fault, content_faults

_DOMAIN = "news.example.com"
_LARGEST = 1024 * 1024
_PIECE = 64 * 1024


def run_one(data: bytes) -> None:
    """Read ``data`` as a body; any exception or broken promise is a finding."""
    body = data[1:]
    if data[:1] == b"\x1f":
        body = _unpacked(data)
    found = read_call(body, _DOMAIN, largest=_LARGEST)
    if isinstance(found, Refusal):
        assert found.text
        assert found.document["errors"]
        return
    assert found.parts
    for part in found.parts:
        assert content_faults(part.call.content) is Fault.NONE
        assert isinstance(split(part.call.content), HeaderBlock)
        assert part.call.envelope.recipients


def _unpacked(octets: bytes) -> bytes:
    inflater = Inflater()
    found = b""
    try:
        for piece in inflater.feed(octets):
            assert 0 < len(piece) <= _PIECE
            found += piece
            if len(found) > _LARGEST:
                break
        else:
            inflater.finish()
    except InflateError:
        return found
    return found
