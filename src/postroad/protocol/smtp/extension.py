"""Service extensions: the keywords a server lists in its EHLO reply, written and read (RFC 5321 §4.1.1.1)."""

from collections.abc import Iterable
from typing import Any

import msgspec


class Extensions(msgspec.Struct, frozen=True, kw_only=True):
    """What one side of a session may use because the server's EHLO reply offers it."""

    pipelining: bool = False
    """RFC 2920."""
    size: int | None = None
    """RFC 1870: the largest message taken; 0 where no limit is told, null where SIZE is not offered."""
    eight_bit: bool = False
    """8BITMIME (RFC 6152)."""
    smtputf8: bool = False
    """RFC 6531."""
    starttls: bool = False
    """RFC 3207."""
    chunking: bool = False
    """BDAT (RFC 3030)."""
    dsn: bool = False
    """RFC 3461."""
    enhanced_status_codes: bool = False
    """RFC 2034."""
    auth: frozenset[str] = frozenset()
    """SASL mechanisms in upper case (RFC 4954)."""
    limits: dict[str, int] = {}
    """RFC 9422: ``RCPTMAX``, ``MAILMAX``, ``RCPTDOMAINMAX``."""
    future_release: str | None = None
    """RFC 4865: the longest interval in seconds and the furthest instant; a client of ours has no use for it."""


_FLAGS = {
    "PIPELINING": "pipelining",
    "8BITMIME": "eight_bit",
    "SMTPUTF8": "smtputf8",
    "ENHANCEDSTATUSCODES": "enhanced_status_codes",
    "CHUNKING": "chunking",
    "DSN": "dsn",
    "STARTTLS": "starttls",
}


def ehlo_keywords(extensions: Extensions) -> list[str]:
    """Return the lines after the first one of the EHLO reply that offers these extensions."""
    lines = [keyword for keyword, name in _FLAGS.items() if getattr(extensions, name)]
    if extensions.size is not None:
        lines.append(f"SIZE {extensions.size}" if extensions.size else "SIZE")
    if extensions.auth:
        lines.append("AUTH " + " ".join(sorted(extensions.auth)))
    if extensions.future_release:
        lines.append(f"FUTURERELEASE {extensions.future_release}")
    if extensions.limits:
        lines.append("LIMITS " + " ".join(f"{name}={value}" for name, value in extensions.limits.items()))
    return lines


def parse_ehlo(lines: Iterable[str]) -> Extensions:
    """Read the text lines of an EHLO reply; the first one is the greeting and offers nothing."""
    flags: dict[str, Any] = {}
    size: int | None = None
    auth: set[str] = set()
    limits: dict[str, int] = {}
    for line in list(lines)[1:]:
        # Old servers write "AUTH=LOGIN PLAIN", from the drafts before RFC 4954.
        keyword, *parameters = line.upper().replace("AUTH=", "AUTH ", 1).split() or [""]
        if keyword in _FLAGS:
            flags[_FLAGS[keyword]] = True
        elif keyword == "SIZE":
            size = _number(parameters[0]) if parameters else 0
        elif keyword == "AUTH":
            auth.update(parameters)
        elif keyword == "LIMITS":
            limits |= _limits(parameters)
    return Extensions(**flags, size=size, auth=frozenset(auth), limits=limits)


def _limits(parameters: list[str]) -> dict[str, int]:
    pairs = (parameter.partition("=") for parameter in parameters)
    # RFC 9422 §3: a limit that is not understood is passed over.
    return {name: int(value) for name, _, value in pairs if value.isascii() and value.isdigit() and len(value) <= 20}


def _number(digits: str) -> int:
    """Read a SIZE value; one that is no number tells no limit (RFC 1870 §3 allows 20 digits)."""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 20 else 0
