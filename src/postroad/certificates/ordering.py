"""Obtaining the installation's certificate and renewing it in time, by one worker of all nodes at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from postroad.certificates.errors import OrderError
from postroad.certificates.facts import CertificateFacts, facts_of
from postroad.certificates.obtaining import CLAIM_MS, obtain
from postroad.model.certificate import ObtainedCertificate
from postroad.net.clock import Clock
from postroad.net.settings import AcmeSettings
from postroad.policy.renewal import is_due, pause_after
from postroad.storage import certificates
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.storage.secrets import Vault

log = structlog.get_logger()

_LOOK_S = 5.0


class Ordering:
    """Asks the authority when it is time; many workers may run one, of which one at a time does it."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        settings: AcmeSettings,
        *,
        names: Sequence[str],
        clock: Clock,
        when_issued: Callable[[], Awaitable[object]],
    ) -> None:
        self._database = database
        self._vault = vault
        self._settings = settings
        self._names = tuple(names)
        self._clock = clock
        self._when_issued = when_issued
        self._read: tuple[str, CertificateFacts] | None = None

    async def run(self) -> None:
        """Look every five seconds whether it is time, until cancelled."""
        while True:
            try:
                await self.look()
            except StorageError as error:
                log.warning("certificate_not_looked_at", error=str(error))
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> bool:
        """Order a certificate where it is time and nobody else does, and tell whether one was issued."""
        now = self._clock()
        seen = await self._database.read(certificates.get)
        directory = self._settings.directory
        if not is_due(seen, self._covered(seen), names=self._names, directory=directory, now=now):
            return False
        if not await self._database.write(certificates.claim, seen, directory, now + CLAIM_MS):
            return False
        attempts = 1 if seen is None else seen.attempts + 1
        try:
            issued = await obtain(self._database, self._vault, self._settings, self._names, self._clock)
        except OrderError as error:
            next_attempt_at = self._clock() + pause_after(attempts)
            log.warning("certificate_not_issued", why=str(error), attempts=attempts, next_attempt_at=next_attempt_at)
            await self._database.write(certificates.note_failure, str(error), next_attempt_at)
            return False
        except asyncio.CancelledError:
            # This worker stops; the next one need not wait for the end of the claim.
            await self._database.write(certificates.give_back, now)
            raise
        await self._database.write(certificates.store, self._vault, issued)
        log.info("certificate_issued", names=self._names, expires_at=issued.expires_at)
        await self._when_issued()
        return True

    def _covered(self, seen: ObtainedCertificate | None) -> tuple[str, ...]:
        if seen is None or seen.certificate is None:
            return ()
        if self._read is None or self._read[0] != seen.certificate:
            self._read = (seen.certificate, facts_of(seen.certificate.encode()))
        return self._read[1].names
