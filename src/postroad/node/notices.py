"""Mail that Postroad itself writes: composed here and submitted like everybody's, from an address of a sending domain."""

import structlog

from postroad.accounts.notices import Notices
from postroad.model.channel import NOTICE_CHANNEL
from postroad.model.credential import CredentialKind, Principal
from postroad.model.domain import SendingDomain
from postroad.model.envelope import Envelope, Recipient, destination_of
from postroad.model.submission import ClientFacts, Rejected, Submission
from postroad.net.clock import Clock
from postroad.protocol.mime.compose import text_part, unstructured
from postroad.protocol.smtp.address import AddressError, parse_path
from postroad.storage import domains
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.submission.accept import Submissions

log = structlog.get_logger()

_NOBODY = 0
"""The id of no credential: the installation itself submits."""


class MailedNotices(Notices):
    """Submits notices from ``accounts.notices_from``; where that cannot be, it says so in the log and no more."""

    def __init__(self, database: Database, submissions: Submissions, sender: str, clock: Clock) -> None:
        self._database = database
        self._submissions = submissions
        self._sender = sender
        self._clock = clock

    async def send(self, *, to: str, subject: str, text: str) -> bool:
        """Hand in a message of plain text; returns whether it was accepted."""
        # What it says may hold a link that is worth a password: it is never logged.
        try:
            why = await self._submit(to, subject, text)
        except (AddressError, StorageError) as error:
            why = str(error)
        if why is not None:
            log.warning("notice_not_sent", to=to, subject=subject, why=why)
        return why is None

    async def _submit(self, to: str, subject: str, text: str) -> str | None:
        """Return why the message was not accepted, or None."""
        if not self._sender:
            return "accounts.notices_from is not set"
        sender, recipient = parse_path(self._sender, is_utf8=False), parse_path(to, is_utf8=False)
        domain = await self._database.read(domains.by_name, destination_of(sender))
        if domain is None:
            return f"{destination_of(sender)} of accounts.notices_from is not a sending domain of this installation"
        submission = Submission(
            principal=_principal(domain),
            envelope=Envelope(sender, (Recipient(recipient, destination_of(recipient)),)),
            content=_composed(sender, recipient, subject, text),
            received_at=self._clock(),
            client=ClientFacts(address="", protocol="local", channel=NOTICE_CHANNEL),
        )
        result = await self._submissions.submit(submission)
        return result.text if isinstance(result, Rejected) else None


def _principal(domain: SendingDomain) -> Principal:
    return Principal(domain.account_id, domain.id, domain.name, _NOBODY, "postroad", CredentialKind.ADDRESS)


def _composed(sender: str, recipient: str, subject: str, text: str) -> bytes:
    fields = [
        unstructured("From", f"Postroad <{sender}>"),
        unstructured("To", f"<{recipient}>"),
        unstructured("Subject", " ".join(subject.split())),
        # RFC 3834 §5: so that no answering machine answers.
        b"Auto-Submitted: auto-generated\r\n",
        b"MIME-Version: 1.0\r\n",
    ]
    return b"".join(fields) + text_part(text).encode()
