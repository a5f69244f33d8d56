"""The address that events are posted to, as people give it, taken apart."""

from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from postroad.model.credential import Secret

LONGEST_URL = 2048


class PostAddress(msgspec.Struct, frozen=True):
    """Where events are posted, and as whom."""

    url: str
    """Without user and password: what is asked for."""
    shown: str
    """With the user's name: what people see."""
    username: str
    password: Secret


def read(text: str) -> PostAddress:
    """Take an http or https address apart; raises ValueError with a sentence that says what is wrong."""
    text = text.strip()
    if len(text) > LONGEST_URL:
        raise ValueError(f"The address has {len(text)} characters; at most {LONGEST_URL} are allowed.")
    try:
        parts = urlsplit(text)
        is_sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_sound = False
    if not is_sound or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("The address must be an http or https one, such as https://example.com/events.")
    parts = parts._replace(fragment="")
    return PostAddress(
        url=_with_user(parts, "").geturl(),
        shown=_with_user(parts, parts.username or "").geturl(),
        username=unquote(parts.username or ""),
        password=Secret(unquote(parts.password or "")),
    )


def without_password(text: str) -> str:
    """Return an address as people may see it; one that is none comes back as it is."""
    try:
        return read(text).shown
    except ValueError:
        return text


def server_of(url: str) -> tuple[str, str, int | None]:
    """Return what tells servers apart: scheme, host and port of an address that can be read."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port


def _with_user(parts: SplitResult, user: str) -> SplitResult:
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{user}@{host}" if user else host)
