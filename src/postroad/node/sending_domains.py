"""Sending domains in a worker: what delivery asks about them, what registers them, and what checks their records."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from postroad.config import Settings
from postroad.dns.resolver import Lookup
from postroad.domains.directory import DomainDirectory
from postroad.domains.registration import Registration
from postroad.domains.verification import Verification
from postroad.model.domain import SendingDomain
from postroad.net.clock import now_ms
from postroad.node.client_access import names_of
from postroad.node.first_start import console_url
from postroad.policy.alignment import OrganisationalDomains
from postroad.policy.records import InstallationNames, return_path_domain
from postroad.protocol.dkim.key import SigningKey
from postroad.storage.database import Database
from postroad.storage.secrets import Vault


class DeliveryDomains:
    """What delivery must know of sending domains."""

    def __init__(self, directory: DomainDirectory, names: InstallationNames) -> None:
        self._directory = directory
        self._names = names

    async def get(self, domain_id: int) -> SendingDomain:
        """Return a sending domain; raises LookupError where it is gone."""
        domain = await self._directory.get(domain_id)
        if domain is None:
            raise LookupError(f"there is no domain with the id {domain_id}")
        return domain

    async def signing_keys(self, domain_id: int) -> Sequence[SigningKey]:
        """Return the keys that sign a domain's mail, in the order of their signatures."""
        return await self._directory.signing_keys(domain_id)

    async def return_path_host(self, domain_id: int) -> str:
        """Return the host of a domain's return paths."""
        return return_path_domain((await self.get(domain_id)).name, self._names)


def registration_of(
    settings: Settings, database: Database, vault: Vault, organisational_domains: OrganisationalDomains
) -> Registration:
    """Return what adds sending domains and changes them."""
    console_host = urlsplit(console_url(settings)).hostname or ""
    return Registration(database, vault, settings.domains, organisational_domains, now_ms, console_host=console_host)


def verification_of(
    settings: Settings, database: Database, vault: Vault, organisational_domains: OrganisationalDomains, lookup: Lookup
) -> Verification:
    """Return what checks the records of sending domains; ``lookup`` has no cache, so that new records are seen."""
    return Verification(
        database,
        vault,
        lookup,
        settings=settings.domains,
        names=names_of(settings),
        organisational_domain_of=organisational_domains,
        clock=now_ms,
    )
