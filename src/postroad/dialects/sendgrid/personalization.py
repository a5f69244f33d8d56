"""The personalizations of a call: who gets a message, and what differs from one message to the next."""

from collections.abc import Mapping
from typing import Any

import msgspec

from postroad.dialects.headers.values import TOO_DEEP, is_deep, kind_of
from postroad.dialects.sendgrid.errors import BAD_REQUEST
from postroad.dialects.sendgrid.fields import MOST_OCTETS_OF_ARGUMENTS, Reading
from postroad.dialects.sendgrid.header import read_headers
from postroad.protocol.mime.mailbox import Mailbox

MOST = 1000
"""Personalizations of a call, and recipients of all of them."""
MOST_SUBSTITUTIONS = 500
_NAMES = frozenset(
    {
        "to",
        "cc",
        "bcc",
        "from",
        "subject",
        "headers",
        "substitutions",
        "dynamic_template_data",
        "custom_args",
        "send_at",
    }
)
_NOTHING: Mapping[str, str] = {}


class Personalization(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets one message, and what is their own of it."""

    number: int
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    author: Mailbox | None = None
    subject: str | None = None
    headers: Mapping[str, str] = _NOTHING
    substitutions: Mapping[str, str] = _NOTHING
    data: Mapping[str, Any] | None = None
    """For a dynamic template."""
    arguments: Mapping[str, str] = _NOTHING
    send_at: int | None = None
    """Seconds since 1970."""

    @property
    def is_for_one(self) -> bool:
        """Whether it has one recipient, who sees itself alone."""
        return len(self.to) == 1 and not self.cc and not self.bcc

    @property
    def recipients(self) -> tuple[Mailbox, ...]:
        """Everybody who gets the message."""
        return (*self.to, *self.cc, *self.bcc)


def read_personalizations(document: Mapping[str, Any], reading: Reading) -> list[Personalization]:
    """Read all of them; what is wrong becomes faults."""
    listed = reading.take(document, "personalizations", list)
    if not listed:
        if listed is not None or "personalizations" not in document:
            reading.fault("personalizations", "You must have at least one personalization.")
        return []
    if len(listed) > MOST:
        reading.fault(
            "personalizations",
            f"The personalization block is limited to {MOST} personalizations per API request. You have provided "
            f"{len(listed)} personalizations. Please consider splitting this into multiple requests and resending your request.",
        )
        return []
    found: list[Personalization] = []
    recipients = 0
    for number, given in enumerate(listed):
        one = _read(given, number, reading)
        if one is None:
            continue
        found.append(one)
        recipients += len(one.to) + len(one.cc) + len(one.bcc)
        if recipients > MOST:
            reading.fault(
                "personalizations", f"There is a limit of {MOST} total recipients (to + cc + bcc) per request."
            )
            break
    return found


def _read(given: object, number: int, reading: Reading) -> Personalization | None:
    place = f"personalizations.{number}"
    if not isinstance(given, dict):
        reading.fault(place, f"A personalization must be an object, not {kind_of(given)}.")
        return None
    if not given.keys() <= _NAMES:
        for name in given.keys() - _NAMES:
            reading.note(f"ignored {place}.{name[:100]}: there is no such parameter")
    to = reading.mailboxes(given, "to", place)
    if not to and not given.get("to"):
        reading.fault(
            f"{place}.to",
            "The to array is required for all personalization objects, and must have at least one email object with a "
            "valid email address.",
        )
    lists = {"to": to, "cc": reading.mailboxes(given, "cc", place), "bcc": reading.mailboxes(given, "bcc", place)}
    if len(to) != 1 or lists["cc"] or lists["bcc"]:
        _require_unique(lists, place, reading)
    author = given.get("from")
    return Personalization(
        number=number,
        to=to,
        cc=lists["cc"],
        bcc=lists["bcc"],
        author=None if author is None else reading.mailbox(author, f"{place}.from"),
        subject=reading.line(given, "subject", place) or None,
        headers=read_headers(given, reading, place) if "headers" in given else _NOTHING,
        substitutions=_substitutions(given, reading, place) if "substitutions" in given else _NOTHING,
        data=_data(given, reading, place),
        arguments=reading.texts(given, "custom_args", place) if "custom_args" in given else _NOTHING,
        send_at=reading.take(given, "send_at", int, place),
    )


def _require_unique(lists: Mapping[str, tuple[Mailbox, ...]], place: str, reading: Reading) -> None:
    seen: set[str] = set()
    for name, listed in lists.items():
        for one in listed:
            address = one.address.lower()
            if address in seen:
                reading.fault(
                    f"{place}.{name}",
                    "Each email address in the personalization block should be unique between to, cc, and bcc. We found the "
                    f"first duplicate instance of [{one.address}] in the {place}.{name} field.",
                )
                return
            seen.add(address)


def _substitutions(given: Mapping[str, Any], reading: Reading, place: str) -> Mapping[str, str]:
    listed = reading.take(given, "substitutions", dict, place)
    if not listed:
        return _NOTHING
    found: dict[str, str] = {}
    octets = 0
    for key, value in listed.items():
        if not key or not (value is None or isinstance(value, str)):
            reading.faults.append(BAD_REQUEST)
            what = "A substitution has no name." if not key else f"Must be a string, not {kind_of(value)}."
            reading.fault(f"{place}.substitutions.{key}"[:200], what)
            return _NOTHING
        text = value or ""
        octets += len(key) + len(text)
        if "\0" in text:
            reading.fault(f"{place}.substitutions.{key}"[:200], "Holds a NUL, which no message may hold.")
        # A value of several lines has the line ends of the message that it comes into.
        found[key] = "\r\n".join(text.splitlines()) if "\n" in text or "\r" in text else text
    if octets > MOST_OCTETS_OF_ARGUMENTS:
        reading.fault(
            f"{place}.substitutions",
            f"The substitutions are limited to {MOST_OCTETS_OF_ARGUMENTS:,} bytes per personalization block; these have {octets:,}.",
        )
    if len(found) > MOST_SUBSTITUTIONS:
        reading.fault(
            f"{place}.substitutions",
            f"There are {len(found)} substitutions; at most {MOST_SUBSTITUTIONS} are possible.",
        )
    return found


def _data(given: Mapping[str, Any], reading: Reading, place: str) -> Mapping[str, Any] | None:
    data = reading.take(given, "dynamic_template_data", dict, place)
    if data and is_deep(data):
        reading.fault(f"{place}.dynamic_template_data", f"The value {TOO_DEEP}.")
        return None
    return data
