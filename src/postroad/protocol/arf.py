"""Abuse feedback reports: a mailbox provider passes on that somebody complained of a message (RFC 5965).

Three parts: words for people, fields for programs, and the message or its header. What providers send differs from that:
some leave out the fields for programs, some encode what may not be encoded, most take the addresses out. So everything
but the outer frame is read leniently: identifiers are looked for in whatever came back.
"""

import re

import msgspec

from postroad.protocol.mime.header import HeaderFault
from postroad.protocol.mime.structure import Part, parse
from postroad.protocol.mime.transfer_encoding import decode_base64, decode_quoted_printable

MAX_OCTETS = 1024 * 1024
"""What lies behind these is not looked at: all that matters stands in front of the returned message's body."""
_MAX_FIELDS_OCTETS = 256 * 1024
_MOST_VALUES = 20
_LONGEST_VALUE = 1000

_COMPLAINTS = frozenset({"abuse", "fraud", "virus", "other"})
"""RFC 5965 §7.3. ``not-spam`` (RFC 6430) says the opposite, ``auth-failure`` (RFC 6591) speaks of forgers."""
_UNTOLD_TYPE = "abuse"

_FIELDS_FOR_PROGRAMS = "message/feedback-report"
_RETURNED = frozenset(
    {"message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers"}
)
_OTHER_REPORTS = frozenset(
    {
        "message/delivery-status",
        "message/global-delivery-status",
        "message/disposition-notification",
        "message/global-disposition-notification",
    }
)
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_MBOX_LINE = re.compile(rb"\A>?From [^\r\n]*\r\n")
_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", re.MULTILINE)


class ArfError(ValueError):
    """The content is no feedback report; the text is a sentence for people."""


class FeedbackReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says. All of it is a stranger's word, until an identifier in it proves to be signed."""

    feedback_type: str
    """In lower case; ``abuse`` where the report has no fields for programs."""
    user_agent: str = ""
    """The software that wrote the report."""
    original_mail_from: str = ""
    original_recipients: tuple[str, ...] = ()
    report_id: str = ""
    """The report's own Message-ID."""
    returned_header: bytes = b""
    """The header of the message that was complained of, as far as it came back, with CRLF line ends."""

    @property
    def is_complaint(self) -> bool:
        """Whether somebody does not want the message."""
        return self.feedback_type in _COMPLAINTS

    def returned(self, name: str) -> tuple[str, ...]:
        """Return the values of a field of the returned header, top first."""
        return _values(self.returned_header, name)


def read_report(content: bytes) -> FeedbackReport:
    """Read a report, with any line ends and with or without an mbox line above it; raises ArfError."""
    whole = _MBOX_LINE.sub(b"", _with_crlf(content[:MAX_OCTETS]).lstrip(b"\r\n"))
    root = parse(whole, is_lenient=True)
    if isinstance(root, HeaderFault):
        raise ArfError(f"This is no feedback report: {root.text}")
    parts = root.children if root.content_type.type == "multipart" else (root,)
    for_programs = next((part for part in parts if _kind(part) == _FIELDS_FOR_PROGRAMS), None)
    returned = next((part for part in parts if _kind(part) in _RETURNED), None)
    fields = b"" if for_programs is None else _decoded(whole, for_programs)
    if for_programs is None:
        _refuse_other_mail(root, parts, returned)
    return FeedbackReport(
        feedback_type=_UNTOLD_TYPE if for_programs is None else _feedback_type(fields),
        user_agent=_first(fields, "user-agent"),
        original_mail_from=_address(_first(fields, "original-mail-from")),
        original_recipients=tuple(_address(one) for one in _values(fields, "original-rcpt-to")),
        report_id=_first(whole[: root.body_start], "message-id"),
        returned_header=b"" if returned is None else _header_of(_decoded(whole, returned)),
    )


def _refuse_other_mail(root: Part, parts: tuple[Part, ...], returned: Part | None) -> None:
    """Raise ArfError for what has no fields for programs, unless it is a message that came back.

    The reports of Outlook.com's Junk Mail Reporting Program are such: the message alone, as an attachment.
    """
    told = root.content_type.parameters.get("report-type", "").lower()
    is_report = (root.content_type.type, root.content_type.subtype) == ("multipart", "report")
    if any(_kind(part) in _OTHER_REPORTS for part in parts) or (is_report and told != "feedback-report"):
        raise ArfError("This is a report, but of a delivery or of a reading, and no complaint.")
    if returned is None:
        raise ArfError("This is no feedback report: it brings back neither fields about a message nor the message.")


def _feedback_type(fields: bytes) -> str:
    # RFC 5965 §3.1: required, and once.
    told = _first(fields, "feedback-type").lower()
    if not told:
        raise ArfError("This is no whole feedback report: it names no Feedback-Type.")
    return told


def _kind(part: Part) -> str:
    return f"{part.content_type.type}/{part.content_type.subtype}"


def _decoded(whole: bytes, part: Part) -> bytes:
    """Return a part's octets with CRLF line ends; RFC 2046 §5.2.1 forbids to encode a message, some do it still."""
    octets = whole[part.body_start : part.end]
    if part.transfer_encoding == "quoted-printable":
        return _with_crlf(decode_quoted_printable(octets))
    # Some say that a message is encoded which stands there in clear: its first line is a field then.
    if part.transfer_encoding != "base64" or b":" in octets.lstrip().partition(b"\r\n")[0]:
        return octets
    letters = _NOT_BASE64.sub(b"", octets)
    try:
        # The end of a report that is longer than what is looked at may be half a group.
        return _with_crlf(decode_base64(letters[: len(letters) // 4 * 4]))
    except ValueError:
        return octets


def _header_of(message: bytes) -> bytes:
    header = message.lstrip(b"\r\n")[:_MAX_FIELDS_OCTETS]
    return header.partition(b"\r\n\r\n")[0]


def _with_crlf(octets: bytes) -> bytes:
    return _LINE_END.sub(b"\r\n", octets)


def _first(fields: bytes, name: str) -> str:
    found = _values(fields, name)
    return found[0] if found else ""


def _values(fields: bytes, name: str) -> tuple[str, ...]:
    """Return the values of a field, wherever it stands, unfolded and on one line each."""
    wanted = name.lower().encode()
    found: list[str] = []
    for field in _FIELD.finditer(fields[:_MAX_FIELDS_OCTETS]):
        if len(found) < _MOST_VALUES and field[1].lower() == wanted:
            found.append(_one_line(field[2][:_LONGEST_VALUE].decode("utf-8", "replace")))
    return tuple(found)


def _one_line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _address(text: str) -> str:
    """Return what stands between angle brackets, or all of it."""
    inner = text.partition("<")[2].rpartition(">")[0] if "<" in text else text
    return inner.strip()
