"""What a submission's bytes go through: header block, addresses, admission, beside the standard library's parser."""

import email
import email.policy
from collections.abc import Callable

from postroad.model.credential import CredentialKind, Principal
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.envelope import Envelope, Recipient
from postroad.model.submission import Admitted, ClientFacts, Submission
from postroad.policy.admission import AdmissionFacts, admit
from postroad.policy.alignment import OrganisationalDomains
from postroad.protocol.mime.header import HeaderBlock, apply, insert_at_end, insert_at_top, remove, split
from postroad.protocol.mime.mailbox import parse_address_list

DOMAIN = "news.example.com"
CONTENT = (
    b"From: Ada Lovelace <ada@news.example.com>\r\nTo: Bob <bob@example.net>\r\nSubject: The engine is ready\r\n"
    b" and waits for its cards\r\nDate: Wed, 18 Nov 2026 11:06:40 +0000\r\nMessage-ID: <one@news.example.com>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
    + b"".join(b"X-Field-%d: a value of the usual length, in one line or so\r\n" % number for number in range(12))
    + b"\r\n"
    + b"A line of text, as people write it, and not too long.\r\n" * 56
)
"""20 fields and 4 KB in all."""


def _submission() -> Submission:
    return Submission(
        principal=Principal(1, 2, DOMAIN, 3, f"app@{DOMAIN}", CredentialKind.PASSWORD),
        envelope=Envelope(f"back@{DOMAIN}", (Recipient("bob@example.net", "example.net"),)),
        content=CONTENT,
        received_at=0,
        client=ClientFacts(address="192.0.2.7"),
    )


def _facts() -> AdmissionFacts:
    return AdmissionFacts(
        domain=SendingDomain(id=2, account_id=1, name=DOMAIN, state=DomainState.ACTIVE, created_at=0),
        hostname="mail.example.org",
        message_id=123_456_789_012_345_678,
        now=1_795_000_000_000,
        identifier_key=b"k" * 32,
        organisational_domain_of=OrganisationalDomains(),
    )


def _edited(block: HeaderBlock) -> bytes:
    return apply(
        block,
        [
            insert_at_top(b"Received: x\r\n"),
            remove(block.fields[9]),
            insert_at_end(block, b"Feedback-ID: a:b:c:bench\r\n"),
        ],
    )


def cases() -> dict[str, Callable[[], object]]:
    """Return the operations to time."""
    block = split(CONTENT)
    assert isinstance(block, HeaderBlock)
    submission, facts = _submission(), _facts()
    assert isinstance(admit(submission, facts), Admitted)
    return {
        "split a block of 20 fields": lambda: split(CONTENT),
        "three edits": lambda: _edited(block),
        "read From": lambda: parse_address_list(b" Ada Lovelace <ada@news.example.com>"),
        "admit 4 KB": lambda: admit(submission, facts),
        "standard library: parse 4 KB": lambda: email.message_from_bytes(CONTENT, policy=email.policy.default),
    }
