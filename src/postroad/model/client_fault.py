"""What a client does that it should not, as it is told to people."""

import enum

import msgspec


class FaultKind(enum.Enum):
    """How a client repeats what was refused."""

    TOO_SOON = "too_soon"
    """Within a minute of a 4xx reply."""
    AFTER_REFUSAL = "after_refusal"
    """Though a 5xx reply said that no repeat helps."""


class ClientFault(msgspec.Struct, frozen=True, kw_only=True):
    """How often a credential's clients did one thing, with the last example."""

    credential_id: int
    account_id: int
    kind: FaultKind
    count: int
    first_at: int
    last_at: int
    client_address: str
    subject: str
    """Decoded, at most 255 characters."""
    recipient: str
    """The first one."""
    recipient_count: int
    reply: str
    """What was refused before, as the client was told."""
