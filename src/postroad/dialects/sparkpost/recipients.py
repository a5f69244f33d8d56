"""The recipients of a transmission: where each copy goes, whom it is shown to be for, and what is its own."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from postroad.dialects.headers.values import OptionValueError, check_tag_count, kind_of, listed_tags
from postroad.dialects.sparkpost.errors import Fault, malformed, missing
from postroad.dialects.sparkpost.fields import Reading
from postroad.model.options import merged_tags
from postroad.policy.suppression import comparable
from postroad.protocol.mime.mailbox import Mailbox

MOST = 10_000
MOST_OCTETS_OF_DATA = 100_000
MOST_OCTETS_OF_METADATA = 10_000
_NOTHING: Mapping[str, Any] = {}
_NAMES = frozenset(
    {"address", "tags", "metadata", "substitution_data", "return_path", "multichannel_hash", "rcpt_type"}
)
_NAMES_OF_ADDRESS = frozenset({"email", "name", "header_to"})


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """Where one copy goes, and what is its own of it."""

    mailbox: Mailbox
    to: tuple[Mailbox, ...]
    """What the copy's To says."""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = _NOTHING
    data: Mapping[str, Any] = _NOTHING
    return_path: str | None = None

    @property
    def is_shown_alone(self) -> bool:
        """Whether To says the recipient itself, and nobody else."""
        return len(self.to) == 1 and comparable(self.to[0].address) == comparable(self.mailbox.address)


class Recipients(msgspec.Struct, frozen=True):
    """Those of a call, and what is wrong with the ones that are left out."""

    found: Sequence[Recipient]
    faults: Sequence[Fault]
    rejected: int


def read_recipients(document: Mapping[str, Any], reading: Reading) -> Recipients:
    """Read all of them; what is wrong with one is a fault of its own, and leaves that one out."""
    given = document.get("recipients")
    if isinstance(given, dict):
        reading.wrong(
            "recipients.list_id is not offered: no lists of recipients are kept here; send the recipients themselves"
        )
        return Recipients((), (), 0)
    if given is None:
        reading.faults.append(missing("recipients is required: an array of objects with an address"))
        return Recipients((), (), 0)
    if not isinstance(given, list):
        reading.wrong(f"recipients must be an array, not {kind_of(given)}")
        return Recipients((), (), 0)
    if len(given) > MOST:
        reading.wrong(f"there are {len(given):,} recipients; at most {MOST:,} are possible in one transmission")
        return Recipients((), (), 0)
    found: list[Recipient] = []
    faults: list[Fault] = []
    rejected = 0
    for number, one in enumerate(given):
        own = Reading()
        recipient = _read(one, f"recipients.{number}", own)
        faults += own.faults
        for note in own.notes:
            reading.note(note)
        if recipient is None or own.faults:
            rejected += 1
        else:
            found.append(recipient)
    return Recipients(found, faults, rejected)


def _read(given: object, place: str, reading: Reading) -> Recipient | None:
    if isinstance(given, str):
        mailbox = reading.mailbox(given, place)
        return None if mailbox is None else Recipient(mailbox=mailbox, to=(mailbox,))
    if not isinstance(given, dict):
        reading.wrong(f"{place} must be an object with an address, not {kind_of(given)}")
        return None
    reading.unknown_names(given, _NAMES, place)
    addressed = _address(given.get("address"), place, reading)
    if addressed is None:
        return None
    mailbox, to = addressed
    return Recipient(
        mailbox=mailbox,
        to=to,
        tags=_tags(given, place, reading),
        metadata=reading.document(given, "metadata", MOST_OCTETS_OF_METADATA, place),
        data=reading.document(given, "substitution_data", MOST_OCTETS_OF_DATA, place),
        return_path=reading.line(given, "return_path", place) or None,
    )


def _address(address: object, place: str, reading: Reading) -> tuple[Mailbox, tuple[Mailbox, ...]] | None:
    if address is None or (isinstance(address, dict) and not address.get("email")):
        reading.faults.append(missing(f"{place}: address.email is required for each recipient"))
        return None
    mailbox = reading.mailbox(address, f"{place}.address")
    if mailbox is None:
        return None
    if isinstance(address, str):
        return mailbox, (mailbox,)
    assert isinstance(address, dict)
    reading.unknown_names(address, _NAMES_OF_ADDRESS, f"{place}.address")
    header_to = reading.line(address, "header_to", f"{place}.address")
    if not header_to:
        return mailbox, (mailbox,)
    to = reading.mailboxes(header_to, f"{place}.address.header_to")
    if len(to) == 1 and mailbox.display_name:
        # The vendor's rule: To is `"name" <header_to>` where there are both.
        to = (Mailbox(mailbox.display_name, to[0].local_part, to[0].domain),)
    return mailbox, to


def _tags(given: Mapping[str, Any], place: str, reading: Reading) -> tuple[str, ...]:
    listed = reading.take(given, "tags", list, place) or []
    if not all(isinstance(one, str) for one in listed):
        reading.faults.append(malformed(f"{place}.tags must be an array of strings"))
        return ()
    try:
        tags = merged_tags(listed_tags(listed))
        check_tag_count(len(tags))
    except OptionValueError as error:
        reading.wrong(f"{place}.tags {error}")
        return ()
    return tags
