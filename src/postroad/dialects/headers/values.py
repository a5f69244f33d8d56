"""The values that option headers hold: switches, lists, JSON, instants and addresses of the web."""

import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from postroad.model.options import MAX_TAG_LENGTH, MAX_TAGS, CallbackFormat, OnMissing, TemplateName, TlsDemand
from postroad.policy.suppression import comparable
from postroad.protocol.mime.date import read_date
from postroad.protocol.smtp.address import AddressError, parse_path

LONGEST_URL = 2048
LONGEST_KEY = 255
_SWITCHES = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}
_TLS_WORDS = {"encrypt": TlsDemand.ENCRYPT, "verify": TlsDemand.VERIFY}
_BYTE = re.compile(r" \(byte (\d+)\)")
_IN_OTHER_WORDS = {
    "object keys must be strings": "a name in double quotes is expected",
    "trailing characters": "something follows its end",
}
# An escape within a text of JSON, named where it is half of a surrogate pair (RFC 8259 §7).
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
# A number of JSON; texts are passed over.
_NUMBER = re.compile(r'"(?:[^"\\]|\\.)*+"?|(-?\d++(?:\.\d++)?(?:[eE][+-]?\d++)?)')
_LONGEST_NUMBER = 4300
"""Digits and sign of a whole number that the JSON reader takes."""
_MOST_LEVELS = 64
"""Of objects and lists inside one another."""
TOO_DEEP = f"holds JSON that is nested too deeply; at most {_MOST_LEVELS} levels are possible"
_TEMPLATE = re.compile(r"([^\s:/\\\x00-\x1f]{1,128})(?::([^\s:]{1,64}))?")
_VERSION = re.compile(r"[^\s:]{1,64}")
_WEEKDAY = re.compile(r"^[A-Za-z]{3}[ \t]*,[ \t]*")
_SECONDS = re.compile(r"[0-9]{1,12}")


class OptionValueError(Exception):
    """A value is not understood; the text says what was expected, as the end of a sentence."""


def read_switch(text: str) -> bool:
    """Read ``yes`` or ``no`` in one of the ways that they are written."""
    value = _SWITCHES.get(text.lower())
    if value is None:
        raise OptionValueError(f"must be yes or no (also true, false, on, off, 1, 0), not {shown(text)}")
    return value


def is_switch(text: str) -> bool:
    """Whether a text is one of the ways to write ``yes`` or ``no``."""
    return text.lower() in _SWITCHES


def read_html_switch(text: str) -> bool:
    """Read a switch that Mailgun also lets say ``htmlonly``, which is on."""
    if text.lower() == "htmlonly":
        return True
    if not is_switch(text):
        raise OptionValueError(f"must be yes, no or htmlonly (also true, false, on, off, 1, 0), not {shown(text)}")
    return read_switch(text)


def read_tags(text: str) -> list[str]:
    """Read tags with commas between them."""
    return listed_tags(text.split(","))


def read_one_tag(text: str) -> list[str]:
    """Read one tag, which may have commas in it; an empty one is none."""
    return listed_tags([text])


def listed_tags(texts: Iterable[str]) -> list[str]:
    """Return the tags of a list without those that are empty, which nobody could name."""
    found = [tag for text in texts if (tag := text.strip())]
    for tag in found:
        _check_tag(tag)
    return found


def _check_tag(tag: str) -> None:
    if len(tag) > MAX_TAG_LENGTH:
        raise OptionValueError(f"holds a tag of {len(tag)} characters; at most {MAX_TAG_LENGTH} are allowed")
    if not tag.isprintable():
        raise OptionValueError(f"holds a tag with control characters: {shown(tag)}")


def check_tag_count(count: int) -> None:
    """Refuse more tags than a message may have."""
    if count > MAX_TAGS:
        raise OptionValueError(f"makes {count} tags; a message has at most {MAX_TAGS}")


