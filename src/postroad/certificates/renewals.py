"""What an operator may know and do about the obtained certificates."""

from postroad.model.actor import Actor
from postroad.model.audit import entry_of
from postroad.model.certificate import HostCertificate, ObtainedCertificate
from postroad.model.refused import MissingError, RefusedError
from postroad.net.clock import Clock
from postroad.policy.permission import require_operator
from postroad.storage import certificates
from postroad.storage.audit import recorded
from postroad.storage.database import Database


class Renewals:
    """Shows the certificate and has it asked for before its time."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def obtained(self, actor: Actor) -> ObtainedCertificate | None:
        """Return the certificate and how obtaining it stands; raises ForbiddenError."""
        require_operator(actor)
        return await self._database.read(certificates.get)

    async def hosts(self, actor: Actor) -> list[HostCertificate]:
        """Return how those of tracking hosts stand, in the order of their names; raises ForbiddenError."""
        require_operator(actor)
        found = await self._database.read(certificates.of_hosts)
        return [found[host] for host in sorted(found)]

    async def ask_now_for_host(self, actor: Actor, host: str) -> None:
        """Have a node look at a tracking host within ten seconds, whatever went wrong before.

        Raises MissingError where no certificate is asked for it.
        """
        require_operator(actor)
        seen = await self._database.read(certificates.of_host, host)
        if seen is None:
            raise MissingError(f"No certificate is asked for {host}: it is the tracking host of no active domain.")
        now = self._clock()
        entry = entry_of(actor, "certificate.asked_for", host, at=now, account_id=None)
        await self._database.write(recorded, entry, certificates.ask_now, now, host)

    async def ask_now(self, actor: Actor) -> None:
        """Have a node ask the authority within ten seconds, whatever the certificate's age and earlier failures.

        Raises RefusedError where none was asked for yet: the first node that starts does that.
        """
        seen = await self.obtained(actor)
        if seen is None:
            raise RefusedError("No certificate was asked for yet: a node does that when it starts with tls.acme set.")
        now = self._clock()
        entry = entry_of(actor, "certificate.asked_for", seen.directory, at=now, account_id=None)
        await self._database.write(recorded, entry, certificates.ask_now, now)
