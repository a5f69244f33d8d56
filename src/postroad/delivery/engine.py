"""The delivery engine of one worker: from due rows to settled rows.

::

    table --claim--> intake --route--> scheduler --batch--> dispatcher --session--> agent
      ^               ^                    |                                          |
      |           hand_over            send_back                                   attempt
      |                                    v                                          v
      +------------------------------ lease ledger <--- settlement writer <--- settler (policy)

Each arrow inside is a call with values; each box is a task or belongs to one. What a worker holds is in the ledger
from claim to settlement, whatever happens in between.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec
import structlog

from postroad.delivery.agent import SiteEvent
from postroad.delivery.contents import Contents, Domains, TemplateContents
from postroad.delivery.dispatch import DeliveryAgent, Dispatcher
from postroad.delivery.givens import Givens
from postroad.delivery.intake import Intake
from postroad.delivery.leases import LeaseLedger
from postroad.delivery.parts import Parts
from postroad.delivery.reports import Reporter
from postroad.delivery.router import MailHostFinder, Router
from postroad.delivery.settings import DeliverySettings
from postroad.delivery.settling import DeliveryMeter, SettlementWriter, Settler
from postroad.delivery.sites import Sites
from postroad.delivery.terms import DeliveryTerms
from postroad.delivery.tracked import Tracking
from postroad.model.delivery import Delivery, DeliveryState, Lease
from postroad.model.message import Accepted
from postroad.policy.routing import RoutingRules, Shuffle
from postroad.queue.scheduler import Scheduler, Wait
from postroad.storage.database import Database

log = structlog.get_logger()

_FIRST_EPOCH = 1
_RESERVED_AT_ONCE = 100
"""A message for more recipients than this goes through the table, where its lanes take turns with others'."""
_TIDY_S = 60.0

MakeAgent = Callable[[Callable[[SiteEvent], None]], DeliveryAgent]
"""Makes the worker's agent, which tells of its connections through the function given."""


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine works with and does not own."""

    database: Database
    finder: MailHostFinder
    domains: Domains
    meter: DeliveryMeter
    givens: Givens
    shuffle: Shuffle
    make_agent: MakeAgent
    owner: int
    """This worker's incarnation."""
    worker_silence_s: int
    """A worker that gave no sign of life for so long has no share in the limits."""
    own_hosts: frozenset[str]
    """Domains whose mail comes back to us: no reports go there."""
    return_path_key: bytes
    templates: TemplateContents | None = None
    """Null where no message asks for one."""
    tracking: Tracking | None = None
    """Null where nothing is tracked."""


