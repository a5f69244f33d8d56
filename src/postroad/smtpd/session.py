"""The submission door: who may send, from which address, and what becomes of a message that was received."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

import msgspec
import structlog

from postroad.dialects.headers.submission import Read, read_options
from postroad.model.credential import Principal, Secret
from postroad.model.envelope import Envelope, Notify, Recipient, destination_of
from postroad.model.options import NO_OPTIONS, NO_SOURCES, OptionFault
from postroad.model.submission import ClientFacts, Rejected, Submission
from postroad.policy.admission import check_reverse_path
from postroad.policy.rbl import Listing
from postroad.protocol.mime.header import HeaderBlock, HeaderFault, split
from postroad.protocol.smtp.command import Mail, Rcpt
from postroad.protocol.smtp.offer import AuthOffered, MailOffered, MessageOffered, Offer, RcptOffered, TooLarge
from postroad.protocol.smtp.reply import Reply
from postroad.smtpd import replies
from postroad.smtpd.connection import Connection, Door
from postroad.storage.outage import log_fault

log = structlog.get_logger()

_LARGEST_INLINE = 16_384
"""Octets of a header whose options are read at once; those of a larger one, with variables for hundreds of recipients,
are read in a thread, so that other sessions go on meanwhile."""


class LoginRefused(Protocol):
    """Why a name and password prove nobody, or somebody proven earlier may not go on."""

    @property
    def is_temporary(self) -> bool:
        """Whether the same login may work later."""

    @property
    def is_locked(self) -> bool:
        """Whether the password was not even looked at, as too many were wrong before."""

    @property
    def needs_tls(self) -> bool:
        """Whether the same login would do over an encrypted connection."""


class Authenticator(Protocol):
    """Proves who acts."""

    async def verify(
        self,
        username: str,
        password: Secret,
        client_address: str,
        over_tls: bool,
        mechanism: str,
    ) -> Principal | LoginRefused:
        """Return who a name and password prove, or why they prove nobody."""

    def at_once(
        self, username: str, password: Secret, client_address: str, over_tls: bool, mechanism: str
    ) -> Principal | LoginRefused | None:
        """Return what comes of a login where it need not be found out, else None."""

    def note_listed(self, username: str, client_address: str, over_tls: bool, mechanism: str, *, zone: str) -> None:
        """Note a login that was refused as a blocklist names the client."""

    def principal_for_address(self, address: str, over_tls: bool) -> Principal | None:
        """Return who a network address alone proves."""

    def goes_on(self, principal: Principal, client_address: str, over_tls: bool) -> Principal | LoginRefused:
        """Return somebody proven earlier as they are now, or why they may not go on; asked at every command."""

    def note_use(self, principal: Principal, client_address: str, over_tls: bool) -> None:
        """Note that somebody sends."""


class Receipt(Protocol):
    """The answer to a submission that is stored."""

    @property
    def message_id(self) -> int:
        """The id it is stored under."""


class Submissions(Protocol):
    """Takes responsibility for mail."""

    async def submit(self, submission: Submission) -> Receipt | Rejected:
        """Store a submission or say why not; returns once it is on disk, raises where storing failed."""

    async def note_rejected(self, submission: Submission, rejected: Rejected, size: int) -> None:
        """Record that a submission of an announced size was refused before its content was looked at."""


class Blocklists(Protocol):
    """Knows which clients strangers complain about."""

    def ask(self, client_address: str) -> asyncio.Task[Listing | None] | None:
        """Begin to find out whether a client is listed; None where nothing needs to be found out."""


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """What sessions ask."""

    authenticator: Authenticator
    submissions: Submissions
    blocklists: Blocklists | None = None


class SubmissionSession(Connection):
    """A client that submits mail after a login, or from a network address that is its login."""

    def __init__(self, door: Door, services: Services) -> None:
        super().__init__(door)
        self._services = services
        self._principal: Principal | None = None
        self._recordings: set[asyncio.Task[None]] = set()
        self._listing: asyncio.Task[Listing | None] | None = None

    def begun(self) -> None:
        """Begin to ask about a client that has to log in, so that the answers are there when it does."""
        if self._services.blocklists is not None and self._door.options.requires_auth:
            self._listing = self._services.blocklists.ask(self.client_address)

    def turned_away_by(self) -> Reply | None:
        """Find out who a client is whose network address is its login."""
        if self._door.options.requires_auth:
            return None
        self._principal = self._services.authenticator.principal_for_address(self.client_address, self._machine.is_tls)
        return replies.ADDRESS_UNKNOWN if self._principal is None else None

    def decide(self, offer: Offer) -> Reply | Coroutine[Any, Any, Reply] | None:
        """Ask the service that the offer concerns."""
        match offer:
            case RcptOffered():
                # Whether the recipient's domain exists is found out at delivery.
                return None
            case MailOffered(mail):
                return self._check_sender(mail)
            case MessageOffered():
                return self._submit(offer, self._door.clock())
            case AuthOffered():
                return self._at_once(offer) or self._verify(offer)

    def ended_by(self) -> Reply | None:
        """Return what ends the session of a client whose user may not send any more, or not in this way."""
        if self._door.options.requires_auth and not self._machine.is_authenticated:
            # RFC 3207 §4.2: a log-in in the clear is forgotten under TLS, and its end ends nothing.
            self._principal = None
        before = self._principal
        if before is None:
            return None
        is_tls = self._machine.is_tls
        now = self._services.authenticator.goes_on(before, self.client_address, is_tls)
        if now is before:
            return None
        if isinstance(now, Principal):
            self._principal = now
            return None
        log.info("login_ended", username=before.username, client_address=self.client_address, over_tls=is_tls)
        self._principal = None
        if not self._door.options.requires_auth:
            return replies.ADDRESS_UNKNOWN
        return replies.LOGIN_NEEDS_TLS if now.needs_tls else replies.LOGIN_ENDED

    def _check_sender(self, mail: Mail) -> Coroutine[Any, Any, Reply] | None:
        assert self._principal is not None
        rejected = check_reverse_path(self._principal, mail.reverse_path)
        return None if rejected is None else self._refuse_sender(mail, rejected)

    async def _refuse_sender(self, mail: Mail, rejected: Rejected) -> Reply:
        await self._record(mail, (), rejected, mail.size or 0)
        return replies.reply_to(rejected)

    def note(self, refused: TooLarge) -> None:
        """Record the refusal beside the dialogue, which goes on."""
        rejected = Rejected("message_too_large", str(refused.reply.enhanced_status), refused.reply.text)
        size = self._door.settings.max_message_size + 1 if refused.announced is None else refused.announced
        recording = self._loop.create_task(self._record(refused.mail, refused.recipients, rejected, size))
        self._recordings.add(recording)
        recording.add_done_callback(self._recordings.discard)

    async def _record(self, mail: Mail, recipients: tuple[Rcpt, ...], rejected: Rejected, size: int) -> None:
        if self._principal is None:
            return
        submission = Submission(
            principal=self._principal,
            envelope=envelope_of(mail, recipients),
            content=b"",
            received_at=self._door.clock(),
            client=self._client_facts(mail),
        )
        try:
            await self._services.submissions.note_rejected(submission, rejected, size)
        except Exception as error:  # noqa: BLE001 - logged
            # The refusal stands all the same; only its record is missing.
            log_fault("rejection_not_recorded", error, client_address=self.client_address, rule=rejected.rule)

    def _at_once(self, offer: AuthOffered) -> Reply | None:
        """Return the reply to a login that needs no finding out; who may be listed is told that instead."""
        if self._listing is not None:
            return None
        result = self._services.authenticator.at_once(
            offer.username, Secret(offer.password), self.client_address, self._machine.is_tls, offer.mechanism
        )
        return None if result is None else self._logged_in(result)

    def _logged_in(self, result: Principal | LoginRefused) -> Reply:
        if isinstance(result, Principal):
            self._principal = result
            return replies.LOGGED_IN
        return _reply_to(result)

    async def _verify(self, offer: AuthOffered) -> Reply:
        listing = await self._listed()
        if listing is not None:
            self._services.authenticator.note_listed(
                offer.username, self.client_address, self._machine.is_tls, offer.mechanism, zone=listing.zone
            )
            is_permanent = self._door.settings.rbl_permanent
            return replies.listed(self.client_address, listing, is_permanent=is_permanent)
        try:
            result = await self._services.authenticator.verify(
                offer.username, Secret(offer.password), self.client_address, self._machine.is_tls, offer.mechanism
            )
        except Exception as error:  # noqa: BLE001 - logged
            log_fault("login_failed", error, client_address=self.client_address)
            return replies.LOGIN_BUSY
        return self._logged_in(result)

    async def _listed(self) -> Listing | None:
        """Return the list that this client is on; whatever keeps that from being found out lets it in."""
        if self._listing is None:
            return None
        try:
            return await self._listing
        except Exception:
            log.exception("blocklists_not_asked", client_address=self.client_address)
            return None

    async def _submit(self, offer: MessageOffered, received_at: int) -> Reply:
        assert self._principal is not None
        self._services.authenticator.note_use(self._principal, self.client_address, self._machine.is_tls)
        block = split(offer.content)
        asked = await asked_for(offer.mail, block, received_at)
        submission = Submission(
            principal=self._principal,
            envelope=envelope_of(offer.mail, offer.recipients),
            content=offer.content,
            block=block,
            options=asked if isinstance(asked, OptionFault) else asked.options,
            option_sources=NO_SOURCES if isinstance(asked, OptionFault) else asked.sources,
            option_notes=() if isinstance(asked, OptionFault) else asked.notes,
            received_at=received_at,
            client=self._client_facts(offer.mail),
            faults=offer.faults,
        )
        try:
            result = await self._services.submissions.submit(submission)
        except Exception as error:  # noqa: BLE001 - logged
            # Whatever went wrong, nothing was promised yet: the client keeps the message and tries again.
            log_fault("submission_not_stored", error, client_address=self.client_address)
            return replies.STORAGE_FAILED
        if isinstance(result, Rejected):
            self.hold_refusal(result.hold_s)
            return replies.reply_to(result)
        return replies.accepted_as(result.message_id)

    def _client_facts(self, mail: Mail) -> ClientFacts:
        machine = self._machine
        return ClientFacts(
            address=self.client_address,
            greeting=machine.client_name,
            protocol=protocol_keyword(
                is_extended=machine.is_extended,
                is_utf8=mail.is_utf8,
                is_tls=machine.is_tls,
                is_authenticated=machine.is_authenticated,
            ),
            tls_version=self.tls_version,
            tls_cipher=self.tls_cipher,
        )


async def asked_for(mail: Mail, block: HeaderBlock | HeaderFault, now: int) -> Read | OptionFault:
    """Return the options of a message; those of a large header are read in a thread."""
    if isinstance(block, HeaderFault) or block.end <= _LARGEST_INLINE:
        return _asked_for(mail, block, now)
    return await asyncio.to_thread(_asked_for, mail, block, now)


def _asked_for(mail: Mail, block: HeaderBlock | HeaderFault, now: int) -> Read | OptionFault:
    """Return the options of a message; what MAIL says of the time to send at stands above the header's word."""
    asked = read_options(block) if isinstance(block, HeaderBlock) else Read(NO_OPTIONS)
    if mail.release is None or isinstance(asked, OptionFault):
        return asked
    overruled = asked.sources.get("deliver_at")
    notes = asked.notes if overruled is None else (*asked.notes, f"ignored {overruled}: MAIL stands above it")
    return Read(msgspec.structs.replace(asked.options, deliver_at=mail.release.at(now)), notes)


