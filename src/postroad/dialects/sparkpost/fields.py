"""Reading a call's JSON value by value: each is of its kind, or a fault that names where it stands."""

from collections.abc import Mapping
from typing import Any, TypeVar

from postroad.dialects.headers.values import TOO_DEEP, is_deep, kind_of, shown
from postroad.dialects.json_fields import expected, found_in, is_of_kind, place_of
from postroad.dialects.sparkpost.errors import Fault, malformed
from postroad.protocol.mime.mailbox import ListFault, Mailbox, parse_address_list
from postroad.protocol.smtp.address import AddressError, parse_path

T = TypeVar("T")

_QUOTE = '"'
_MOST_NOTED = 200
"""Faults and remarks that are kept of one call: what is sent may be made of nothing else."""
LONGEST_LIST = 256 * 1024
"""Octets of one list of addresses."""


class Reading:
    """A call, or a recipient of it, as it is read: what is wrong with it so far, and what its story should say."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.notes: list[str] = []

    def wrong(self, description: str) -> None:
        """Note that a value is not what it should be."""
        if len(self.faults) < _MOST_NOTED:
            self.faults.append(malformed(description))

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
            self.wrong(f"{place_of(name, within)} must be {expected(kind, value)}")
            return None
        return value

    def line(self, holder: Mapping[str, Any], name: str, within: str = "") -> str | None:
        """Return a text that goes into one line of a header; None where there is none."""
        text = self.take(holder, name, str, within)
        if text is None:
            return None
        # Clients fold long values, as they would in a header (RFC 5322 §2.2.3).
        one_line = " ".join(text.split("\r\n ")).strip()
        if any(one in one_line for one in "\r\n\0"):
            self.wrong(f"{place_of(name, within)} holds a line end or NUL; it is one line")
            return None
        return one_line

    def document(self, holder: Mapping[str, Any], name: str, most_octets: int, within: str = "") -> dict[str, Any]:
        """Return an object of a client's own."""
        value = self.take(holder, name, dict, within)
        if not value:
            return {}
        if is_deep(value):
            self.wrong(f"{place_of(name, within)} {TOO_DEEP}")
            return {}
        octets = len(str(value))
        if octets > most_octets:
            self.wrong(f"{place_of(name, within)} has about {octets:,} bytes; at most {most_octets:,} are possible")
            return {}
        return value

    def unknown_names(self, holder: Mapping[str, Any], known: frozenset[str], within: str = "") -> None:
        """Note the parameters that nobody knows, which the vendor ignores too."""
        if not holder.keys() <= known:
            for name in sorted(holder.keys() - known):
                self.note(f"ignored {place_of(shown(name).strip(_QUOTE), within)}: there is no such parameter")

    def mailbox(self, value: object, place: str) -> Mailbox | None:
        """Read one address: ``local@domain``, ``Name <local@domain>``, or ``{"email": …, "name": …}``."""
        if isinstance(value, str):
            found = self.mailboxes(value, place)
            if len(found) > 1:
                self.wrong(f"{place} must be one address, not {len(found)}")
                return None
            return found[0] if found else None
        if not isinstance(value, dict):
            self.wrong(f"{place} must be an address or an object with an email, not {kind_of(value)}")
            return None
        email, name = value.get("email"), self.line(value, "name", place)
        if not isinstance(email, str) or not email.strip():
            self.wrong(f"{place}.email must be an address, not {kind_of(email)}")
            return None
        try:
            address = parse_path(email.strip(), is_utf8=True)
        except AddressError as error:
            self.wrong(f"{place}.email: {shown(email)}: {error}")
            return None
        local, _, domain = address.rpartition("@")
        return Mailbox(" ".join((name or "").split()), local, domain)

    def mailboxes(self, text: str, place: str) -> tuple[Mailbox, ...]:
        """Read addresses with commas between them."""
        value = text.strip().strip(",").strip()
        parsed = parse_address_list(value.encode("utf-8", "replace"), most_octets=LONGEST_LIST) if value else None
        if parsed is None:
            self.wrong(f"{place} is no address: it is empty")
            return ()
        if isinstance(parsed, ListFault):
            self.wrong(f"{place} is no address: {shown(value)} {parsed.text}")
            return ()
        for one in parsed.mailboxes:
            try:
                parse_path(one.address, is_utf8=True)
            except AddressError as error:
                self.wrong(f"{place}: {shown(one.address)}: {error}")
                return ()
        return parsed.mailboxes
