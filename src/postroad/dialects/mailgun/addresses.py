"""Who a call of the Mailgun API is from and for: its address parameters, and the envelope that they make."""

from collections.abc import Iterable

import msgspec

from postroad.dialects.headers.values import shown
from postroad.protocol.form import Form
from postroad.protocol.mime.mailbox import ListFault, Mailbox, parse_address_list
from postroad.protocol.smtp.address import AddressError, parse_path

MOST_RECIPIENTS = 1000
_LONGEST_LISTS = 512 * 1024
"""Octets of all addresses of a call: a thousand long ones with their names."""
_NOT_AN_ADDRESS = "{} parameter is not a valid address. please check documentation"


class Addressed(msgspec.Struct):
    """The addresses of a call, by parameter, and what is wrong with them."""

    lists: dict[str, list[Mailbox]]
    faults: list[str]
    is_unread: bool = False
    """There is so much that nobody looked at it."""

    @property
    def recipients(self) -> Iterable[Mailbox]:
        """Everybody whom the message goes to."""
        return (one for name in ("to", "cc", "bcc") for one in self.lists.get(name, ()))


def read_addresses(form: Form, *names: str) -> Addressed:
    """Read address parameters; each may be repeated, hold a list, and be empty."""
    found = Addressed({}, [])
    if sum(len(value) for name in names for value in form.fields.get(name, ())) > _LONGEST_LISTS:
        return Addressed({}, [f"Too many recipients, max is {MOST_RECIPIENTS}"], is_unread=True)
    for name in names:
        for text in form.texts(name):
            _read_list(name, text, found)
    if sum(1 for _ in found.recipients) > MOST_RECIPIENTS:
        found.faults.append(f"Too many recipients, max is {MOST_RECIPIENTS}")
    return found


def _read_list(name: str, text: str, found: Addressed) -> None:
    # A list that was put together of pieces may end with the comma behind its last one.
    value = text.strip().strip(",").strip()
    if not value:
        return
    parsed = parse_address_list(value.encode(), most_octets=_LONGEST_LISTS)
    if isinstance(parsed, ListFault):
        found.faults.append(f"{_NOT_AN_ADDRESS.format(name)}: {shown(value)} {parsed.text}")
        return
    for mailbox in parsed.mailboxes:
        try:
            parse_path(mailbox.address, is_utf8=True)
        except AddressError as error:
            found.faults.append(f"{_NOT_AN_ADDRESS.format(name)}: {shown(mailbox.address)}: {error}")
            return
    found.lists.setdefault(name, []).extend(parsed.mailboxes)
