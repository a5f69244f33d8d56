"""Settings of outbound delivery."""

from typing import Annotated

import msgspec
from msgspec import Meta


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


class DeliverySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything under ``delivery`` in the configuration."""

    timeouts: TimeoutSettings = TimeoutSettings()
    connections: ConnectionSettings = ConnectionSettings()
