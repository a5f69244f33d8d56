"""What receivers send back about a delivery: a report for programs (RFC 3464, RFC 6533), or words for people only.

Everything is a stranger's word and is read leniently: any line ends, fields that are missing, parts in the wrong order.
What is about no delivery, such as an answer that somebody is on holiday, is told from what is.
"""

import re

import msgspec

from postroad.protocol.bounce_shapes import Shape, shape_of
from postroad.protocol.mime.header import HeaderBlock, HeaderFault
from postroad.protocol.mime.structure import Part, parse
from postroad.protocol.mime.transfer_encoding import decode_base64, decode_quoted_printable

MAX_OCTETS = 1024 * 1024
"""What lies behind these is not looked at: a report stands in front of the message that it brings back."""
_MAX_TEXT = 32 * 1024
_MAX_STATUS = 128 * 1024
_MOST_RECIPIENTS = 100
_LONGEST_VALUE = 1000

RFC_3464 = "rfc3464"
"""The shape of reports that have fields for programs."""
ACTIONS = frozenset({"failed", "delayed", "delivered", "relayed", "expanded"})
"""RFC 3464 §2.3.3."""
_ACTION_OF_CLASS = {"2": "delivered", "4": "delayed", "5": "failed"}
_STATUS_PARTS = frozenset({"message/delivery-status", "message/global-delivery-status"})
_READ_RECEIPTS = frozenset({"message/disposition-notification", "message/global-disposition-notification"})

_LINE_END = re.compile(rb"\r\n|\r|\n")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")
_MBOX_LINE = re.compile(rb"\A>?From [^\r\n]*\r\n")
_GROUPS = re.compile(r"\r\n[ \t]*\r\n")
_FIELD = re.compile(r"^([!-9;-~]{1,60})[ \t]*:([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", re.MULTILINE)
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_CODE = re.compile(r"(?<![\d.])([245]\d\d)(?=[ \-#:]|\Z)")
_UTF8_ESCAPE = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_TAG = re.compile(
    r"<(?:script|style)\b[^<>]{0,500}>(?:(?!<(?:script|style)\b).){0,20000}?</(?:script|style)>|<[^<>]{0,2000}>",
    re.IGNORECASE | re.DOTALL,
)
_AUTO_REPLY_SUBJECT = re.compile(
    r"\A\W*(?:out of (?:the )?office|automatic reply|auto[- ]?(?:matic )?(?:reply|response|responder)|vacation|on (?:vacation|leave)"
    r"|away from|abwesenheit|automatische antwort|r[ée]ponse automatique|absence|respuesta autom|risposta automatica"
    r"|autosvar|afwezig)",
    re.IGNORECASE,
)


class RecipientStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says of one recipient (RFC 3464 §2.3)."""

    action: str
    """One of ``ACTIONS``."""
    status: str = ""
    """RFC 3463 code; empty where the report has none."""
    code: int | None = None
    """The SMTP reply code in the diagnosis."""
    final_recipient: str = ""
    original_recipient: str = ""
    diagnosis: str = ""
    """What the host said, or why it was not tried, on one line."""
    remote_host: str = ""


class DeliveryReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report on a delivery."""

    recipients: tuple[RecipientStatus, ...]
    shape: str
    """How it is written: ``RFC_3464``, or the name of a shape of ``bounce_shapes``."""
    report_id: str = ""
    """The report's own Message-ID."""


class AutoReply(msgspec.Struct, frozen=True):
    """An answer by a machine, or a note that the message was read: it arrived."""

    is_answer: bool = True
    """False where it only says that a program wrote it, perhaps for its user (RFC 3834 §5.1: auto-generated)."""


def read_delivery_report(content: bytes) -> DeliveryReport | AutoReply | None:
    """Return what came back; None where it is neither a report on a delivery nor an automatic answer."""
    whole = _MBOX_LINE.sub(b"", _LINE_END.sub(b"\r\n", content[:MAX_OCTETS]).lstrip(b"\r\n"))
    root = parse(whole, is_lenient=True)
    if isinstance(root, HeaderFault):
        return None
    parts = list(_own_parts(root))
    report_id = _header(root.block, b"message-id")
    status_part = next((part for part in parts if _kind(part) in _STATUS_PARTS), None)
    if status_part is not None:
        recipients = _recipients(_text_of(whole, status_part, _MAX_STATUS))
        if recipients:
            return DeliveryReport(recipients=recipients, shape=RFC_3464, report_id=report_id)
    if any(_kind(part) in _READ_RECEIPTS for part in parts) or _AUTO_REPLY_SUBJECT.search(
        _header(root.block, b"subject")
    ):
        return AutoReply()
    text = _words(whole, parts)
    header = {name: _header(root.block, name.encode()) for name in ("from", "subject", "x-failed-recipients")}
    shape = shape_of(header, text)
    if shape is not None:
        return DeliveryReport(recipients=(_by_shape(shape, header, text),), shape=shape.name, report_id=report_id)
    return _automatic(root.block)


def _own_parts(part: Part, *, is_root: bool = True) -> "list[Part]":
    """Return the parts of the message itself, not of one that it brings back."""
    if part.content_type.type == "message" and not is_root:
        return [part]
    return [part, *(one for child in part.children for one in _own_parts(child, is_root=False))]


def _recipients(status: str) -> tuple[RecipientStatus, ...]:
    """Read the groups of fields behind the first, which is about the message (RFC 3464 §2.1)."""
    found = [_recipient(_fields(group)) for group in _GROUPS.split(status.strip("\r\n"))[: _MOST_RECIPIENTS + 1]]
    return tuple(one for one in found if one is not None)


