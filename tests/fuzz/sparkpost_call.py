"""Fuzz target: a body that is posted to SparkPost's API and made into messages.

``python -m tests.fuzz sparkpost_call`` runs it.
"""

from postroad.dialects.sparkpost.errors import Refusal
from postroad.dialects.sparkpost.submission import read_document, read_transmission, sender_domain
from postroad.protocol.mime.header import HeaderBlock, split
from postroad.protocol.smtp.data import Fault, content_faults

_DOMAIN = "news.example.com"
_LARGEST = 1024 * 1024


def run_one(data: bytes) -> None:
    """Read ``data`` as a body; any exception or broken promise is a finding."""
    document = read_document(data)
    if isinstance(document, Refusal):
        assert document.text
        return
    sender_domain(document)
    found = read_transmission(document, _DOMAIN, largest=_LARGEST)
    if isinstance(found, Refusal):
        assert found.text
        assert found.document["errors"]
        return
    assert found.calls
    assert found.accepted == sum(len(one.envelope.recipients) for one in found.calls)
    content = document["content"]
    for one in found.calls:
        assert one.envelope.recipients
        # A whole message is the client's: what is wrong with it is found when it is handed in.
        if content.get("email_rfc822") is None:
            # Long lines of a client's texts are encoded, as are its characters.
            assert content_faults(one.content) is Fault.NONE
            assert isinstance(split(one.content), HeaderBlock)
