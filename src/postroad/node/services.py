"""The composition root of a worker: every service made of its parts, each given what it needs of the others."""

import os
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import msgspec

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.logins.authentication import Authenticator
from postroad.accounts.logins.lockout_notices import LockoutNotices
from postroad.accounts.notices import Notices
from postroad.certificates.host_ordering import HostOrdering
from postroad.certificates.host_showing import ShownHosts
from postroad.certificates.ordering import Ordering
from postroad.certificates.showing import ShownCertificate
from postroad.config import Settings
from postroad.delivery.contents import Contents
from postroad.delivery.engine import DeliveryEngine
from postroad.delivery.previews import Previews
from postroad.delivery.session_pool import SessionPool
from postroad.domains.settings import installation_names
from postroad.feedback.inbound import Target
from postroad.feedback.places import Places
from postroad.feedback.responses import Responses
from postroad.httpd.api.services import ApiServices
from postroad.httpd.console.console import Console
from postroad.httpd.tracker.app import Tracker
from postroad.model.domain import SendingDomain
from postroad.net.address import is_private_host
from postroad.net.clock import now_ms
from postroad.net.tls import ServerCertificate
from postroad.node.api import api_services
from postroad.node.blocklists import running_blocklists
from postroad.node.capture import capturing
from postroad.node.certificate import certified_names, has_obtained_hosts, is_obtained, own_names
from postroad.node.channel import Plan
from postroad.node.console import running_console
from postroad.node.delivering import STOP_WITHIN_S, running_engine
from postroad.node.ground import Ground, lay_ground, running
from postroad.node.inbound import InboundDoor, inbound_door
from postroad.node.installation import hostname_of
from postroad.node.lease import HeldLease
from postroad.node.notices import MailedNotices
from postroad.node.sending_domains import DeliveryDomains
from postroad.node.tracking import DomainNames, TrackingDirectory, has_group, machine_networks
from postroad.node.upkeep import upkeep_of
from postroad.node.webhooks import ROLE, posting, webhook_facts
from postroad.policy.admission import AdmissionFacts
from postroad.protocol.smtp.data import Fault
from postroad.queue.scheduler import WaitReason
from postroad.smtpd import session
from postroad.smtpd.inbound import InboundListener
from postroad.smtpd.listener import SmtpListener, SubmissionListener
from postroad.storage import certificates
from postroad.storage.database import Database
from postroad.submission.accept import Submissions
from postroad.submission.repetitions import Repetitions
from postroad.telemetry.metrics import Meter
from postroad.webhooks.facts import WebhookFacts

_PREVIEW_ROOM = 8
"""How many times the largest message one that is only looked at may take, in pieces."""
_WAITS_FOR = {
    WaitReason.TURN: "its turn",
    WaitReason.WINDOW: "a session of its site, which may have no more",
    WaitReason.SESSIONS: "a session of its worker, which may have no more",
    WaitReason.PAUSE: "the end of its site's pause",
    WaitReason.SHARE: "a share of its site's limit, which other workers have",
}


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker runs."""

    settings: Settings
    database: Database
    sessions: session.Services
    inbound: InboundDoor
    notices: Notices
    console: Console
    api: ApiServices
    tracker: Tracker
    engine: DeliveryEngine | None
    pool: SessionPool
    certificate: ServerCertificate
    shown: ShownCertificate
    shown_hosts: ShownHosts
    places: Places
    meter: Meter

    def submission_listener(self) -> SubmissionListener:
        """Return the submission doors, not yet open."""
        return SubmissionListener(
            self.settings.smtp,
            self.sessions,
            hostname=hostname_of(self.settings),
            tls_context=self.certificate.context,
            clock=now_ms,
        )

    def inbound_listener(self) -> InboundListener[Target]:
        """Return the door for returned mail, not yet open."""
        return InboundListener(
            self.settings.smtp,
            self.settings.inbound,
            self.inbound,
            hostname=hostname_of(self.settings),
            tls_context=self.certificate.context,
            clock=now_ms,
        )

    async def find_proof(self, token: str) -> str | None:
        """Return what proves our names to a certificate authority that asks for a token, whichever node ordered it."""
        return await self.database.read(certificates.authorization, token)

    @property
    def leased_deliveries(self) -> int:
        """How many deliveries this worker holds."""
        return self.engine.held if self.engine else 0

    def take_stock(self, doors: Sequence[SmtpListener]) -> None:
        """Tell the meter what is counted where it happens, and costs nothing there: the connections both ways."""
        pool = self.pool
        self.meter.connections("out", now=pool.connections, since_start=pool.opened)
        self.meter.sessions(idle=len(pool), reused_since_start=pool.reused)
        if doors:
            rosters = [one.roster for one in doors]
            self.meter.connections("in", now=sum(map(len, rosters)), since_start=sum(one.opened for one in rosters))
            self.meter.turned_away(since_start=sum(one.turned_away for one in rosters))
            self.meter.bytes_in_flight(sum(one.budget.used for one in doors))

    def why(self, delivery_id: int) -> str | None:
        """Return which limit a delivery in this worker's ready set waits for."""
        wait = self.engine.why(delivery_id) if self.engine else None
        if wait is None:
            return None
        detail = f"; {wait.detail}" if wait.detail else ""
        queue = f"{wait.ready} ready, {wait.sessions} of {wait.window} sessions at work"
        return f"{_WAITS_FOR[wait.reason]} ({wait.key}: {queue}{detail})"

    async def stop(self) -> None:
        """Finish what is in flight and give leases back."""
        if self.engine is not None:
            await self.engine.stop(STOP_WITHIN_S)


