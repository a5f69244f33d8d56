"""Complaints in the shapes that mailbox providers send them in, written around a message of ours."""

import base64
from pathlib import Path

_CORPUS = Path(__file__).parent / "conformance" / "arf_corpus"

COMPLAINTS = (
    "bare_lf", "base64", "comcast", "forwarded_by_abuse_desk", "headers_only", "mixed_up", "outlook_jmrp", "validity",
    "virus_scanner", "yahoo",
)  # fmt: skip
LEFT_ALONE = {"auth_failure": "auth-failure", "not_spam": "not-spam"}
_RETURNED = b"Return-Path: <@RETURN_PATH@>\r\nX-Postroad-ID: @IDENTIFIER@\r\nSubject: Winter sale\r\n\r\nEverything must go.\r\n"


def feedback_report(
    shape: str,
    *,
    identifier: str = "redacted",
    return_path: str = "redacted@redacted.invalid",
    recipient: str = "redacted@redacted.invalid",
    report_id: str = "",
) -> bytes:
    """Return a report in one of the shapes; ``report_id`` is its own Message-ID, another than the shape has."""
    values = {"@IDENTIFIER@": identifier, "@RETURN_PATH@": return_path, "@RECIPIENT@": recipient}
    content = (_CORPUS / f"{shape}.eml").read_bytes()
    content = content.replace(b"@BASE64@", base64.encodebytes(_filled(_RETURNED, values)))
    if report_id:
        at = content.index(b"Message-ID: ") + len(b"Message-ID: ")
        content = content[:at] + report_id.encode() + content[content.index(b">", at) + 1 :]
    return _filled(content, values)


def around(
    returned: bytes, *, feedback_type: str = "abuse", recipient: str = "", report_id: str = "<arf-1@fbl.example>"
) -> bytes:
    """Return a report as a provider makes it of a message that it received."""
    told = f"Original-Rcpt-To: {recipient}\r\n" if recipient else ""
    head = (
        f"From: fbl@fbl.example\r\nTo: complaints@node.example\r\nSubject: Abuse\r\nMessage-ID: {report_id}\r\n"
        "MIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="=around="\r\n\r\n'
        "--=around=\r\nContent-Type: text/plain\r\n\r\nSomebody complained.\r\n"
        "--=around=\r\nContent-Type: message/feedback-report\r\n\r\n"
        f"Feedback-Type: {feedback_type}\r\nUser-Agent: fbl.example/1.0\r\nVersion: 1\r\n{told}"
        "\r\n--=around=\r\nContent-Type: message/rfc822\r\n\r\n"
    )
    return head.encode() + returned + b"\r\n--=around=--\r\n"


def _filled(content: bytes, values: dict[str, str]) -> bytes:
    for placeholder, value in values.items():
        content = content.replace(placeholder.encode(), value.encode())
    return content
