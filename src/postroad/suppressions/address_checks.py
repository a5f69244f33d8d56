"""Checking addresses: facts are gathered from DNS and from what became of earlier mail, and policy judges."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import msgspec

from postroad.dns.cache import Cache
from postroad.dns.mail_hosts import find_mail_hosts
from postroad.dns.resolver import Lookup
from postroad.dns.settings import DnsSettings
from postroad.model.actor import Actor
from postroad.model.address_check import AddressCheck, AddressHistory
from postroad.model.refused import TooSoonError
from postroad.model.route import MailHosts, MxStatus
from postroad.net.address import is_public, parse_address
from postroad.net.clock import Clock
from postroad.policy.address_check import judge, malformed, understood
from postroad.policy.suppression import comparable
from postroad.protocol.smtp.address import AddressError
from postroad.storage import address_history
from postroad.storage.database import Database
from postroad.suppressions.address_lists import AddressLists
from postroad.suppressions.settings import AddressCheckSettings

_REMEMBERED_MS = 90 * 86_400_000
"""How far back mail is looked at."""
_READS_AT_ONCE = 2
"""Looking for earlier mail takes some 20 ms of a connection to read by; others need one, too."""


class AddressChecks:
    """Says of addresses whether mail to them is likely to arrive; ``lists.run`` must be running beside it."""

    def __init__(
        self,
        database: Database,
        lookup: Lookup,
        clock: Clock,
        *,
        settings: AddressCheckSettings,
        dns: DnsSettings,
        allow_private_addresses: bool,
    ) -> None:
        """Read the lists; ``lookup`` is a resolver without a cache, which is put in front of it here."""
        self.lists = AddressLists(settings.disposable_domains)
        self._database = database
        self._cache = Cache(lookup, clock, dns)
        self._clock = clock
        self.dns_within_ms = settings.dns_within_ms
        """How long DNS has for a check."""
        self._at_once = settings.at_once
        self.most_of_account = settings.at_once // 2
        """How many checks one account may have under way, so that nobody takes all places."""
        self._is_allowed: Callable[[str], bool] = _any_address if allow_private_addresses else _is_public
        self._under_way: Counter[int | None] = Counter()
        self._reading = asyncio.Semaphore(_READS_AT_ONCE)

    async def check(self, actor: Actor, text: str, domain_id: int | None = None) -> AddressCheck:
        """Return what is to be said of an address.

        Args:
            actor: Whose earlier mail is looked at: that of its account.
            text: What was given as an address.
            domain_id: Only the mail of this sending domain is looked at, where it is one of the account's.

        Raises:
            TooSoonError: too many are under way.
        """
        return await self._checked(text, actor.account_id, domain_id, self._place(actor.account_id))

    async def check_of_list(self, text: str, account_id: int | None, domain_id: int | None) -> AddressCheck:
        """Return what is to be said of an address of a list, whose checker sees to it that they are few at a time."""
        return await self._checked(text, account_id, domain_id, nullcontext())

    async def aclose(self) -> None:
        """End the look-ups that still run."""
        await self._cache.aclose()

    async def _checked(
        self, text: str, account_id: int | None, domain_id: int | None, place: AbstractContextManager[None]
    ) -> AddressCheck:
        try:
            parts = understood(text)
        except AddressError as error:
            return malformed(text, error)
        with place:
            hosts, history = await asyncio.gather(
                self._mail_hosts(parts.domain), self._history(comparable(parts.address), account_id, domain_id)
            )
        return judge(text, parts, hosts, history, self.lists.names)

    @contextmanager
    def _place(self, account_id: int | None) -> Iterator[None]:
        """Hold one of the places, of which an account has a part."""
        is_full = self._under_way.total() >= self._at_once
        if is_full or self._under_way[account_id] >= self.most_of_account:
            raise TooSoonError("As many addresses are being checked as can be at a time: try again in a second.", 1)
        self._under_way[account_id] += 1
        try:
            yield
        finally:
            self._under_way[account_id] -= 1
            # Accounts without any are forgotten.
            self._under_way += Counter()

    async def _history(self, address: str, account_id: int | None, domain_id: int | None) -> AddressHistory:
        async with self._reading:
            return await self._database.read(
                address_history.of_address,
                address,
                account_id=account_id,
                domain_id=domain_id,
                since=self._clock() - _REMEMBERED_MS,
            )

    async def _mail_hosts(self, domain: str) -> MailHosts:
        try:
            # The look-up goes on for those who ask next.
            async with asyncio.timeout(self.dns_within_ms / 1000):
                hosts = await find_mail_hosts(self._cache, domain, self._clock())
        except TimeoutError:
            detail = f"DNS gave no answer about {domain} within {self.dns_within_ms / 1000:g} s"
            return MailHosts(status=MxStatus.TEMPORARY, detail=detail)
        return self._within_bounds(domain, hosts)

    def _within_bounds(self, domain: str, hosts: MailHosts) -> MailHosts:
        """Return the hosts that a delivery would connect to."""
        if hosts.status is not MxStatus.FOUND:
            return hosts
        reachable = tuple(one for one in hosts.hosts if any(map(self._is_allowed, one.addresses)))
        if reachable:
            return msgspec.structs.replace(hosts, hosts=reachable)
        detail = f"{domain} names only mail hosts with private addresses"
        return MailHosts(status=MxStatus.NO_HOSTS, detail=detail, expires_at=hosts.expires_at)


def _is_public(text: str) -> bool:
    address = parse_address(text)
    return address is not None and is_public(address)


def _any_address(_text: str) -> bool:
    return True
