"""What all services of a worker stand on."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from postroad.config import Settings
from postroad.dns import resolver
from postroad.dns.resolver import Resolver
from postroad.domains.directory import DomainDirectory
from postroad.model.ids import IdSource
from postroad.net.clock import now_ms
from postroad.node.channel import Plan
from postroad.node.installation import hostname_of
from postroad.node.keys import InstallationKeys, installation_keys
from postroad.node.lease import HeldLease
from postroad.node.tracking import TrackingDirectory
from postroad.policy.alignment import OrganisationalDomains
from postroad.storage.database import Database
from postroad.storage.revision_watch import RevisionWatch
from postroad.suppressions.group_directory import GroupDirectory
from postroad.telemetry.metrics import Meter
from postroad.templating.library import TemplateLibrary


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What all services of a worker stand on."""

    settings: Settings
    database: Database
    lease: HeldLease
    ids: IdSource
    meter: Meter
    keys: InstallationKeys
    lookup: Resolver
    directory: DomainDirectory
    library: TemplateLibrary
    groups: GroupDirectory
    watch: RevisionWatch
    organisational_domains: OrganisationalDomains
    tracking: TrackingDirectory | None = None

    @property
    def hostname(self) -> str:
        """The name that the node says it has."""
        return hostname_of(self.settings)


async def lay_ground(plan: Plan, database: Database, lease: HeldLease, meter: Meter, stack: AsyncExitStack) -> Ground:
    """Make it; what needs an end is ended by the stack."""
    settings = plan.settings
    keys = await installation_keys(database, Path(settings.data_dir))
    organisational_domains = OrganisationalDomains()
    lookup = resolver.from_settings(settings.dns, now_ms)
    stack.push_async_callback(lookup.aclose)
    directory = DomainDirectory(database, keys.vault, organisational_domains)
    library, groups = TemplateLibrary(database, directory.get), GroupDirectory(database)
    watch = RevisionWatch(database)
    watch.add("domains", directory.refresh)
    watch.add("templates", library.refresh)
    watch.add("groups", groups.refresh)
    return Ground(
        settings=settings,
        database=database,
        lease=lease,
        ids=IdSource(lease.number),
        meter=meter,
        keys=keys,
        lookup=lookup,
        directory=directory,
        library=library,
        groups=groups,
        watch=watch,
        organisational_domains=organisational_domains,
    )


@asynccontextmanager
async def running(background: list[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run background work beside the block; when one of them fails, so does the worker, and it is started anew."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in background]
        yield
        for task in tasks:
            task.cancel()
