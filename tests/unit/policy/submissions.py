"""Submissions as the tests of admission make them."""

from typing import Any

from postroad.model.credential import CredentialKind, Principal
from postroad.model.domain import DomainSettings, DomainState, SendingDomain
from postroad.model.envelope import Envelope, Recipient
from postroad.model.submission import Admitted, ClientFacts, Rejected, Submission
from postroad.policy.admission import AdmissionFacts, admit

NOW = 1_795_000_000_000
DOMAIN = "news.example.com"
MESSAGE_ID = 123_456_789_012_345_678
KEY = b"k" * 32

CONTENT = (
    b"From: Ada <ada@news.example.com>\r\nTo: bob@example.net\r\nSubject: Hello\r\n"
    b"Date: Wed, 18 Nov 2026 11:00:00 +0000\r\nMessage-ID: <one@news.example.com>\r\n\r\nText\r\n"
)


def organisational_domain_of(domain: str) -> str | None:
    """Stand in for the public suffix list: the last two labels of what is under .com, .net, .org."""
    labels = domain.split(".")
    return ".".join(labels[-2:]) if len(labels) > 1 else None


def principal() -> Principal:
    return Principal(1, 2, DOMAIN, 3, f"app@{DOMAIN}", CredentialKind.PASSWORD)


def submission(content: bytes = CONTENT, **envelope: bool | str) -> Submission:
    made = Envelope(
        str(envelope.get("reverse_path", f"back@{DOMAIN}")),
        (Recipient("bob@example.net", "example.net"),),
        is_eight_bit=bool(envelope.get("is_eight_bit", False)),
        is_utf8=bool(envelope.get("is_utf8", False)),
    )
    client = ClientFacts(address="192.0.2.7", greeting="pc.example.org", protocol="ESMTPSA", tls_version="TLSv1.3")
    return Submission(principal=principal(), envelope=made, content=content, received_at=NOW, client=client)


def facts(state: DomainState = DomainState.ACTIVE, **settings: Any) -> AdmissionFacts:
    domain = SendingDomain(
        id=2, account_id=1, name=DOMAIN, state=state, created_at=0, settings=DomainSettings(**settings)
    )
    return AdmissionFacts(
        domain=domain,
        hostname="mail.example.org",
        message_id=MESSAGE_ID,
        now=NOW,
        identifier_key=KEY,
        organisational_domain_of=organisational_domain_of,
    )


def admitted(content: bytes, **envelope: bool | str) -> Admitted:
    verdict = admit(submission(content, **envelope), facts())
    assert isinstance(verdict, Admitted), verdict
    return verdict


def rejected(content: bytes, **envelope: bool | str) -> Rejected:
    verdict = admit(submission(content, **envelope), facts())
    assert isinstance(verdict, Rejected), verdict
    return verdict
