"""The delivery engine of a worker, which lives and dies with it."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Protocol

import msgspec
import structlog

from postroad.delivery.agent import Agent
from postroad.delivery.engine import DeliveryEngine, MakeAgent, Surroundings
from postroad.delivery.givens import Givens
from postroad.delivery.session import SessionTerms
from postroad.delivery.session_pool import SessionPool
from postroad.delivery.settings import DeliverySettings
from postroad.delivery.stored_routes import StoredRoutes
from postroad.delivery.terms import understand
from postroad.dns.cache import Cache
from postroad.dns.mail_hosts import MailHostDirectory
from postroad.domains.settings import installation_names
from postroad.model.route import TlsRule
from postroad.net.clock import now_ms
from postroad.net.tls import opportunistic_context, verifying_context
from postroad.node.ground import Ground
from postroad.node.sending_domains import DeliveryDomains

STOP_WITHIN_S = 20.0
"""How long what is under way has to end."""

log = structlog.get_logger()


class Engine(Protocol):
    """Works on deliveries."""

    async def run(self) -> None:
        """Work until stopped."""

    async def stop(self, within_s: float) -> None:
        """Finish what is under way within the time given, and end."""


@asynccontextmanager
async def delivering(engine: Engine, *, stop_within_s: float) -> AsyncIterator[None]:
    """Have an engine work for the length of the block.

    When it fails, so does the worker, and is started anew: one that takes mail and delivers none would look well for ever.
    """
    async with asyncio.TaskGroup() as group:
        group.create_task(_run(engine), name="delivery-engine")
        try:
            yield
        finally:
            await engine.stop(stop_within_s)


async def _run(engine: Engine) -> None:
    try:
        await engine.run()
    except Exception:
        # What fails on the way out may hide it.
        log.exception("delivery_failed")
        raise


@asynccontextmanager
async def running_engine(ground: Ground, pool: SessionPool, *, is_dev: bool) -> AsyncIterator[DeliveryEngine]:
    """Make the engine and have it work for the length of the block."""
    settings = ground.settings
    delivery = msgspec.structs.replace(settings.delivery, hostname=settings.delivery.hostname or ground.hostname)
    own_hosts = frozenset(filter(None, (ground.hostname, settings.domains.inbound_host)))
    cache = Cache(ground.lookup, now_ms, settings.dns)
    finder = MailHostDirectory(cache, now_ms)
    chance = random.SystemRandom()
    terms = understand(delivery, own_hosts, frozenset())
    stored_routes = StoredRoutes(ground.database, ground.keys.vault, terms.rules)
    # In dev nothing leaves the machine, whatever routes a copied installation brings with it.
    rules = terms.rules if is_dev else await stored_routes.changed() or terms.rules
    engine = DeliveryEngine(
        delivery,
        msgspec.structs.replace(terms, rules=rules),
        Surroundings(
            database=ground.database,
            finder=finder,
            domains=DeliveryDomains(ground.directory, installation_names(settings.domains)),
            meter=ground.meter,
            givens=Givens(now_ms, ground.ids.next, chance.random),
            shuffle=chance.shuffle,
            make_agent=_agent_maker(delivery, pool, is_dev=is_dev),
            owner=ground.lease.incarnation,
            worker_silence_s=settings.retention.worker_silence_s,
            own_hosts=own_hosts,
            return_path_key=ground.keys.return_path,
            templates=ground.library,
            tracking=ground.tracking,
        ),
    )
    if not is_dev:
        ground.watch.add("routes", partial(stored_routes.tell, engine.replace_rules))
    try:
        async with delivering(engine, stop_within_s=STOP_WITHIN_S):
            yield engine
    finally:
        await finder.aclose()
        await cache.aclose()


def _agent_maker(delivery: DeliverySettings, pool: SessionPool, *, is_dev: bool) -> MakeAgent:
    opportunistic = opportunistic_context()
    contexts = {
        TlsRule.OPPORTUNISTIC: opportunistic,
        TlsRule.ENCRYPT: opportunistic,
        # No authority vouches for the inbox of dev, which is this process itself.
        TlsRule.VERIFY: opportunistic if is_dev else verifying_context(),
    }
    terms = SessionTerms(
        timeouts=delivery.timeouts,
        limits=delivery.connections,
        tls_context_for=contexts.__getitem__,
        clock=now_ms,
    )
    return lambda on_site_event: Agent(terms, pool, on_site_event)
