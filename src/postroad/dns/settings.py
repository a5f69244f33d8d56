"""Settings of name resolution."""

from typing import Annotated

import msgspec


class DnsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which resolvers are asked, how long, and what is kept of their answers."""

    resolvers: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Resolvers to ask, in order: an address, or an address with port such as 127.0.0.1:5353; "
            "empty takes those of /etc/resolv.conf."
        ),
    ] = ()
    attempt_timeout_ms: Annotated[
        int, msgspec.Meta(ge=50, le=60_000, description="Milliseconds one resolver has for its answer.")
    ] = 2_000
    lifetime_ms: Annotated[
        int, msgspec.Meta(ge=100, le=120_000, description="Milliseconds a question may take over all resolvers.")
    ] = 10_000
    cache_size: Annotated[
        int, msgspec.Meta(ge=100, le=10_000_000, description="Answers kept in memory by each worker.")
    ] = 50_000
    minimum_ttl_s: Annotated[
        int, msgspec.Meta(ge=0, le=3_600, description="Seconds an answer is kept even where its TTL is shorter.")
    ] = 5
    maximum_ttl_s: Annotated[
        int, msgspec.Meta(ge=1, le=604_800, description="Seconds an answer is kept at most, whatever its TTL.")
    ] = 86_400
    maximum_negative_ttl_s: Annotated[
        int,
        msgspec.Meta(ge=1, le=10_800, description="Seconds it is believed at most that a name or record is absent."),
    ] = 900
    stale_for_s: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=604_800,
            description="Seconds an answer past its TTL is still used while no resolver answers; 0 turns this off.",
        ),
    ] = 86_400
