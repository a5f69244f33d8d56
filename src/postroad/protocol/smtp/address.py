"""Paths and mailboxes of the SMTP envelope (RFC 5321 §4.1.2, RFC 6531 §3.3)."""

import ipaddress
import re

import idna

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~-"
# RFC 6531 §3.3 adds every character beyond ASCII; the C1 controls are left out, as nobody can read or type them.
_UTF8 = "\xa0-\U0010ffff"
# A line of the dialogue ends by a control character, and half a surrogate pair cannot be written in UTF-8 at all.
_UNSPEAKABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# Blanks, line ends and changes of direction: an address with one of them looks like another, or like two.
_UNREADABLE = re.compile("[\xa0\u1680\u2000-\u200a\u2028-\u202f\u205f\u2066-\u2069\u3000]")
_DOT_STRING = re.compile(rf"[{_ATEXT}]+(?:\.[{_ATEXT}]+)*")
_DOT_STRING_UTF8 = re.compile(rf"[{_UTF8}{_ATEXT}]+(?:\.[{_UTF8}{_ATEXT}]+)*")
_QUOTED = re.compile(rf'"(?:[ !#-\[\]-~{_UTF8}]|\\[ -~])*"')
_LDH_DOMAIN = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*")


class AddressError(ValueError):
    """A path that the grammar does not allow; its text is a sentence for the client."""

    def __init__(self, sentence: str, *, needs_smtputf8: bool = False) -> None:
        super().__init__(sentence)
        self.needs_smtputf8 = needs_smtputf8


def parse_path(text: str, *, is_utf8: bool) -> str:
    """Return ``local@domain`` of a reverse or forward path, or the empty string of the null path ``<>``.

    The domain comes back as A-labels in lower case, the local part as given. Characters beyond ASCII are for
    transactions under SMTPUTF8 only. Raises AddressError.
    """
    # RFC 5321 §4.1.2 wants the angle brackets; scanners and other devices leave them out, and nothing is unclear then.
    path = text[1:-1] if text.startswith("<") and text.endswith(">") else text
    if not path:
        return ""
    if path.startswith("@"):
        # RFC 5321 appendix C: a source route is taken and its hosts are passed over.
        route, colon, path = path.partition(":")
        if not colon or '"' in route:
            raise AddressError("A source route needs a colon before the address; leave the route out")
    if not is_utf8 and not path.isascii():
        raise AddressError(
            "The address has characters beyond ASCII: add SMTPUTF8 to MAIL FROM to use it", needs_smtputf8=True
        )
    local, at, domain = path.rpartition("@")
    if not at or not local:
        raise AddressError("Write the address as local@domain")
    if domain.endswith('"'):
        raise AddressError("The address has no domain after its quoted local part")
    _check_local(local)
    result = f"{local}@{normal_domain(domain)}"
    # RFC 5321 §4.5.3.1.3: a path has at most 256 octets with its brackets.
    if len(result) > 254 or (not result.isascii() and len(result.encode()) > 254):
        raise AddressError("The address has more than 254 octets")
    return result


def is_speakable(path: str) -> bool:
    """Whether a path can stand in a command; so can all that ``parse_path`` returns, as what is taken has to leave."""
    # What prints is neither, and nearly all of it prints; joiners and characters newer than Python's tables do not.
    return path.isprintable() or _UNSPEAKABLE.search(path) is None


def normal_domain(text: str) -> str:
    """Return a domain as A-labels in lower case, or an address literal as RFC 5321 §4.1.3 writes it."""
    if text.startswith("["):
        return _literal(text)
    domain = text.lower() if text.isascii() else _a_labels(text)
    # RFC 5321 §4.5.3.1.2 allows 255 octets, the DNS 253 without the final dot (RFC 1035 §2.3.4).
    if len(domain) > 253 or _LDH_DOMAIN.fullmatch(domain) is None:
        raise AddressError(f"{_shown(text)} is not a domain name: letters, digits and hyphens between dots")
    if "xn--" in domain:
        _check_a_labels(domain)
    return domain


def with_a_labels(text: str) -> str:
    """Return a domain, or an address, that is looked for as recipients are kept: the domain as A-labels.

    What is no whole domain stays as it is, such as one that is not typed to its end.
    """
    local, at, domain = text.rpartition("@")
    if domain.isascii():
        return text
    try:
        return f"{local}{at}{normal_domain(domain)}"
    except AddressError:
        return text


def _check_local(local: str) -> None:
    stray = None if local.isascii() else _UNSPEAKABLE.search(local) or _UNREADABLE.search(local)
    if stray is not None:
        raise AddressError(
            f"The part before the @ has the character U+{ord(stray[0]):04X}, which cannot be seen; "
            "write the address without it"
        )
    # RFC 5321 §4.5.3.1.1
    if len(local) > 64 or (not local.isascii() and len(local.encode()) > 64):
        raise AddressError("The part before the @ has more than 64 octets")
    dot_string = _DOT_STRING if local.isascii() else _DOT_STRING_UTF8
    if dot_string.fullmatch(local) is None and _QUOTED.fullmatch(local) is None:
        raise AddressError(
            f"{_shown(local)} is not a local part: dots stand singly between characters, "
            "and spaces or special characters need quotes"
        )


def _literal(text: str) -> str:
    inner = text[1:-1] if text.endswith("]") else ""
    try:
        if inner[:5].lower() == "ipv6:":
            return f"[IPv6:{ipaddress.IPv6Address(inner[5:])}]"
        return f"[{ipaddress.IPv4Address(inner)}]"
    except ValueError:
        raise AddressError(f"{_shown(text)} is not an address literal such as [192.0.2.1]") from None


def _a_labels(text: str) -> str:
    try:
        return idna.encode(text, uts46=True, std3_rules=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise AddressError(f"{_shown(text)} is not an internationalised domain name (RFC 5890)") from None


def _check_a_labels(domain: str) -> None:
    try:
        idna.decode(domain)
    except (idna.IDNAError, UnicodeError):
        raise AddressError(f"{_shown(domain)} has a label that only looks like an A-label (RFC 5890)") from None


def _shown(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
