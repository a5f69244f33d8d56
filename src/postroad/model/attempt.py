"""One try to deliver, as the agent that made it reports it; what it means is for policy to say."""

import enum

import msgspec

from postroad.model.outcome import AttemptFacts


class FailureKind(enum.Enum):
    """What kept an attempt from succeeding."""

    REPLY = "reply"
    """The receiving host refused; the code is in the facts."""
    DNS = "dns"
    CONNECT = "connect"
    LOST = "lost"
    """The connection ended without the reply that was awaited."""
    TIMEOUT = "timeout"
    TLS = "tls"
    """The route demands TLS that the host does not offer, or the handshake failed."""
    NEEDS_SMTPUTF8 = "needs-smtputf8"
    """An address or header needs SMTPUTF8 and the host does not offer it (RFC 6531 §3.1)."""
    PROTOCOL = "protocol"
    """The peer said something that is not SMTP."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """How one attempt ended; where ``facts.phase`` is the final dot without a reply, the end is not known."""

    delivery_id: int
    facts: AttemptFacts
    failure: FailureKind | None
    """Null when the receiving host took responsibility."""
