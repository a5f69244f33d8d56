"""Delivery status notifications: what became of a message, for its sender and for programs (RFC 3464, RFC 6522).

Three parts: words for people, fields for programs, and the message or its header. A report on a message with
addresses beyond ASCII uses the forms of RFC 6533.
"""

import re

import msgspec

from postroad.protocol.mime.compose import BodyPart, identity_encoding, multipart, text_part, unstructured
from postroad.protocol.mime.date import format_date
from postroad.protocol.mime.header import HeaderFault, split
from postroad.protocol.mime.message_id import make_message_id

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_LONGEST_DIAGNOSTIC = 900

_SUBJECTS = {
    "failed": "Not delivered: your message to {}",
    "delayed": "Delayed: your message to {}",
    "delivered": "Delivered: your message to {}",
    "relayed": "Handed on: your message to {}",
}
_OPENINGS = {
    "failed": "Your message could not be delivered. It will not be tried again.",
    "delayed": (
        "Your message has not been delivered yet. There is nothing you need to do:\nit is tried again until {until}."
    ),
    "delivered": "Your message was delivered to the mail server of its recipient.",
    "relayed": (
        "Your message was handed on to a mail server that sends no reports of its own;\n"
        "nothing more will be heard of it from here unless it comes back."
    ),
}
_ADVICE = {
    "1": "Check the address for mistakes, or ask the recipient for the right one.",
    "2": "The recipient's mailbox takes no mail at present. Write again later, or reach them another way.",
    "3": "The recipient's mail system could not take the message. Write again later.",
    "4": "The recipient's mail system could not be reached. Write again later.",
    "5": "The two mail systems did not understand each other. Pass this report on to your administrator.",
    "6": "The recipient's mail system does not take this kind of content. Send it in another form.",
    "7": "The recipient's mail system refuses the message by its rules. The answer below may say which.",
}
"""What to do, by the subject of the status code (RFC 3463 §2)."""
_OTHER_ADVICE = "The answer of the recipient's mail system below may say more."


class RecipientReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the message for one recipient (RFC 3464 §2.3)."""

    final_recipient: str
    original_recipient: str | None = None
    """The ORCPT parameter, decoded, with its type: ``rfc822;user@example.com``."""
    status: str
    """RFC 3463 code."""
    remote_host: str = ""
    diagnostic: str = ""
    """The remote host's reply in one line, or in our words what went wrong."""
    is_smtp_reply: bool = False
    """``diagnostic`` is what the remote host said."""
    last_attempt_at: int | None = None
    will_retry_until: int | None = None


class ReportFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a report says."""

    action: str
    """``failed``, ``delayed``, ``delivered`` or ``relayed`` (RFC 3464 §2.3.3)."""
    reporting_host: str
    report_id: str
    """Unique letters and digits: the report's Message-ID and boundary are made of it."""
    reported_at: int
    to: str
    """The reverse path of the message, which the report goes to."""
    recipients: tuple[RecipientReport, ...]
    original_content: bytes
    """The message as it was accepted, or at least its header block."""
    arrived_at: int
    envid: str | None = None
    returns_full: bool = False
    """RET=FULL: the whole message is returned, not its header alone; for failures only (RFC 3461 §4.3)."""
    is_utf8: bool = False
    """The message needed SMTPUTF8, so the report may use it too (RFC 6533)."""


def compose_report(facts: ReportFacts) -> bytes:
    """Return the report as a whole message, to be sent with the null reverse path (RFC 3464 §2)."""
    if facts.action not in _SUBJECTS:
        raise ValueError(f"{facts.action!r} is no action of RFC 3464 §2.3.3")
    fields = [
        f"From: Mail Delivery System <MAILER-DAEMON@{facts.reporting_host}>\r\n".encode(),
        f"To: <{facts.to}>\r\n".encode(),
        unstructured("Subject", _SUBJECTS[facts.action].format(_shown_recipients(facts))),
        f"Date: {format_date(facts.reported_at)}\r\n".encode(),
        f"Message-ID: {make_message_id(facts.report_id, facts.reporting_host)}\r\n".encode(),
        # RFC 3834 §5: so that no vacation message answers it.
        b"Auto-Submitted: auto-replied\r\n",
    ]
    status = _status(facts).encode()
    kind = "global-delivery-status" if not status.isascii() else "delivery-status"
    parts = [
        text_part(_explanation(facts), "Notification"),
        BodyPart(f"message/{kind}", status, identity_encoding(status), "Delivery report"),
        _returned(facts),
    ]
    return multipart(f"multipart/report; report-type={kind}", fields, parts, f"=_{facts.report_id}")


