"""The SMTP envelope: who a message is from and for, apart from what its header says (RFC 5321 §2.3.1)."""

import enum

import msgspec


class Notify(enum.IntFlag):
    """When the sender wants a delivery status notification for a recipient (RFC 3461 §4.1)."""

    UNSET = 0
    NEVER = 1
    SUCCESS = 2
    FAILURE = 4
    DELAY = 8


class Recipient(msgspec.Struct, frozen=True):
    """One RCPT of the transaction."""

    forward_path: str
    """``local@domain`` without brackets; the domain as A-labels in lower case, the local part as given."""
    destination: str
    """The domain of the forward path."""
    notify: Notify = Notify.UNSET
    original_recipient: str | None = None
    """The ORCPT parameter, decoded: ``rfc822;user@example.com`` (RFC 3461 §4.2)."""
    display_name: str = ""
    """What somebody is called where the header does not say it, as To is each recipient's own."""


class Envelope(msgspec.Struct, frozen=True):
    """One transaction's reverse path, recipients and parameters."""

    reverse_path: str
    """``local@domain``, or the empty string for the null path."""
    recipients: tuple[Recipient, ...]
    is_eight_bit: bool = False
    """BODY=8BITMIME was declared (RFC 6152)."""
    is_utf8: bool = False
    """SMTPUTF8 was declared (RFC 6531)."""
    ret: str | None = None
    """RET: ``FULL`` or ``HDRS`` (RFC 3461 §4.3)."""
    envid: str | None = None
    """ENVID, decoded (RFC 3461 §4.4)."""


def destination_of(path: str) -> str:
    """Return the domain of ``local@domain``."""
    return path.rpartition("@")[2]
