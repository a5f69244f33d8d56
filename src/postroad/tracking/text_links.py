"""Where web addresses stand in plain text, as programs that show it make links of them."""

import re
from urllib.parse import quote

from postroad.tracking.html_links import HtmlLink
from postroad.tracking.token import LONGEST_URL

_WEB = re.compile(rb"(?<![A-Za-z0-9/@._-])https?://[^\x00-\x20<>\"\x7f/?#][^\x00-\x20<>\"\x7f]*+", re.IGNORECASE)
_BEHIND = b".,;:!?'*_~"
"""What ends a sentence rather than an address."""
_BRACKETS = ((b"(", b")"), (b"[", b"]"), (b"{", b"}"))
_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F))


def links_in_text(octets: bytes, codec: str = "utf-8") -> tuple[HtmlLink, ...]:
    """Return the web addresses of a plain text in a character set in which ASCII stands for itself."""
    found = []
    for place in _WEB.finditer(octets):
        if len(place[0]) > LONGEST_URL:
            # It would not be tracked, and brackets of any number at its end would take long to match.
            continue
        address = _without_what_follows(place[0])
        try:
            url = quote(address.decode(codec), safe=_PRINTABLE)
        except UnicodeDecodeError:
            continue
        found.append(HtmlLink(place.start(), place.start() + len(address), url))
    return tuple(found)


def _without_what_follows(address: bytes) -> bytes:
    """Cut what belongs to the sentence: its full stop, and brackets that were opened before the address."""
    while True:
        shorter = address.rstrip(_BEHIND)
        for opened, closed in _BRACKETS:
            if shorter.endswith(closed) and shorter.count(closed) > shorter.count(opened):
                shorter = shorter[:-1]
        if shorter == address:
            return address
        address = shorter
