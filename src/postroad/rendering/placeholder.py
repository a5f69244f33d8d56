"""Placeholders such as ``%recipient.name%``: where they stand in octets, and what each stands for."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

# A key may hold all but what would end it in a text, a URL or an attribute: clients write keys such as "v:user_id".
PLACEHOLDER = re.compile(
    rb"%(recipient(?:\.[^%\s<>\"'\\]{1,200}|_(?:email|name|fname|lname))?"
    rb"|(?:tag_|group_|mailing_list_)?unsubscribe_url|unsubscribe_email)%"
)

Segments = tuple[bytes | str, ...]
"""Octets that stay, and between them the names of placeholders as text."""


class Addressee(msgspec.Struct, frozen=True, kw_only=True):
    """The one recipient that a copy is made for."""

    address: str
    display_name: str = ""
    variables: Mapping[str, Any] = {}
    links: Mapping[str, str] = {}
    """Addresses to unsubscribe at, by the placeholder's name."""

    @property
    def mailbox(self) -> str:
        """The address with its display name, where there is one."""
        return f"{self.display_name} <{self.address}>" if self.display_name else self.address


def segments_of(octets: bytes) -> Segments:
    """Return octets cut at their placeholders."""
    segments: list[bytes | str] = []
    position = 0
    for found in PLACEHOLDER.finditer(octets):
        segments += (octets[position : found.start()], found[1].decode("utf-8", "replace"))
        position = found.end()
    return (*segments, octets[position:])


def value_of(name: str, addressee: Addressee) -> str | None:
    """Return what a placeholder stands for; None where there is no such value."""
    match name:
        case "recipient":
            return addressee.mailbox
        case "recipient_email":
            return addressee.address
        case "recipient_name":
            return addressee.display_name
        case "recipient_fname":
            return addressee.display_name.partition(" ")[0]
        case "recipient_lname":
            return addressee.display_name.partition(" ")[2]
    if not name.startswith("recipient."):
        return addressee.links.get(name)
    return _text_of(_at(addressee.variables, name.removeprefix("recipient.")))


_NOWHERE = object()


def _at(variables: Mapping[str, Any], key: str) -> object:
    """Return the value of a key, which may name a way into nested objects with dots between its steps."""
    if key in variables:
        return variables[key]
    found: object = variables
    for step in key.split("."):
        if isinstance(found, Mapping) and step in found:
            found = found[step]
        elif isinstance(found, list) and step.isascii() and step.isdigit() and int(step) < len(found):
            found = found[int(step)]
        else:
            return _NOWHERE
    return found


def _text_of(value: object) -> str | None:
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float() | dict() | list():
            return msgspec.json.encode(value).decode()
    return None
