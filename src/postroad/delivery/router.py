"""Finds where deliveries go: facts of DNS, remembered, put to ``policy.routing``."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from postroad.model.delivery import Delivery
from postroad.model.route import EgressSource, MailHosts, Route
from postroad.policy.egress import Pool, choose_source
from postroad.policy.routing import NextHop, NoRoute, RoutingRules, Shuffle, next_hop, route
from postroad.queue.scheduler import LotKey

_KNOWN_AT_MOST = 50_000


class MailHostFinder(Protocol):
    """Finds and remembers the mail hosts of domains; ``dns.mail_hosts`` does."""

    def cached(self, domain: str) -> MailHosts | None:
        """Return what is known without asking anyone."""

    async def mail_hosts(self, domain: str) -> MailHosts:
        """Return a domain's mail hosts; every failure is a status of its own."""


class Course(msgspec.Struct, frozen=True):
    """What a lot's routes are made of: all but the random order of equal hosts."""

    key: LotKey
    source: EgressSource
    hop: NextHop
    mail_hosts: MailHosts


class Router:
    """Gives deliveries their lot, and lots their route."""

    def __init__(
        self, finder: MailHostFinder, pools: Mapping[str, Pool], rules: RoutingRules, shuffle: Shuffle
    ) -> None:
        self.pools = pools
        self._finder = finder
        self._rules = rules
        self._shuffle = shuffle
        self._known: dict[tuple[str, str], tuple[Course | NoRoute, int]] = {}

    def replace_rules(self, rules: RoutingRules) -> None:
        """Use other rules from now on."""
        self._rules = rules
        self._known.clear()

    def known(self, delivery: Delivery, now: int) -> Course | NoRoute | None:
        """Return where a delivery goes as far as that is known; null when DNS must be asked first."""
        source = choose_source(self.pools[delivery.pool], delivery.id)
        found = self._known.get((source.name, delivery.destination))
        if found is not None and found[1] > now:
            return found[0]
        hop = next_hop(delivery.destination, self._rules)
        mail_hosts = self._finder.cached(hop.domain)
        return None if mail_hosts is None else self._remember(delivery.destination, source, hop, mail_hosts)

    async def find(self, delivery: Delivery) -> Course | NoRoute:
        """Return where a delivery goes, asking DNS."""
        source = choose_source(self.pools[delivery.pool], delivery.id)
        hop = next_hop(delivery.destination, self._rules)
        mail_hosts = await self._finder.mail_hosts(hop.domain)
        return self._remember(delivery.destination, source, hop, mail_hosts)

    def route(self, course: Course) -> Route | NoRoute:
        """Return a lot's route, with hosts of equal preference in a new random order."""
        return route(course.hop, course.mail_hosts, course.source, self._rules, self._shuffle)

    def _remember(
        self, destination: str, source: EgressSource, hop: NextHop, mail_hosts: MailHosts
    ) -> Course | NoRoute:
        found = route(hop, mail_hosts, source, self._rules, self._shuffle)
        course: Course | NoRoute
        if isinstance(found, NoRoute):
            course = found
        else:
            course = Course(LotKey(source.name, found.site), source, hop, mail_hosts)
        while len(self._known) >= _KNOWN_AT_MOST:
            del self._known[next(iter(self._known))]
        self._known[source.name, destination] = course, mail_hosts.expires_at
        return course
