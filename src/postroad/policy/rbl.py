"""DNS blocklists: how a list is asked about an address, and what its answer means (RFC 5782)."""

import enum
import ipaddress
from collections.abc import Iterable

import msgspec

_USUAL_CODES = frozenset(f"127.0.0.{last}" for last in range(2, 10))
"""Lists of bad senders answer with these. Codes from 127.0.0.10 on are policy lists as a rule: they name every home
and phone network, and who logs in comes from just there."""
_LONGEST_TEXT = 200
"""Characters of a list's explanation that a reply repeats: a reply line has 512 octets (RFC 5321 §4.5.3.1.5)."""
_LIST_REFUSES = ipaddress.IPv4Network("127.255.255.0/24")


class ListAnswer(enum.Enum):
    """What a list says."""

    CLEAR = "clear"
    LISTED = "listed"
    REFUSED = "refused"
    """It does not answer us: too many questions, or asked through a public resolver."""


class BlocklistZone(msgspec.Struct, frozen=True):
    """A list, and which of its codes keep a client from logging in."""

    name: str
    codes: frozenset[str] = _USUAL_CODES

    def name_of(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
        """Return the name to ask for an address."""
        # RFC 5782 §2.1 and §2.4: octets, or nibbles for IPv6, in reverse.
        return f"{address.reverse_pointer.rsplit('.', 2)[0]}.{self.name}"

    def answers(self, codes: Iterable[str]) -> ListAnswer:
        """Return what the A records of an answer mean; none of them is an address."""
        found = set(codes)
        if any(_is_refusal(code) for code in found):
            # Some lists answer so for every address when they do not answer at all: it must never count as listed.
            return ListAnswer.REFUSED
        return ListAnswer.LISTED if found & self.codes else ListAnswer.CLEAR


class Listing(msgspec.Struct, frozen=True):
    """An address that is on a list."""

    zone: str
    text: str = ""
    """The list's own explanation, made fit for a reply."""


def parse_zone(text: str) -> BlocklistZone:
    """Read ``zone`` or ``zone=127.0.0.2,127.0.0.4``, the codes that count; raises ValueError with a sentence."""
    name, equals, codes = text.strip().partition("=")
    name = name.strip().rstrip(".").lower()
    if not name or any(not label or len(label) > 63 for label in name.split(".")) or not _is_hostname(name):
        raise ValueError(f"{text!r} does not begin with the name of a zone, such as zen.example.org")
    if not equals:
        return BlocklistZone(name)
    wanted = frozenset(code.strip() for code in codes.split(","))
    for code in wanted:
        if not _is_code(code):
            raise ValueError(
                f"{code!r} is not a code of a list: write 127.0.0.2 and the like, with commas between; "
                "127.255.255.0/24 says that the list refuses the question"
            )
    return BlocklistZone(name, wanted)


def fit_for_reply(texts: Iterable[str]) -> str:
    """Return a list's explanation in printable ASCII and of bounded length: strangers have written it."""
    text = " ".join(" ".join(texts).split())
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in text)
    return plain if len(plain) <= _LONGEST_TEXT else plain[: _LONGEST_TEXT - 3] + "..."


def _is_hostname(name: str) -> bool:
    return all(letter.isascii() and (letter.isalnum() or letter in ".-_") for letter in name)


def _is_code(text: str) -> bool:
    try:
        code = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    # RFC 5782 §2.1: answers lie in 127.0.0.0/8; 127.0.0.1 would be a mistake of the list's own.
    return code.is_loopback and code not in _LIST_REFUSES and text != "127.0.0.1"


def _is_refusal(text: str) -> bool:
    try:
        return ipaddress.IPv4Address(text) in _LIST_REFUSES
    except ValueError:
        return False