@asynccontextmanager
async def build(
    plan: Plan, database: Database, lease: HeldLease, meter: Meter, certificate: ServerCertificate
) -> AsyncIterator[Services]:
    """Make the services of a worker and run their background work for the length of the block."""
    async with AsyncExitStack() as stack:
        ground = await lay_ground(plan, database, lease, meter, stack)
        if plan.is_dev:
            captured = await stack.enter_async_context(capturing(ground.settings, database, certificate))
            ground = msgspec.structs.replace(ground, settings=captured)
        settings = ground.settings
        api_keys = ApiKeyCheck(database, now_ms, settings=settings.accounts, meter=meter)
        await api_keys.refresh()
        posted = await webhook_facts(database, ground.keys.vault, ground.ids)
        ground.watch.add("api_keys", api_keys.refresh)
        ground.watch.add("webhooks", posted.refresh)
        background = [ground.watch.run(), api_keys.run()]
        shown, shown_hosts = await _shown(ground, certificate)
        background += [shown.run(), shown_hosts.run()]
        if "upkeep" in plan.roles:
            background += _ordering(ground, shown, shown_hosts)
        await stack.enter_async_context(running(background))
        pool = SessionPool(settings.delivery.connections)
        places = Places(settings.tracking.geo_database)
        await places.refresh()
        tracking = await stack.enter_async_context(_tracking(ground, shown_hosts, is_dev=plan.is_dev))
        ground = msgspec.structs.replace(ground, tracking=tracking)
        engine = (
            await stack.enter_async_context(running_engine(ground, pool, is_dev=plan.is_dev))
            if "delivery" in plan.roles
            else None
        )
        repetitions = Repetitions(database, now_ms, meter)
        await stack.enter_async_context(running([repetitions.run()]))
        submissions = _submissions(ground, engine, repetitions)
        notices = MailedNotices(database, submissions, settings.accounts.notices_from, now_ms)
        if "upkeep" in plan.roles:
            await stack.enter_async_context(running(upkeep_of(ground, notices)))
        if ROLE in plan.roles:
            await stack.enter_async_context(_posting(ground, posted, notices))
        authenticator = await stack.enter_async_context(_authenticating(ground, notices))
        blocklists = await stack.enter_async_context(running_blocklists(settings, ground.lookup, meter))
        console = await stack.enter_async_context(running_console(ground, notices, is_dev=plan.is_dev))
        yield Services(
            settings=settings,
            database=database,
            sessions=session.Services(authenticator=authenticator, submissions=submissions, blocklists=blocklists),
            inbound=inbound_door(settings, database, ground.keys, ground.ids, meter),
            notices=notices,
            console=console,
            api=_api(ground, api_keys, submissions, console),
            tracker=await stack.enter_async_context(_tracker(ground, tracking, places)),
            engine=engine,
            pool=pool,
            certificate=certificate,
            shown=shown,
            shown_hosts=shown_hosts,
            places=places,
            meter=meter,
        )


@asynccontextmanager
async def _tracking(ground: Ground, shown_hosts: ShownHosts, *, is_dev: bool) -> AsyncIterator[TrackingDirectory]:
    directory = TrackingDirectory(
        ground.database, ground.keys, ground.settings, now_ms, has_certificate=shown_hosts.covers, is_dev=is_dev
    )
    await directory.refresh()
    ground.watch.add("tracking", directory.refresh)
    async with running([directory.run()]):
        yield directory


def _api(ground: Ground, keys: ApiKeyCheck, submissions: Submissions, console: Console) -> ApiServices:
    return api_services(
        ground.settings,
        ground.database,
        ids=ground.ids,
        keys=keys,
        submissions=submissions,
        previews=_previews(ground),
        domains=ground.directory,
        groups=ground.groups,
        console=console,
    )


