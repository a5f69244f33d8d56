"""Webhooks of a worker: calls are written with their events in every worker, and made in those of the role."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from postroad.accounts.admin_notices import AdminNotices
from postroad.accounts.notices import Notices
from postroad.config import Settings
from postroad.dns.cache import Cache
from postroad.dns.resolver import Lookup
from postroad.model.ids import IdSource
from postroad.net.clock import now_ms
from postroad.storage.database import Database
from postroad.storage.outbox import NewId, Outbox
from postroad.storage.secrets import Vault
from postroad.webhooks.client import client_for
from postroad.webhooks.facts import WebhookFacts
from postroad.webhooks.line import CallMeter
from postroad.webhooks.outages import Outages
from postroad.webhooks.post import HttpPoster
from postroad.webhooks.relay import Relay

ROLE = "webhooks"
_STOP_WITHIN_S = 10.0


async def webhook_facts(database: Database, vault: Vault, ids: IdSource) -> WebhookFacts:
    """Have events written with the calls that they lead to; ``refresh`` of what is returned keeps in mind which these are."""
    database.outbox = Outbox(new_ids(ids))
    facts = WebhookFacts(database, vault, now_ms, database.outbox)
    await facts.refresh()
    return facts


def new_ids(ids: IdSource) -> NewId:
    """Return what makes an id in a partition now."""
    return lambda partition: ids.next(now_ms(), partition)


@asynccontextmanager
async def posting(
    settings: Settings,
    database: Database,
    facts: WebhookFacts,
    *,
    lookup: Lookup,
    ids: IdSource,
    notices: Notices,
    meter: CallMeter,
    owner: int,
) -> AsyncIterator[None]:
    """Make calls for the length of the block; those under way then end, and what receivers were served by is given back."""
    cache = Cache(lookup, now_ms, settings.dns)
    client = client_for(settings.webhooks, cache)
    relay = Relay(
        database=database,
        facts=facts,
        poster=HttpPoster(client),
        outages=Outages(AdminNotices(database, notices)),
        meter=meter,
        owner=owner,
        clock=now_ms,
        new_id=new_ids(ids),
        settings=settings.webhooks,
    )
    try:
        async with asyncio.TaskGroup() as group:
            # When it fails, so does the worker, and is started anew.
            running = group.create_task(relay.run())
            yield
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await relay.stop(_STOP_WITHIN_S)
    finally:
        await client.aclose()
        await cache.aclose()