def _shown_recipients(facts: ReportFacts) -> str:
    first, more = facts.recipients[0].final_recipient, len(facts.recipients) - 1
    return f"{first} and {more} more" if more else first


def _explanation(facts: ReportFacts) -> str:
    """Return the words for people: what happened, to whom, why, and what to do."""
    until = facts.recipients[0].will_retry_until
    opening = _OPENINGS[facts.action].format(until=format_date(until) if until is not None else "it has expired")
    lines = [f"This is the mail system of {facts.reporting_host}.", "", opening, ""]
    for recipient in facts.recipients:
        lines.append(f"Recipient: {recipient.final_recipient}")
        if recipient.remote_host:
            lines.append(f"Mail server: {_one_line(recipient.remote_host)}")
        if recipient.diagnostic:
            lines.append(f"{'Its answer' if recipient.is_smtp_reply else 'Reason'}: {_one_line(recipient.diagnostic)}")
        if facts.action == "failed":
            lines.append(f"What to do: {_ADVICE.get(recipient.status.split('.')[1], _OTHER_ADVICE)}")
        lines.append("")
    what = "The message" if facts.returns_full and facts.action == "failed" else "The header of the message"
    lines += ["Programs find the same in the next part.", f"{what} follows after it.", ""]
    return "\n".join(lines)


def _status(facts: ReportFacts) -> str:
    """Return the fields for programs: those of the message, then a group for each recipient (RFC 3464 §2.1)."""
    lines = [f"Reporting-MTA: dns; {facts.reporting_host}"]
    if facts.envid:
        lines.append(f"Original-Envelope-Id: {_ascii_line(facts.envid)}")
    lines.append(f"Arrival-Date: {format_date(facts.arrived_at)}")
    for recipient in facts.recipients:
        lines += ["", *_recipient_fields(recipient, facts.action)]
    return "\r\n".join(lines) + "\r\n"


def _recipient_fields(recipient: RecipientReport, action: str) -> list[str]:
    lines: list[str] = []
    if recipient.original_recipient:
        lines.append(f"Original-Recipient: {_typed(recipient.original_recipient)}")
    # RFC 6533 §3: an address beyond ASCII has its own type.
    kind = "rfc822" if recipient.final_recipient.isascii() else "utf-8"
    lines += [
        f"Final-Recipient: {kind}; {recipient.final_recipient}",
        f"Action: {action}",
        f"Status: {recipient.status}",
    ]
    if recipient.remote_host:
        lines.append(f"Remote-MTA: dns; {_one_line(recipient.remote_host)}")
    if recipient.diagnostic:
        # RFC 3464 §2.3.6: "smtp" is for what the remote host said; our own words carry a type of ours.
        kind = "smtp" if recipient.is_smtp_reply else "x-postroad"
        lines.append(f"Diagnostic-Code: {kind}; {_ascii_line(recipient.diagnostic)}")
    if recipient.last_attempt_at is not None:
        lines.append(f"Last-Attempt-Date: {format_date(recipient.last_attempt_at)}")
    if recipient.will_retry_until is not None and action == "delayed":
        lines.append(f"Will-Retry-Until: {format_date(recipient.will_retry_until)}")
    return lines


def _returned(facts: ReportFacts) -> BodyPart:
    """Return the third part: the message, or its header block alone (RFC 6522 §3)."""
    if facts.returns_full and facts.action == "failed":
        kind = "message/global" if facts.is_utf8 else "message/rfc822"
        return BodyPart(kind, facts.original_content, identity_encoding(facts.original_content), "Undelivered message")
    block = split(facts.original_content)
    header = b"" if isinstance(block, HeaderFault) else block.content[: block.end]
    kind = "text/rfc822-headers" if header.isascii() else "message/global-headers"
    return BodyPart(kind, header, identity_encoding(header), "Message header")


def _one_line(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()[:_LONGEST_DIAGNOSTIC]


def _ascii_line(text: str) -> str:
    return _one_line(text).encode("ascii", "replace").decode("ascii")


def _typed(original: str) -> str:
    kind, semicolon, address = original.partition(";")
    return f"{_one_line(kind)}; {_one_line(address)}" if semicolon else f"rfc822; {_one_line(original)}"