def _previews(ground: Ground) -> Previews:
    domains = DeliveryDomains(ground.directory, installation_names(ground.settings.domains))

    def contents() -> Contents:
        room = ground.settings.smtp.max_message_size * _PREVIEW_ROOM
        return Contents(ground.database, domains, now_ms, room, ground.library, tracking=ground.tracking)

    return Previews(contents)


def _posting(ground: Ground, facts: WebhookFacts, notices: Notices) -> AbstractAsyncContextManager[None]:
    return posting(
        ground.settings,
        ground.database,
        facts,
        lookup=ground.lookup,
        ids=ground.ids,
        notices=notices,
        meter=ground.meter,
        owner=ground.lease.incarnation,
    )


@asynccontextmanager
async def _tracker(ground: Ground, directory: TrackingDirectory, places: Places) -> AsyncIterator[Tracker]:
    settings = ground.settings.tracking
    responses = Responses(
        ground.database,
        now_ms,
        lambda partition: ground.ids.next(now_ms(), partition),
        meter=ground.meter,
        room=settings.queue,
        networks=machine_networks(settings.machine_networks),
        find_place=places.find,
    )
    try:
        async with running([responses.run(), places.run()]):
            names = DomainNames(ground.database, now_ms)
            yield Tracker(
                responses,
                directory,
                ground.meter,
                now_ms,
                name_of_domain=names.get,
                has_group=partial(has_group, ground.groups),
            )
    finally:
        await responses.close()


@asynccontextmanager
async def _authenticating(ground: Ground, notices: Notices) -> AsyncIterator[Authenticator]:
    authenticator = Authenticator(
        ground.database,
        now_ms,
        settings=ground.settings.accounts,
        meter=ground.meter,
        process_key=os.urandom(32),
        listener=LockoutNotices(ground.database, notices),
    )
    try:
        await authenticator.refresh()
        await authenticator.share()
        ground.watch.add("credentials", authenticator.refresh)
        async with running([authenticator.run()]):
            yield authenticator
    finally:
        authenticator.close()


def _submissions(ground: Ground, engine: DeliveryEngine | None, repetitions: Repetitions) -> Submissions:
    hostname, max_size = ground.hostname, ground.settings.smtp.max_message_size
    private_host_test = None if ground.settings.webhooks.allow_private_addresses else is_private_host

    def facts_for(domain: SendingDomain, message_id: int, now: int, faults: Fault | None) -> AdmissionFacts:
        return AdmissionFacts(
            domain=domain,
            hostname=hostname,
            message_id=message_id,
            now=now,
            identifier_key=ground.keys.identifier,
            organisational_domain_of=ground.organisational_domains,
            max_size=max_size,
            is_private_host=private_host_test,
            faults=faults,
        )

    return Submissions(
        database=ground.database,
        domains=ground.directory,
        ready=engine,
        ids=ground.ids,
        clock=now_ms,
        meter=ground.meter,
        facts_for=facts_for,
        settings=ground.settings.submission,
        templates=ground.library,
        repetitions=repetitions,
    )


async def _shown(ground: Ground, certificate: ServerCertificate) -> tuple[ShownCertificate, ShownHosts]:
    settings, database, vault = ground.settings, ground.database, ground.keys.vault
    shown = ShownCertificate(certificate, database, vault, is_obtained=is_obtained(settings), meter=ground.meter)
    await shown.refresh()
    hosts = ShownHosts(
        certificate,
        database,
        vault,
        now_ms,
        folder=settings.tls.host_certificates,
        is_obtained=has_obtained_hosts(settings),
    )
    await hosts.refresh()
    return shown, hosts


def _ordering(ground: Ground, shown: ShownCertificate, shown_hosts: ShownHosts) -> list[Coroutine[Any, Any, None]]:
    settings, names = ground.settings, certified_names(ground.settings)
    if not is_obtained(settings):
        return []
    ordering = Ordering(
        ground.database,
        ground.keys.vault,
        settings.tls.acme,
        names=names,
        clock=now_ms,
        when_issued=shown.refresh,
    )
    if not has_obtained_hosts(settings):
        return [ordering.run()]
    hosts = HostOrdering(
        ground.database,
        ground.keys.vault,
        ground.lookup,
        settings.tls.acme,
        own_names=own_names(settings),
        is_covered=lambda host: host in names or shown_hosts.is_in_files(host),
        clock=now_ms,
    )
    return [ordering.run(), hosts.run()]
