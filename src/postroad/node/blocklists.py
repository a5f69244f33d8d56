"""The blocklists that the submission doors ask about clients."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from postroad.config import Settings
from postroad.dns.blocklists import Blocklists
from postroad.dns.cache import Cache
from postroad.dns.resolver import Resolver
from postroad.net.address import Networks
from postroad.net.clock import now_ms
from postroad.policy.rbl import parse_zone
from postroad.telemetry.metrics import Meter


@asynccontextmanager
async def running_blocklists(settings: Settings, lookup: Resolver, meter: Meter) -> AsyncIterator[Blocklists | None]:
    """Make the lists that are configured, for the length of the block; None where there are none."""
    smtp = settings.smtp
    if not smtp.rbl_zones:
        yield None
        return
    # No old answers in an outage: a listing would outlive its list, and what is not known lets in.
    cache = Cache(lookup, now_ms, msgspec.structs.replace(settings.dns, stale_for_s=0))
    blocklists = Blocklists(
        [parse_zone(text) for text in smtp.rbl_zones],
        cache,
        now_ms,
        allowed=Networks(smtp.rbl_allow),
        timeout_s=smtp.rbl_timeout_s,
        meter=meter,
    )
    try:
        yield blocklists
    finally:
        await blocklists.aclose()
        await cache.aclose()