def _recipient(fields: dict[str, str]) -> RecipientStatus | None:
    named = _STATUS.search(fields.get("status", ""))
    words = fields.get("action", "").split()
    action = words[0].lower() if words else ""
    if action not in ACTIONS:
        # Some leave the action out, or write one of their own: the class of the status says the same.
        action = _ACTION_OF_CLASS.get(named[1], "") if named is not None else ""
    if not action or not ("final-recipient" in fields or "original-recipient" in fields or named is not None):
        return None
    diagnosis = _without_type(fields.get("diagnostic-code", ""))
    return RecipientStatus(
        action=action,
        status=_status_of(named, diagnosis),
        code=_code_in(diagnosis),
        final_recipient=_address(fields.get("final-recipient", "")),
        original_recipient=_address(fields.get("original-recipient", "")),
        diagnosis=diagnosis,
        remote_host=_host(fields.get("remote-mta", "")),
    )


def _status_of(named: "re.Match[str] | None", diagnosis: str) -> str:
    """Return the status; what a host said goes before one that says nothing (RFC 3463 §3.1: X.0.0)."""
    if named is not None and named[0][1:] != ".0.0":
        return named[0]
    said = _STATUS.search(diagnosis)
    if said is not None and (named is None or said[1] == named[1]):
        return said[0]
    return named[0] if named is not None else ""


def _by_shape(shape: Shape, header: dict[str, str], text: str) -> RecipientStatus:
    diagnosis = shape.diagnosis_in(text)[:_LONGEST_VALUE]
    status = _STATUS.search(diagnosis)
    return RecipientStatus(
        action=shape.action,
        status="" if status is None else status[0],
        code=_code_in(diagnosis),
        final_recipient=_address(header["x-failed-recipients"].partition(",")[0]) or shape.recipient_in(text),
        diagnosis=diagnosis,
    )


def _code_in(text: str) -> int | None:
    found = _CODE.search(text)
    return None if found is None else int(found[1])


def _automatic(block: HeaderBlock) -> AutoReply | None:
    # RFC 3834 §5; the others are older customs.
    submitted = _header(block, b"auto-submitted").lower().partition(";")[0].strip()
    is_custom = block.first(b"x-autoreply") or block.first(b"x-autorespond")
    if is_custom or _header(block, b"precedence").lower() in {"auto_reply", "auto-reply"}:
        return AutoReply()
    if submitted not in {"", "no"}:
        return AutoReply(is_answer=submitted != "auto-generated")
    return AutoReply(is_answer=False) if block.first(b"x-auto-response-suppress") else None


def _words(whole: bytes, parts: list[Part]) -> str:
    """Return the words for people: of the first plain text, else of HTML without its tags."""
    for subtype in ("plain", "html"):
        for part in parts:
            if (part.content_type.type, part.content_type.subtype) == ("text", subtype):
                text = _text_of(whole, part, _MAX_TEXT)
                text = _without_tags(text) if subtype == "html" else text
                if text.strip():
                    return text.replace("\r\n", "\n")
    return ""


def _without_tags(html: str) -> str:
    text = _TAG.sub(" ", re.sub(r"(?i)<br\s*/?>|</p>|</div>|</tr>|</td>", "\n", html))
    for name, letter in (
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", '"'),
        ("&#39;", "'"),
        ("&nbsp;", " "),
        ("&amp;", "&"),
    ):
        text = text.replace(name, letter)
    return text


def _text_of(whole: bytes, part: Part, most: int) -> str:
    octets = whole[part.body_start : part.end][: most * 2]
    if part.transfer_encoding == "quoted-printable":
        octets = _LINE_END.sub(b"\r\n", decode_quoted_printable(octets))
    elif part.transfer_encoding == "base64":
        letters = _NOT_BASE64.sub(b"", octets)
        try:
            octets = _LINE_END.sub(b"\r\n", decode_base64(letters[: len(letters) // 4 * 4]))
        except ValueError:
            octets = octets[:most]
    charset = part.content_type.parameters.get("charset", "utf-8").lower()
    # Others than these two say the same in ASCII, and nothing else is looked for.
    return octets[:most].decode(
        "latin-1" if charset in {"iso-8859-1", "windows-1252", "iso-8859-15"} else "utf-8", "replace"
    )


def _fields(group: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for field in _FIELD.finditer(group):
        found.setdefault(field[1].lower(), _one_line(field[2])[:_LONGEST_VALUE])
    return found


def _header(block: HeaderBlock, name: bytes) -> str:
    field = block.first(name)
    return "" if field is None else _one_line(block.value(field)[:_LONGEST_VALUE].decode("utf-8", "replace"))


def _kind(part: Part) -> str:
    return f"{part.content_type.type}/{part.content_type.subtype}"


def _without_type(value: str) -> str:
    """Return a value without the type in front of it: ``smtp;``, ``dns;``."""
    kind, semicolon, rest = value.partition(";")
    return rest.strip() if semicolon and len(kind) <= 40 and " " not in kind.strip() else value.strip()


def _host(value: str) -> str:
    words = _without_type(value).split()
    return words[0].rstrip(".") if words else ""


def _address(value: str) -> str:
    bare = _without_type(value)
    inner = bare.partition("<")[2].rpartition(">")[0] if "<" in bare else bare
    # RFC 6533 §3: utf-8-addr-xtext writes what is beyond ASCII so.
    return _UTF8_ESCAPE.sub(_letter, inner.strip())[:_LONGEST_VALUE]


def _letter(escape: "re.Match[str]") -> str:
    number = int(escape[1], 16)
    return chr(number) if number < 0x110000 and chr(number).isprintable() else "?"


def _one_line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
