"""Reading a call's JSON value by value: each is of its kind, or a fault that names where it stands."""

from collections.abc import Mapping
from typing import Any, TypeVar

from postroad.dialects.headers.values import kind_of, shown
from postroad.dialects.json_fields import expected, found_in, is_of_kind, place_of
from postroad.dialects.sendgrid.errors import BAD_REQUEST, Fault
from postroad.protocol.mime.mailbox import Mailbox
from postroad.protocol.smtp.address import AddressError, parse_path

T = TypeVar("T")

MOST_OCTETS_OF_ARGUMENTS = 10_000
"""Of the custom arguments of one recipient, and of its substitutions, names and values."""
MOST_ADDRESSES = 1000
_MOST_NOTED = 1000
"""Faults and remarks that are kept of one call: what is sent may be made of nothing else."""
_LONGEST_FIELD = 200


class Reading:
    """A call as it is read: what is wrong with it so far, and what its story should say."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.notes: list[str] = []

    def fault(self, field: str | None, message: str) -> None:
        """Note that something is wrong with a field."""
        if len(self.faults) < _MOST_NOTED:
            self.faults.append(Fault(message, None if field is None else field[:_LONGEST_FIELD]))

    def note(self, text: str) -> None:
        """Note what the story should say."""
        if len(self.notes) < _MOST_NOTED:
            self.notes.append(text)

    def take(self, holder: Mapping[str, Any], name: str, kind: type[T], within: str = "") -> T | None:
        """Return a value of an object; None where it is not there, is null, or is of another kind, which is a fault."""
        value = found_in(holder, name, kind)
        if value is None:
            return None
        if not is_of_kind(value, kind):
            self.fault(place_of(name, within), f"The {name} parameter must be {expected(kind, value)}.")
            return None
        return value

    def line(self, holder: Mapping[str, Any], name: str, within: str = "") -> str | None:
        """Return a text that goes into one line of a header; None where there is none."""
        text = self.take(holder, name, str, within)
        if text is None:
            return None
        if any(one in text.strip() for one in "\r\n\0"):
            self.fault(place_of(name, within), f"The {name} parameter holds a line end or NUL; it is one line.")
            return None
        return text.strip()

    def mailbox(self, value: object, field: str) -> Mailbox | None:
        """Read ``{"email": …, "name": …}``."""
        if not isinstance(value, dict):
            self.fault(field, f"The email object must be an object with an email parameter, not {kind_of(value)}.")
            return None
        email, name = value.get("email"), value.get("name")
        if name is not None and not isinstance(name, str):
            self.fault(f"{field}.name", f"The name parameter must be {expected(str, name)}.")
            name = None
        try:
            address = parse_path(email.strip(), is_utf8=True) if isinstance(email, str) else ""
        except AddressError as error:
            self.fault(f"{field}.email", f"Does not contain a valid address. {shown(str(email))}: {error}.")
            return None
        if not address:
            self.fault(f"{field}.email", "Does not contain a valid address.")
            return None
        local, _, domain = address.rpartition("@")
        return Mailbox("" if name is None else " ".join(name.split()), local, domain)

    def mailboxes(self, holder: Mapping[str, Any], name: str, within: str = "") -> tuple[Mailbox, ...]:
        """Read a list of addresses."""
        listed = self.take(holder, name, list, within)
        if not listed:
            return ()
        field = place_of(name, within)
        if len(listed) > MOST_ADDRESSES:
            self.fault(field, f"There are {len(listed)} addresses; at most {MOST_ADDRESSES} are possible.")
            return ()
        found = [self.mailbox(one, f"{field}.{number}") for number, one in enumerate(listed)]
        return tuple(one for one in found if one is not None)

    def texts(self, holder: Mapping[str, Any], name: str, within: str = "") -> dict[str, str]:
        """Read an object of texts that has a bound, such as ``custom_args``; the vendor says of other kinds no more."""
        given = self.take(holder, name, dict, within)
        if not given:
            return {}
        octets = 0
        for key, value in given.items():
            if not isinstance(value, str):
                self.faults.append(BAD_REQUEST)
                self.fault(f"{place_of(name, within)}.{key}"[:200], f"Must be {expected(str, value)}.")
                return {}
            octets += len(key) + len(value)
        if octets > MOST_OCTETS_OF_ARGUMENTS:
            self.fault(
                place_of(name, within),
                f"The {name} parameter is limited to {MOST_OCTETS_OF_ARGUMENTS:,} bytes; it has {octets:,}.",
            )
        return given
