"""The ``headers`` of a call: fields of the message, and those that are options."""

from collections.abc import Iterable, Mapping
from typing import Any

from postroad.dialects.headers.submission import Read
from postroad.dialects.headers.submission import read_options as read_option_headers
from postroad.dialects.headers.values import kind_of
from postroad.dialects.sendgrid.fields import Reading
from postroad.model.options import NO_OPTIONS, OptionFault
from postroad.policy.header_rules import is_option
from postroad.protocol.mime.header import HeaderFault, split
from postroad.protocol.mime.letter import is_field_name

RESERVED = frozenset(
    {
        "x-sg-id",
        "x-sg-eid",
        "received",
        "dkim-signature",
        "content-type",
        "content-transfer-encoding",
        "to",
        "from",
        "subject",
        "reply-to",
        "cc",
        "bcc",
    }
)
"""Names that the vendor refuses."""
_OURS = frozenset({"mime-version", "return-path", "x-postroad-id", "content-disposition", "content-id"})


def read_headers(holder: Mapping[str, Any], reading: Reading, within: str = "") -> dict[str, str]:
    """Return the header fields of an object, as they are written."""
    given = reading.take(holder, "headers", dict, within)
    found: dict[str, str] = {}
    for name, value in (given or {}).items():
        place = f"{within}.headers.{name}" if within else f"headers.{name}"
        lower = name.lower()
        if not isinstance(value, str):
            reading.fault(place[:200], f"The value of a header must be a string, not {kind_of(value)}.")
        elif not is_field_name(name):
            reading.fault(
                place[:200], "Is no header name: at most 76 printable characters of ASCII, without space and colon."
            )
        elif lower in RESERVED:
            reading.fault(place, f"The header {name} is reserved; it cannot be set.")
        elif any(one in value.strip() for one in "\r\n\0"):
            reading.fault(place, "Holds a line end or NUL; a header field is one line.")
        elif lower in _OURS:
            reading.note(f"ignored {place}: this field is written here")
        elif value.strip():
            found[name] = value.strip()
    return found


def merged(first: Mapping[str, str], second: Mapping[str, str]) -> Mapping[str, str]:
    """Return the fields of a call with those of a personalization over them; names are compared without case."""
    if not second:
        return first
    own = {name.lower() for name in second}
    return {name: value for name, value in first.items() if name.lower() not in own} | dict(second)


def options_in(headers: Iterable[tuple[str, str]], reading: Reading) -> Read:
    """Return what those of the fields ask for that are options; what is not understood is a fault."""
    raw = b"".join(f"{name}: {value}\r\n".encode() for name, value in headers if is_option(name.lower().encode()))
    if not raw:
        return Read(NO_OPTIONS)
    block = split(raw + b"\r\n")
    asked = Read(NO_OPTIONS) if isinstance(block, HeaderFault) else read_option_headers(block)
    if isinstance(asked, OptionFault):
        reading.fault(f"headers.{asked.name}", f"{asked.name} {asked.text}.")
        return Read(NO_OPTIONS)
    return asked