class DeliveryEngine:
    """Works on deliveries until it is stopped."""

    def __init__(self, settings: DeliverySettings, terms: DeliveryTerms, around: Surroundings) -> None:
        database, givens = around.database, around.givens
        ledger = LeaseLedger(database, givens.clock, around.owner, settings.queue.lease_s)
        writer = SettlementWriter(database, ledger)
        reporter = Reporter(around.own_hosts, givens.make_id)
        self._parts = Parts(
            settings=settings,
            database=database,
            givens=givens,
            meter=around.meter,
            ledger=ledger,
            router=Router(around.finder, terms.pools, terms.rules, around.shuffle),
            scheduler=Scheduler(terms.limits, around.owner),
            contents=Contents(
                database,
                around.domains,
                givens.clock,
                settings.queue.cache_bytes,
                around.templates,
                tracking=around.tracking,
            ),
            writer=writer,
            settler=Settler(writer, reporter, around.meter, terms.schedule, givens),
        )
        self._intake = Intake(self._parts)
        self._sites = Sites(self._parts, self._intake.send_back, around.worker_silence_s)
        self._agent = around.make_agent(self._sites.on_site_event)
        self._dispatcher = Dispatcher(self._parts, self._intake, self._sites, self._agent, around.return_path_key)
        self._is_running = False
        self._stop_within_s: float | None = None
        self._stop_wanted = asyncio.Event()
        self._stopped = asyncio.Event()

    @property
    def pools(self) -> tuple[str, ...]:
        """The pools that this worker serves."""
        return tuple(self._parts.router.pools)

    @property
    def held(self) -> int:
        """How many deliveries this worker has leased."""
        return len(self._parts.ledger)

    async def run(self) -> None:
        """Work until :meth:`stop` is called."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(work) for work in self._work(group)]
                self._is_running = True
                await self._stop_wanted.wait()
                self._is_running = False
                await self._wind_down()
                for task in tasks:
                    task.cancel()
        finally:
            self._is_running = False
            self._stopped.set()

    async def stop(self, within_s: float) -> None:
        """Finish what is under way within the time given, give back the rest, and end."""
        self._stop_within_s = within_s
        self._stop_wanted.set()
        await self._stopped.wait()

    def wake(self) -> None:
        """Look for due deliveries soon: a hint that there are some."""
        self._intake.wake()

    def replace_rules(self, rules: RoutingRules) -> None:
        """Route by other rules from now on."""
        self._parts.router.replace_rules(rules)

    def reserve(self, deliveries: Sequence[Delivery]) -> Lease | None:
        """Return the lease under which new deliveries may be stored and then handed over; null for by the table.

        Only while there is room in the ready set and every one's site is known and open.
        """
        if not self._is_running or self._parts.writer.is_behind:
            return None
        if len(deliveries) > min(_RESERVED_AT_ONCE, self._intake.room):
            return None
        if not all(self._intake.is_open(delivery) for delivery in deliveries):
            return None
        now = self._parts.givens.clock()
        return Lease(self._parts.ledger.owner, _FIRST_EPOCH, self._parts.ledger.new_end(now))

    def hand_over(self, accepted: Accepted) -> None:
        """Take what was stored under a lease of :meth:`reserve`, so that nothing is read back."""
        mine = [one for one in accepted.deliveries if one.state is DeliveryState.LEASED]
        if not mine:
            return
        self._parts.ledger.take(mine)
        if not self._is_running:
            self._parts.ledger.give_back([delivery.id for delivery in mine], None)
            return
        self._parts.contents.keep(accepted.message, accepted.content)
        self._intake.admit(mine)

    def withdraw(self, accepted: Accepted) -> None:
        """Free what may be stored under a lease of :meth:`reserve`, though its commit seemed to fail.

        A connection lost during the commit tells nothing of it. What is stored is then delivered by the table; nothing
        else comes of it, as a row that is not there is not released.
        """
        leased = [one.id for one in accepted.deliveries if one.state is DeliveryState.LEASED]
        self._parts.ledger.give_back(leased, None)

    def why(self, delivery_id: int) -> Wait | None:
        """Return what a delivery in this worker's ready set waits for; null when it is not there."""
        return self._parts.scheduler.why(delivery_id, self._parts.givens.clock())

    def _work(self, group: asyncio.TaskGroup) -> list[Coroutine[Any, Any, None]]:
        parts = self._parts
        return [
            parts.writer.keep_writing(),
            parts.ledger.keep_renewing(),
            parts.ledger.keep_returning(),
            parts.database.listen(self._on_due),
            self._intake.keep_claiming(group),
            self._intake.keep_settling_unroutable(),
            self._dispatcher.keep_dispatching(group),
            self._sites.keep_sharing(),
            self._keep_tidy(),
        ]

    def _on_due(self, pools: frozenset[str]) -> None:
        if not pools.isdisjoint(self._parts.router.pools):
            self._intake.wake()

    async def _keep_tidy(self) -> None:
        while True:
            await asyncio.sleep(_TIDY_S)
            self._parts.scheduler.forget_idle(self._parts.givens.clock())
            self._intake.forget_courses({key for key, _, _ in self._parts.scheduler.depths()})

    async def _wind_down(self) -> None:
        """End in order: no new work, what waits goes back, what is under way ends, and all of it is written."""
        within_s = self._stop_within_s or 0.0
        parts = self._parts
        self._intake.stop()
        waiting = parts.scheduler.withdraw_all(parts.givens.clock())
        parts.ledger.give_back([delivery.id for delivery in waiting], None)
        await self._dispatcher.stop(within_s)
        await self._agent.close()
        try:
            async with asyncio.timeout(max(within_s, 1.0)):
                await self._intake.finish()
                await parts.writer.flush()
                await parts.ledger.write_returns()
        except TimeoutError:
            log.warning("stopped_with_leases", settlements=len(parts.writer), leases=len(parts.ledger))
