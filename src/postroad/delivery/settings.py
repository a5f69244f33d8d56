"""Settings of outbound delivery."""

from typing import Annotated

import msgspec
from msgspec import Meta

from postroad.model.route import TlsRule
from postroad.policy.retry import DEFAULT_SCHEDULE_TEXT


class TimeoutSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a receiving host may take; the defaults are the least that RFC 5321 §4.5.3.2 asks for."""

    connect_s: Annotated[int, Meta(ge=1, le=600, description="Seconds to wait for a TCP connection to a host.")] = 30
    tls_handshake_s: Annotated[int, Meta(ge=1, le=600, description="Seconds to wait for a TLS handshake.")] = 60
    # RFC 5321 §4.5.3.2.1: five minutes for the greeting; a loaded host takes its time before it speaks.
    greeting_s: Annotated[int, Meta(ge=1, le=3600, description="Seconds to wait for a host's greeting.")] = 300
    ehlo_s: Annotated[int, Meta(ge=1, le=3600, description="Seconds to wait for replies to EHLO, STARTTLS, AUTH.")] = (
        300
    )
    # RFC 5321 §4.5.3.2.2 and §4.5.3.2.3: five minutes for MAIL and for RCPT.
    mail_s: Annotated[int, Meta(ge=1, le=3600, description="Seconds to wait for the reply to MAIL.")] = 300
    rcpt_s: Annotated[int, Meta(ge=1, le=3600, description="Seconds to wait for the reply to RCPT.")] = 300
    # RFC 5321 §4.5.3.2.4: two minutes for the 354.
    data_s: Annotated[int, Meta(ge=1, le=3600, description="Seconds to wait for the reply to DATA.")] = 120
    # RFC 5321 §4.5.3.2.5: three minutes for each block of content.
    block_s: Annotated[int, Meta(ge=1, le=3600, description="Seconds a host may take to read a block of content.")] = (
        180
    )
    # RFC 5321 §4.5.3.2.6: ten minutes for the final dot; giving up early makes duplicates.
    final_dot_s: Annotated[int, Meta(ge=1, le=7200, description="Seconds to wait for the reply to the content.")] = 600
    quit_s: Annotated[int, Meta(ge=1, le=300, description="Seconds to wait for the reply to QUIT.")] = 5


class ConnectionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How outbound connections are kept and when they are given up."""

    # Long enough to bridge the gap between two batches for a busy site, short enough that a receiver, who pays
    # for the slot, does not mind; Postfix keeps cached connections for two seconds.
    idle_s: Annotated[int, Meta(ge=0, le=300, description="Seconds an unused connection is kept for reuse.")] = 5
    max_idle: Annotated[
        int, Meta(ge=0, le=10_000, description="Unused connections kept per worker, over all sites.")
    ] = 100
    max_transactions: Annotated[
        int, Meta(ge=1, le=100_000, description="Transactions on one connection before a new one is made.")
    ] = 1_000
    max_age_s: Annotated[int, Meta(ge=1, le=86_400, description="Age at which a connection takes no more mail.")] = 300
    max_hops: Annotated[int, Meta(ge=1, le=50, description="Host addresses tried within one attempt.")] = 5


class SourceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address that mail leaves from."""

    ipv4: Annotated[str, Meta(description="Local IPv4 address to send from; empty for none.")] = ""
    ipv6: Annotated[str, Meta(description="Local IPv6 address to send from; empty for none.")] = ""
    hostname: Annotated[
        str, Meta(description="Name in EHLO for this address; empty for ``delivery.hostname``. It should resolve back.")
    ] = ""


class RouteSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where mail for some destinations goes instead of to their MX hosts, or on which terms."""

    destination: Annotated[
        str, Meta(min_length=1, description="``example.com``, ``*.example.com`` for domains below it, or ``*``.")
    ]
    host: Annotated[str, Meta(description="Host that takes the mail; empty leaves the choice to DNS.")] = ""
    port: Annotated[int, Meta(ge=1, le=65_535, description="Port of that host.")] = 25
    tls: Annotated[
        TlsRule, Meta(description="never, opportunistic, encrypt, or verify (a public authority vouches for the name).")
    ] = TlsRule.OPPORTUNISTIC
    implicit_tls: Annotated[bool, Meta(description="Start with TLS at once, as on port 465.")] = False
    username: Annotated[str, Meta(description="Name to log in with; empty for no login.")] = ""
    password: Annotated[str, Meta(description="Password to log in with.")] = ""


class QueueSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much is worked on at a time; every limit on a site holds for the whole installation."""

    # Postfix keeps up to 20,000 recipients in its active queue; what is more stays in the table, at no cost here.
    ready: Annotated[int, Meta(ge=10, le=1_000_000, description="Deliveries a worker holds in memory.")] = 10_000
    ready_per_site: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Deliveries a worker holds for one site, so that others have room.")
    ] = 2_000
    claim: Annotated[int, Meta(ge=1, le=10_000, description="Deliveries claimed at a time.")] = 500
    claim_per_lane: Annotated[
        int, Meta(ge=1, le=1_000, description="Of these, per sending domain and destination in one round.")
    ] = 20
    poll_ms: Annotated[
        int, Meta(ge=50, le=60_000, description="Milliseconds between looks for deliveries that have become due.")
    ] = 1_000
    # Longer than a transfer may take: RFC 5321 §4.5.3.2.6 gives the final dot alone ten minutes.
    lease_s: Annotated[int, Meta(ge=60, le=86_400, description="Seconds a worker holds what it has claimed.")] = 1_800
    sessions: Annotated[int, Meta(ge=1, le=20_000, description="SMTP sessions at work per worker.")] = 500
    sessions_per_site: Annotated[
        int, Meta(ge=1, le=1_000, description="SMTP sessions towards one site from one source, over all workers.")
    ] = 20
    first_sessions: Annotated[
        int, Meta(ge=1, le=1_000, description="SMTP sessions towards a site that nothing is known of yet.")
    ] = 5
    batch: Annotated[int, Meta(ge=1, le=1_000, description="Deliveries handed to one session at a time.")] = 20
    first_pause_s: Annotated[
        int, Meta(ge=1, le=3600, description="Seconds a site is left alone after it refused a connection.")
    ] = 30
    longest_pause_s: Annotated[
        int, Meta(ge=1, le=86_400, description="Seconds such pauses grow to when the site goes on refusing.")
    ] = 1_800
    content_bytes: Annotated[
        int, Meta(ge=1_000_000, description="Octets of content a worker holds for sessions at work.")
    ] = 256_000_000
    cache_bytes: Annotated[
        int, Meta(ge=0, description="Octets of content kept for the other recipients of a message.")
    ] = 64_000_000


class DeliverySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How mail leaves: by which name, address and route, and when it is tried again."""

    hostname: Annotated[
        str, Meta(description="Name this installation introduces itself by in EHLO; empty for the machine's name.")
    ] = ""
    smarthost: Annotated[
        str, Meta(description="``host`` or ``host:port`` that takes all mail; empty to deliver to MX hosts.")
    ] = ""
    routes: Annotated[
        tuple[RouteSettings, ...], Meta(description="Exceptions by destination; the most exact one counts.")
    ] = ()
    port: Annotated[int, Meta(ge=1, le=65_535, description="Port of MX hosts; for tests.")] = 25
    tls: Annotated[TlsRule, Meta(description="TLS towards MX hosts: never, opportunistic, encrypt or verify.")] = (
        TlsRule.OPPORTUNISTIC
    )
    # A recipient's domain is chosen by strangers, and with it where we connect to: never to what only we can reach.
    allow_private_addresses: Annotated[
        bool,
        Meta(
            description="Deliver to private and loopback addresses that MX records or address literals name; "
            "hosts of routes and the smarthost may always have one."
        ),
    ] = False
    sources: Annotated[
        dict[str, SourceSettings], Meta(description="Addresses of this node to send from, by a name for each.")
    ] = {}
    pools: Annotated[
        dict[str, dict[str, Annotated[int, Meta(ge=0)]]],
        Meta(description="Sources that share traffic, by pool, each with its weight."),
    ] = {}
    # RFC 5321 §4.5.4.1: retries go on for four to five days with many; three days are enough for today's receivers.
    retry_schedule: Annotated[
        str,
        Meta(
            min_length=1,
            description="Pauses after the first, second, … attempt; the last one repeats until the mail expires.",
        ),
    ] = DEFAULT_SCHEDULE_TEXT
    queue: QueueSettings = QueueSettings()
    timeouts: TimeoutSettings = TimeoutSettings()
    connections: ConnectionSettings = ConnectionSettings()
