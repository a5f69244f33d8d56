"""The upkeep of an installation: what the one worker that has it does now and then."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from postroad.accounts.admin_notices import AdminNotices
from postroad.accounts.logins.lockout_upkeep import forgetting
from postroad.accounts.notices import Notices
from postroad.domains.pause_watch import PauseWatch
from postroad.domains.verification import Verification
from postroad.net.clock import now_ms
from postroad.node.ground import Ground
from postroad.node.sending_domains import verification_of
from postroad.storage.errors import StorageError
from postroad.upkeep.rounds import Upkeep
from postroad.upkeep.tasks import TASKS

log = structlog.get_logger()

_DOMAIN_CHECKS_S = 300.0


def upkeep_of(ground: Ground, notices: Notices) -> list[Coroutine[Any, Any, None]]:
    """Return the rounds and the checks of records, which run where this worker's turn is."""
    settings = ground.settings
    pauses = PauseWatch(ground.database, AdminNotices(ground.database, notices))
    upkeep = Upkeep(
        ground.database,
        now_ms,
        incarnation=ground.lease.incarnation,
        settings=settings.retention,
        pulse=ground.lease.pulse,
        meter=ground.meter,
        tasks=TASKS | forgetting(settings.accounts.lockout) | {"pause_domains": pauses.pause_domains},
    )
    verification = verification_of(
        settings, ground.database, ground.keys.vault, ground.organisational_domains, ground.lookup
    )
    return [upkeep.run(), _keep_checking(verification, upkeep)]


async def _keep_checking(verification: Verification, upkeep: Upkeep) -> None:
    """Check the records of active domains when their turn comes, in the one worker that does upkeep."""
    while True:
        await asyncio.sleep(_DOMAIN_CHECKS_S)
        try:
            if await upkeep.is_mine():
                await verification.check_due()
        except* StorageError as errors:
            log.warning("domain_checks_interrupted", error=str(errors.exceptions[0]))
