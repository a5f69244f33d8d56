"""The servers of one sending domain's people, in the order in which clients should use them."""

import msgspec

from postroad.model.client_access import ClientAccess
from postroad.model.domain import SendingDomain

IMAP_TLS_PORT = 993


class OutgoingServer(msgspec.Struct, frozen=True):
    """One door for submission."""

    host: str
    port: int
    begins_with_tls: bool
    """TLS from the first octet; else STARTTLS."""


class Servers(msgspec.Struct, frozen=True):
    """What a mail client has to know of a domain."""

    domain: str
    outgoing: tuple[OutgoingServer, ...]
    """At least one."""
    imap_host: str
    """Where the mailboxes are, with TLS on port 993; empty where nobody said so. Postroad itself has none."""


def servers_of(domain: SendingDomain, access: ClientAccess) -> Servers:
    """Return the servers of a domain; RFC 8314 §3.3 prefers TLS from the first octet."""
    doors = ((access.tls_port, True), (access.starttls_port, False))
    outgoing = tuple(
        OutgoingServer(access.submission_host, port, begins_with_tls) for port, begins_with_tls in doors if port
    )
    return Servers(domain.name, outgoing, domain.settings.imap_host.lower())
