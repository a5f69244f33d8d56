"""What a repeat is noticed by, and what was found of one."""

import enum

import msgspec


class Deduplicate(enum.Enum):
    """What tells that two messages are the same one."""

    MESSAGE_ID = "message_id"
    """The Message-ID that the client wrote."""
    CONTENT = "content"
    """Sender, subject, body and options: for clients that make a new Message-ID at each repeat."""
    OFF = "off"


class Repeatable(msgspec.Struct, frozen=True, kw_only=True):
    """How the repeats of a message are noticed."""

    keys: tuple[bytes, ...]
    """One for each delivery, in their order: a hash of domain, recipient and what names the message."""
    content: bytes | None = None
    """A fingerprint which a repeat must have too; None where the key does not bind the content."""
    expires_at: int


class NamedCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that its caller gave a name, so that it can be repeated and is carried out once."""

    key: bytes
    """A hash of the sending domain and the name."""
    content: bytes
    """A fingerprint of what the call asks for."""
    expires_at: int


class NamedMessage(msgspec.Struct, frozen=True):
    """What an answer says of a message that was accepted."""

    message_id: int
    message_id_header: str
    """Its Message-ID, with brackets."""


class AnsweredCall(msgspec.Struct, frozen=True):
    """A named call and what it was answered with."""

    call: NamedCall
    messages: tuple[NamedMessage, ...]
    """In the order in which the call gave them."""


class First(msgspec.Struct, frozen=True):
    """The delivery that a repeat would repeat."""

    message_id: int
    delivery_id: int
    content: bytes | None


class Repeats(msgspec.Struct, frozen=True):
    """Which deliveries of an offered message were there already, and so were not stored again."""

    firsts: dict[int, First]
    """By the id of the delivery that was not stored."""
    is_reused: bool = False
    """The key stands for another content: nothing of the message was stored."""
