"""SPF mechanisms that the operator writes for the addresses that mail leaves from (RFC 7208 §5)."""

import ipaddress
import re

# RFC 7208 §7.1: a name, in which macros may stand.
_DOMAIN = re.compile(r"[a-z0-9_%{}+=-]+(?:\.[a-z0-9_%{}+=-]+)+", re.IGNORECASE)
_LENGTHS = re.compile(r"(?:/(?P<four>\d{1,2}))?(?://(?P<six>\d{1,3}))?")


def parse_mechanism(text: str) -> str:
    """Return a mechanism that lets senders pass, as it is written; raises ValueError with a sentence.

    ``all``, qualifiers and modifiers are none: the record of a domain ends with ``-all`` as it is.
    """
    name, colon, value = text.partition(":")
    match name.lower():
        case "ip4" if _is_range(value, ipaddress.IPv4Address, 32):
            return text
        case "ip6" if _is_range(value, ipaddress.IPv6Address, 128):
            return text
        case "include" | "exists" if _DOMAIN.fullmatch(value):
            return text
    name, slash, lengths = text.partition("/")
    name, colon, value = name.partition(":")
    is_named = bool(_DOMAIN.fullmatch(value)) if colon else True
    if name.lower() in {"a", "mx"} and is_named and _are_lengths(slash + lengths):
        return text
    raise ValueError(
        f"{text!r} is not a mechanism of SPF: write ip4:192.0.2.1, ip6:2001:db8::/32, a:mail.example.net, mx or "
        "include:spf.example.net, without a sign before it; domains' records end with -all by themselves"
    )


def _is_range(text: str, address: type[ipaddress.IPv4Address | ipaddress.IPv6Address], longest: int) -> bool:
    host, slash, length = text.partition("/")
    try:
        address(host)
    except ValueError:
        return False
    return not slash or (length.isascii() and length.isdigit() and int(length) <= longest)


def _are_lengths(text: str) -> bool:
    found = _LENGTHS.fullmatch(text)
    return found is not None and int(found["four"] or 0) <= 32 and int(found["six"] or 0) <= 128
