"""Obtaining a certificate for each tracking host of a domain, and renewing it in time."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from postroad.certificates.errors import OrderError
from postroad.certificates.obtaining import CLAIM_MS, obtain
from postroad.dns.answer import AnswerStatus, RecordType
from postroad.dns.resolver import Lookup
from postroad.model.certificate import HostCertificate
from postroad.model.domain import DomainState
from postroad.net.clock import Clock
from postroad.net.settings import AcmeSettings
from postroad.policy.renewal import pause_after
from postroad.storage import certificates, domains, revision
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.storage.secrets import Vault

log = structlog.get_logger()

_LOOK_S = 5.0
_ASTRAY_MS = 300_000
"""A host that does not lead here is looked up again after this time; the authority need not know of it."""


class HostOrdering:
    """Asks the authority for hosts one after another; of many workers one at a time asks for a host.

    ``own_names`` are the installation's: a host leads here when its addresses are among theirs. Those of which
    ``is_covered`` says that there is a certificate already are left alone.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        lookup: Lookup,
        settings: AcmeSettings,
        *,
        own_names: Sequence[str],
        is_covered: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        self._database = database
        self._vault = vault
        self._lookup = lookup
        self._settings = settings
        self._own_names = tuple(own_names)
        self._is_covered = is_covered
        self._clock = clock
        self._revision: int | None = None
        self._hosts: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Look every five seconds whether it is time for one, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                await self.look()
            except StorageError as error:
                log.warning("host_certificates_not_looked_at", error=str(error))

    async def look(self) -> int:
        """Order what it is time for and nobody else does; returns how many certificates were issued."""
        stored = await self._database.read(certificates.of_hosts)
        wanted = [host for host in await self._tracking_hosts() if not self._is_covered(host)]
        await self._forget(stored, wanted)
        return sum([await self._looked_at(host, stored.get(host)) for host in wanted])

    async def _tracking_hosts(self) -> Sequence[str]:
        current = await self._database.read(revision.current)
        if current != self._revision:
            active = await self._database.read(domains.list_in_state, DomainState.ACTIVE)
            self._hosts = frozenset(one.settings.tracking_host for one in active if one.settings.tracking_host)
            self._revision = current
        return sorted(self._hosts)

    async def _forget(self, stored: dict[str, HostCertificate], wanted: Sequence[str]) -> None:
        """Give up what nobody wants any more; a valid one is shown to its end, for mail that was delivered."""
        now = self._clock()
        gone = [
            host
            for host, one in stored.items()
            if host not in wanted and (one.expires_at is None or one.expires_at < now)
        ]
        if gone:
            await self._database.write(certificates.forget, gone)

    async def _looked_at(self, host: str, seen: HostCertificate | None) -> bool:
        """Order one where it is time, and tell whether it was issued."""
        now, directory = self._clock(), self._settings.directory
        is_other = seen is not None and seen.directory != directory and seen.attempts == 0
        if seen is not None and seen.next_attempt_at > now and not is_other:
            return False
        if not await self._database.write(certificates.claim, seen, directory, now + CLAIM_MS, host):
            return False
        attempts = 1 if seen is None else seen.attempts + 1
        try:
            astray = await self._why_astray(host)
            if astray:
                await self._database.write(certificates.note_astray, astray, now + _ASTRAY_MS, host)
                return False
            issued = await obtain(self._database, self._vault, self._settings, (host,), self._clock)
        except OrderError as error:
            next_attempt_at = self._clock() + pause_after(attempts)
            log.warning(
                "host_certificate_not_issued",
                host=host,
                why=str(error),
                attempts=attempts,
                next_attempt_at=next_attempt_at,
            )
            await self._database.write(certificates.note_failure, str(error), next_attempt_at, host)
            return False
        except asyncio.CancelledError:
            # This worker stops; the next one need not wait for the end of the claim.
            await self._database.write(certificates.give_back, now, host)
            raise
        await self._database.write(certificates.store, self._vault, issued, host)
        log.info("host_certificate_issued", host=host, expires_at=issued.expires_at)
        return True

    async def _why_astray(self, host: str) -> str:
        """Say why a host does not lead here, in one sentence; empty where it does."""
        theirs, canonical, failure = await self._addresses(host)
        if canonical in self._own_names:
            return ""
        if failure:
            return f"{host} was not looked up: {failure}"
        if not theirs:
            return f"{host} leads nowhere: publish its record."
        ours: set[str] = set()
        for name in self._own_names:
            addresses, _, _ = await self._addresses(name)
            ours |= addresses
        if theirs & ours:
            return ""
        led = f"{', '.join(self._own_names)} ({', '.join(sorted(ours)) or 'which has no address'})"
        return f"{host} leads to {', '.join(sorted(theirs))}, and not to {led}."

    async def _addresses(self, name: str) -> tuple[set[str], str, str]:
        """Return a name's addresses, the name that holds them, and what went wrong where that is not known."""
        answers = [await self._lookup.resolve(name, one) for one in (RecordType.A, RecordType.AAAA)]
        found = {text for answer in answers if answer.status is AnswerStatus.FOUND for text in answer.texts}
        canonical = next((one.canonical_name for one in answers if one.canonical_name), name)
        failure = next((one.detail for one in answers if one.status is AnswerStatus.TEMPORARY), "")
        return found, canonical, "" if found else failure
