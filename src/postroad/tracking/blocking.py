"""Destinations that an operator takes down: which of the links they mean, however these are spelled.

Patterns and links are compared in one form, that of the URL Standard (§3.5, §4.4), for browsers take many spellings of a
host or a path for the same.
"""

import functools
import ipaddress
import re
from collections.abc import Collection, Mapping
from urllib.parse import quote, unquote_to_bytes

import idna
import msgspec

_SCHEME = re.compile(r"https?:[/\\]*", re.IGNORECASE)
_AUTHORITY_END = re.compile(r"[/\\?#]")
_FORBIDDEN = re.compile(r"[\x00-\x20#%/:<>?@\[\\\]^|\x7f]")
"""What no name of a host holds (URL Standard §3.1)."""
_NUMBER = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)")
_ESCAPE = re.compile(r"%[0-9a-fA-F]{2}")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_KEPT = 2000
"""Links that are kept as they are compared: of one message thousands of recipients follow the same."""
_IN_PATH = _UNRESERVED | frozenset("!$&'()*+,;=:@")
"""What stands in a path as it is (RFC 3986 §3.3)."""
_STAYS = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"<>^`{}')


class Comparable(msgspec.Struct, frozen=True):
    """A URL as it is compared."""

    host: str
    """In A-labels and lower case without a final dot, or an address."""
    rest: str
    """Path, query and fragment; begins with a slash."""

    @property
    def is_address(self) -> bool:
        """Whether the host is an IP address and no name."""
        return self.host.startswith("[") or _ends_in_number(self.host)


def understood(text: str) -> str:
    """Return a host, or the beginning of a URL, as it is compared; raises ValueError with a sentence."""
    text = text.strip()
    is_url = "://" in text
    if not is_url and any(letter in text for letter in "/\\?#@: "):
        raise ValueError(f"{text!r} is neither a host such as evil.example nor the beginning of a URL.")
    if is_url and text.partition("://")[0].lower() not in {"http", "https"}:
        raise ValueError(f"{text!r} is not the beginning of a URL: write it with http:// or https:// and a host.")
    meant = comparable(text if is_url else f"http://{text}")
    if meant is None:
        raise ValueError(f"{text!r} is neither a host such as evil.example nor the beginning of a URL that holds one.")
    if "." not in meant.host and not meant.is_address:
        raise ValueError(
            f"{text!r} has no dot in its host, so it would block far too much: write a host such as evil.example, "
            "or the beginning of a URL that holds one."
        )
    return f"{meant.host}{meant.rest}" if meant.rest.strip("/") else meant.host


def is_blocked(url: str, patterns: Collection[str]) -> bool:
    """Whether a link leads to one of them, by http or https alike; what has no host that can be read leads nowhere."""
    if not patterns or (link := comparable(url)) is None:
        return False
    beginnings = _by_host(frozenset(patterns))
    labels = link.host.split(".")
    hosts = [link.host] if link.is_address else [".".join(labels[at:]) for at in range(len(labels))]
    if any("" in beginnings.get(host, ()) for host in hosts):
        return True
    return link.rest.startswith(tuple(beginnings.get(link.host, ())))


@functools.lru_cache(maxsize=2)
def _by_host(patterns: frozenset[str]) -> Mapping[str, frozenset[str]]:
    """Return how URLs begin that are meant, by host; the empty string is the whole host."""
    sorted_out: dict[str, set[str]] = {}
    for pattern in patterns:
        host, slash, rest = pattern.partition("/")
        sorted_out.setdefault(host, set()).add(slash + rest)
    return {host: frozenset(beginnings) for host, beginnings in sorted_out.items()}


@functools.lru_cache(maxsize=_KEPT)
def comparable(url: str) -> Comparable | None:
    """Return a URL as it is compared; None where it is none of the web, or browsers could not read its host."""
    # URL Standard §4.4: tabs and line ends are no part of it, and a backslash is a slash.
    url = re.sub(r"[\t\n\r]", "", url)
    scheme = _SCHEME.match(url)
    if scheme is None:
        return None
    end = found.start() if (found := _AUTHORITY_END.search(url, scheme.end())) else len(url)
    host = _host_of(url[scheme.end() : end].rpartition("@")[2])
    return Comparable(host, _rest_of(url[end:])) if host else None


def _host_of(text: str) -> str:
    """Return the host of what may have a port; empty where there is none that could be read."""
    if text.startswith("["):
        inner, closed, _ = text[1:].partition("]")
        try:
            return f"[{ipaddress.IPv6Address(inner)}]" if closed else ""
        except ValueError:
            return ""
    try:
        decoded = unquote_to_bytes(text.partition(":")[0]).decode()
        name = (decoded if decoded.isascii() else _a_labels(decoded)).lower().rstrip(".")
    except (idna.IDNAError, UnicodeError):
        return ""
    if _FORBIDDEN.search(name) or name.startswith("."):
        return ""
    return _ipv4(name) if _ends_in_number(name) else name


def _a_labels(name: str) -> str:
    # Browsers map as UTS #46 says without the checks of RFC 5891: a host that they take must not pass for another.
    labels = idna.uts46_remap(name, std3_rules=False).split(".")
    return ".".join([label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels])


def _ends_in_number(name: str) -> bool:
    return _NUMBER.fullmatch(name.rpartition(".")[2]) is not None


def _ipv4(name: str) -> str:
    """Return an address in numbers as it is commonly written; empty where it is none (URL Standard §3.5)."""
    parts = name.split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return ""
    try:
        *first, last = (_number(part) for part in parts)
        if any(number > 255 for number in first) or last >= 256 ** (4 - len(first)):
            return ""
    except ValueError:
        return ""
    return str(ipaddress.IPv4Address(last + sum(number << 8 * (3 - at) for at, number in enumerate(first))))


def _number(text: str) -> int:
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    return int(text, 8 if text.startswith("0") else 10)


def _rest_of(text: str) -> str:
    end = found.start() if (found := re.search(r"[?#]", text)) else len(text)
    path = _spelled(text[:end].replace("\\", "/"), _IN_PATH)
    return "/" + _without_dots(path.removeprefix("/")) + _spelled(text[end:], _UNRESERVED)


def _spelled(text: str, as_they_are: frozenset[str]) -> str:
    """Write in percent what must be, and nothing else."""
    text = quote(text, safe=_STAYS)
    return _ESCAPE.sub(lambda found: _unescaped(found[0], as_they_are), text) if "%" in text else text


def _unescaped(escape: str, as_they_are: frozenset[str]) -> str:
    character = chr(int(escape[1:], 16))
    return character if character in as_they_are else escape.upper()


def _without_dots(path: str) -> str:
    """Return a path without the segments that lead nowhere and upwards (RFC 3986 §5.2.4)."""
    kept: list[str] = []
    segments = path.split("/")
    for at, segment in enumerate(segments):
        if segment not in {".", ".."}:
            kept.append(segment)
            continue
        if segment == "..":
            kept = kept[:-1]
        if at == len(segments) - 1:
            kept.append("")
    return "/".join(kept)
