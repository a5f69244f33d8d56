"""Destinations that an operator takes down: which of the links they mean."""

from collections.abc import Collection
from urllib.parse import urlsplit


def understood(text: str) -> str:
    """Return a host, or the beginning of a URL, as it is compared; raises ValueError with a sentence."""
    text = text.strip()
    if "://" not in text:
        host = text.lower().strip(".")
        if not host or any(letter in host for letter in "/?#@: ") or "." not in host:
            raise ValueError(f"{text!r} is neither a host such as evil.example nor the beginning of a URL.")
        return host
    scheme, _, rest = text.partition("://")
    if scheme.lower() not in {"http", "https"} or not rest.strip("/"):
        raise ValueError(f"{text!r} is not the beginning of a URL: write it with http:// or https:// and a host.")
    return f"{_host_of(text)}{_path_of(text)}" if _path_of(text).strip("/") else _host_of(text)


def is_blocked(url: str, patterns: Collection[str]) -> bool:
    """Whether a link leads to one of them, by http or https alike."""
    if not patterns:
        return False
    host = _host_of(url)
    labels = host.split(".")
    if any(".".join(labels[at:]) in patterns for at in range(len(labels))):
        return True
    place = host + _path_of(url)
    return any("/" in pattern and place.startswith(pattern) for pattern in patterns)


def _host_of(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _path_of(url: str) -> str:
    rest = url.partition("://")[2]
    at = min((found for letter in "/?#" if (found := rest.find(letter)) >= 0), default=len(rest))
    return rest[at:] or "/"