def _reply_to(refused: LoginRefused) -> Reply:
    if refused.needs_tls:
        return replies.LOGIN_NEEDS_TLS
    if refused.is_locked:
        return replies.LOGIN_LOCKED
    return replies.LOGIN_BUSY if refused.is_temporary else replies.LOGIN_WRONG


def protocol_keyword(*, is_extended: bool, is_utf8: bool, is_tls: bool, is_authenticated: bool) -> str:
    """Return the ``with`` keyword that a Received header names the session by."""
    if not is_extended:
        return "SMTP"
    # RFC 3848 §1, and RFC 6531 §4.3 for UTF8SMTP.
    return ("UTF8SMTP" if is_utf8 else "ESMTP") + "S" * is_tls + "A" * is_authenticated


def envelope_of(mail: Mail, recipients: tuple[Rcpt, ...]) -> Envelope:
    """Return a transaction's parsed commands as the envelope of a submission."""
    return Envelope(
        reverse_path=mail.reverse_path,
        recipients=tuple(
            Recipient(
                forward_path=rcpt.forward_path,
                destination=destination_of(rcpt.forward_path),
                notify=_notify(rcpt.notify),
                original_recipient=rcpt.original_recipient,
            )
            for rcpt in recipients
        ),
        is_eight_bit=mail.is_eight_bit,
        is_utf8=mail.is_utf8,
        ret=mail.ret,
        envid=mail.envid,
    )


def _notify(words: tuple[str, ...]) -> Notify:
    wanted = Notify.UNSET
    for word in words:
        wanted |= Notify[word]
    return wanted
