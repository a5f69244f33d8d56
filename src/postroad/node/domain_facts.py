"""What delivery asks about sending domains, answered from the worker's directory."""

from collections.abc import Sequence

from postroad.domains.directory import DomainDirectory
from postroad.model.domain import SendingDomain
from postroad.policy.records import InstallationNames, return_path_domain
from postroad.protocol.dkim.key import SigningKey


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