def read_tls_demand(text: str) -> TlsDemand:
    """Read what is demanded: ``yes`` for a verified connection, ``encrypt`` for any encryption, ``no`` for neither."""
    word = text.lower()
    if word in _TLS_WORDS:
        return _TLS_WORDS[word]
    value = _SWITCHES.get(word)
    if value is None:
        raise OptionValueError(f"must be yes, encrypt or no, not {shown(text)}")
    return TlsDemand.VERIFY if value else TlsDemand.NOTHING


def read_json_object(text: str) -> dict[str, Any]:
    """Read a JSON object; where it is none, the position is told in characters from 1."""
    octets = text.encode()
    try:
        value = msgspec.json.decode(octets)
    except msgspec.DecodeError as error:
        raise OptionValueError(_json_sentence(str(error), text, octets)) from error
    except RecursionError as error:
        raise OptionValueError(TOO_DEEP) from error
    value = as_object(value)
    if not isinstance(value, dict):
        raise OptionValueError(f'must be a JSON object such as {{"name": "value"}}, not {kind_of(value)}')
    if is_deep(value):
        raise OptionValueError(TOO_DEEP)
    return value


def as_object(value: object) -> object:
    """Return a value that is to be an object: PHP, which has one kind of array for both, writes an empty one as ``[]``."""
    return {} if value == [] else value


def is_deep(value: object) -> bool:
    """Whether a value of JSON is nested too deeply: it is walked along later by functions that call themselves."""
    level = [value]
    for _ in range(_MOST_LEVELS):
        inner: list[object] = []
        for one in level:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list):
                inner += one
        if not inner:
            return False
        level = inner
    return True


def read_recipient_variables(text: str) -> dict[str, dict[str, Any]]:
    """Read the variables of each recipient: a JSON object of objects, by address, as the envelope writes it in lower case."""
    found: dict[str, dict[str, Any]] = {}
    written: dict[str, str] = {}
    domains: dict[str, str] = {}
    for key, given in read_json_object(text).items():
        address, variables = _address_of(key, domains), as_object(given)
        if address in found:
            raise OptionValueError(
                f"holds {shown(written[address])} and {shown(key)}, which are the same address; keep one"
            )
        if not isinstance(variables, dict):
            raise OptionValueError(f"must hold an object for {shown(key)}, not {kind_of(variables)}")
        _refuse_nul(variables, key)
        found[address], written[address] = variables, key
    return found


def _address_of(key: str, domains: dict[str, str]) -> str:
    """Return the address that a key names; ``domains`` remembers what those of earlier keys came to."""
    local, at, domain = key.strip().rpartition("@")
    known = domains.get(domain, domain)
    try:
        # With its domain as A-labels (RFC 5890 §2.3.2.1), however it is written, it is the envelope's.
        address = parse_path(local + at + known, is_utf8=True)
    except AddressError:
        address = ""
    if not address:
        raise OptionValueError(f"must have addresses such as ada@example.net as its keys, not {shown(key)}")
    if not domain.isascii():
        domains[domain] = address.rpartition("@")[2]
    return comparable(address)


def read_url(text: str) -> str:
    """Read the address that events are posted to."""
    if len(text) > LONGEST_URL:
        raise OptionValueError(f"has {len(text)} characters; at most {LONGEST_URL} are allowed")
    try:
        parts = urlsplit(text)
        is_sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_sound = False
    if not is_sound or not text.isascii() or not text.isprintable() or " " in text:
        raise OptionValueError(
            f"must be an http or https address such as https://example.com/events, not {shown(text)}"
        )
    return text


def read_format(text: str) -> CallbackFormat:
    """Read the shape in which events are posted."""
    try:
        return CallbackFormat(text.lower())
    except ValueError:
        names = ", ".join(one.value for one in CallbackFormat)
        raise OptionValueError(f"must be one of {names}, not {shown(text)}") from None


def read_template(text: str) -> TemplateName:
    """Read a template's name, or its file name, with a version behind a colon."""
    found = _TEMPLATE.fullmatch(text)
    if found is None:
        raise OptionValueError(f"must be a template's name, such as welcome or welcome.html:2, not {shown(text)}")
    return TemplateName(found[1], found[2])


def read_version(text: str) -> str:
    """Read the version of a template by itself."""
    if not _VERSION.fullmatch(text):
        raise OptionValueError(f"must be the version of a template, such as 2, not {shown(text)}")
    return text


def read_instant(text: str) -> int:
    """Read a date (RFC 5322 §3.3) or seconds since 1970, as milliseconds since 1970."""
    if _SECONDS.fullmatch(text):
        return int(text) * 1000
    at = read_date(text)
    if at is None and read_date(_WEEKDAY.sub("", text)) is not None:
        raise OptionValueError(
            f"has a weekday that is not that of its date, {shown(text)}; correct it, or leave it out"
        )
    if at is None:
        raise OptionValueError(
            f"must be a date such as Fri, 27 Nov 2026 08:30:00 +0000, or seconds since 1970, not {shown(text)}"
        )
    return at


def read_key(text: str) -> str:
    """Read a key that names one message of the client's."""
    if not text or len(text) > LONGEST_KEY or not text.isprintable():
        raise OptionValueError(f"must have 1 to {LONGEST_KEY} printable characters")
    return text


def read_on_missing(text: str) -> OnMissing:
    """Read what becomes of placeholders without a value."""
    try:
        return OnMissing(text.lower())
    except ValueError:
        raise OptionValueError(f"must be empty or keep, not {shown(text)}") from None


def shown(text: str) -> str:
    """Return a value as a sentence can hold it."""
    cut = text if len(text) <= 40 else f"{text[:40]}…"
    return '"' + "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in cut) + '"'


Reader = Callable[[str], Any]


def _json_sentence(error: str, text: str, octets: bytes) -> str:
    if not text:
        return "is empty; write a JSON object, or leave the header out"
    found = _BYTE.search(error)
    what = _BYTE.sub("", error).removeprefix("JSON is malformed: ").rstrip(".")
    what = _IN_OTHER_WORDS.get(what, what)
    # Half a pair at the end of a text is taken for one that breaks off.
    half = next((one for one in _ESCAPE.finditer(text) if one[1]), None)
    if half is not None and (found is None or "surrogate" in what):
        return (
            f"is not JSON: {half[0]} at character {half.start() + 1} is half of a surrogate pair; "
            "write both halves, or the character itself"
        )
    if "out of range" in what:
        number = next((one for one in _NUMBER.finditer(text) if _is_too_large(one[1])), None)
        where = "" if number is None else f" at character {number.start() + 1}"
        return f"holds a number that is too large{where}; write it as a text"
    if found is None:
        return "is not JSON: it breaks off before its end; a quotation mark or a bracket is missing"
    at = _broken_at(text)
    if at is None:
        at = len(octets[: int(found[1])].decode("utf-8", "ignore"))
    return f"is not JSON: {what[:1].lower()}{what[1:]} at character {at + 1}"


def _broken_at(text: str) -> int | None:
    """Return where JSON goes wrong, in characters from 0: of the fast decoder's places some are one too far."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.pos
    except (ValueError, RecursionError):
        return None
    return None


def _is_too_large(number: str | None) -> bool:
    if number is None:
        return False
    is_whole = number.removeprefix("-").isdecimal()
    return len(number) > _LONGEST_NUMBER if is_whole else math.isinf(float(number))


def kind_of(value: object) -> str:
    """Return what a value of JSON is, as a sentence names it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
    return "an object"


def _refuse_nul(value: object, address: str) -> None:
    """Refuse NUL in values, which no message may hold; the line ends of one are those of the text it is put into."""
    match value:
        case str() if "\0" in value:
            raise OptionValueError(f"holds a NUL in a value for {shown(address)}, which no message may hold")
        case dict():
            for key, inner in value.items():
                _refuse_nul(key, address)
                _refuse_nul(inner, address)
        case list():
            for inner in value:
                _refuse_nul(inner, address)
