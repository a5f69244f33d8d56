"""Where a delivery goes: from a destination and what DNS says of it to a route, or to why there is none.

First :func:`next_hop` says what to look up: the destination itself, or the host that a routing rule names instead.
Then :func:`route` turns the answer into hops in the order to try them (RFC 5321 §5.1).
"""

import enum
import hashlib
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import chain, groupby, zip_longest

import msgspec

from postroad.model.outcome import BounceClass
from postroad.model.route import EgressSource, Hop, Login, MailHost, MailHosts, MxStatus, Route, TlsRule

Shuffle = Callable[[list[MailHost]], None]
"""Puts hosts of one preference into random order, in place."""
IsAllowed = Callable[[str], bool]
"""Says of an address whether strangers' DNS may have us connect to it."""


class RouteRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule for destinations that do not simply go to their mail hosts."""

    pattern: str
    """``example.com``, ``*.example.com`` for the domains below it, or ``*`` for every destination."""
    host: str | None = None
    """The host that takes the mail, as a name or an address; null leaves the choice to DNS."""
    port: int = 25
    tls_rule: TlsRule = TlsRule.OPPORTUNISTIC
    implicit_tls: bool = False
    login: Login | None = None


class RoutingRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator laid down about routes, and who we are ourselves."""

    rules: tuple[RouteRule, ...] = ()
    """The most exact pattern wins; a smarthost is the rule for ``*``."""
    port: int = 25
    tls_rule: TlsRule = TlsRule.OPPORTUNISTIC
    own_hosts: frozenset[str] = frozenset()
    """Names of ours that mail comes back to; mail is never sent to them over MX records."""
    own_addresses: frozenset[str] = frozenset()
    is_allowed: IsAllowed | None = None
    """Null allows every address; hosts that a rule names may always have any."""


class NextHop(msgspec.Struct, frozen=True):
    """Whom to ask DNS about for a destination, and the rule that decides on what terms."""

    domain: str
    """The destination, or the host that a rule names; an address needs no look-up."""
    rule: RouteRule | None


class Fate(enum.Enum):
    """What becomes of a delivery that has no route."""

    DEFERRED = "deferred"
    BOUNCED = "bounced"


class NoRoute(msgspec.Struct, frozen=True):
    """Why a destination cannot be reached, and what becomes of its deliveries."""

    fate: Fate
    enhanced_status: str
    text: str
    bounce_class: BounceClass
    is_loop: bool = False
    """The best host is ourselves; a report of ours ends here, and nobody is told."""


def next_hop(destination: str, rules: RoutingRules) -> NextHop:
    """Return what to look up for a destination: itself, unless a rule names a host."""
    rule = rule_for(destination, rules.rules)
    if rule is None or rule.host is None:
        return NextHop(destination, rule)
    return NextHop(rule.host, rule)


def rule_for(destination: str, rules: Iterable[RouteRule]) -> RouteRule | None:
    """Return the rule with the most exact pattern that fits: the name, then the longest parent, then ``*``."""
    fitting = [rule for rule in rules if _fits(rule.pattern, destination)]
    return max(fitting, key=lambda rule: (not rule.pattern.startswith("*"), len(rule.pattern)), default=None)


def route(
    hop: NextHop, mail_hosts: MailHosts, source: EgressSource, rules: RoutingRules, shuffle: Shuffle
) -> Route | NoRoute:
    """Return the route from one egress source to a next hop, in a new random order of equal hosts."""
    if mail_hosts.status is not MxStatus.FOUND:
        return _without_hosts(hop.domain, mail_hosts)
    is_relayed = hop.rule is not None and hop.rule.host is not None
    hosts = mail_hosts.hosts if is_relayed else _before_ourselves(mail_hosts.hosts, rules)
    if not hosts:
        # RFC 5321 §5.1: the best host left is ourselves: sending on would make a loop.
        text = f"Mail for {hop.domain} loops back to this server."
        return NoRoute(Fate.BOUNCED, "5.4.6", text, BounceClass.ROUTING, is_loop=True)
    if not is_relayed:
        hosts = _within_bounds(hosts, rules)
        if not hosts:
            # What a domain publishes, or a literal says, may not make us talk to what only we can reach.
            text = f"{hop.domain} names only mail hosts with private addresses."
            return NoRoute(Fate.BOUNCED, "5.4.4", text, BounceClass.BAD_DOMAIN)
    port = hop.rule.port if is_relayed and hop.rule is not None else rules.port
    hops = _hops(hosts, source, port, shuffle)
    if not hops:
        text = f"No host of {hop.domain} has an address of a family that {source.name} sends from."
        return NoRoute(Fate.DEFERRED, "4.4.4", text, BounceClass.ROUTING)
    rule = hop.rule
    return Route(
        site=_relay_site(hop.domain, port) if is_relayed else site_name(hosts, rule.tls_rule if rule else None),
        hops=tuple(hops),
        source=source,
        tls_rule=rule.tls_rule if rule else rules.tls_rule,
        login=rule.login if rule else None,
        implicit_tls=rule.implicit_tls if rule else False,
    )


def site_name(hosts: Iterable[MailHost], tls_rule: TlsRule | None = None) -> str:
    """Return a stable name for an MX set: its first host, with a mark of the whole set where there are more.

    The mark leaves out the order within a preference, so that equal sets have equal names. Destinations with a TLS
    rule of their own get their own site: a session that suits one need not suit the other.
    """
    ranked = sorted((host.preference, host.name) for host in hosts)
    name = ranked[0][1]
    if len(ranked) > 1:
        digest = hashlib.blake2b(repr(ranked).encode(), digest_size=4).hexdigest()
        name = f"{name}~{digest}"
    return f"{name}!{tls_rule.value}" if tls_rule else name


def _fits(pattern: str, destination: str) -> bool:
    if pattern.startswith("*."):
        return destination.endswith(pattern[1:])
    return pattern in ("*", destination)


def _relay_site(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _without_hosts(domain: str, mail_hosts: MailHosts) -> NoRoute:
    fate, enhanced_status, bounce_class, text = _WITHOUT_HOSTS[mail_hosts.status]
    because = f": {mail_hosts.detail}" if mail_hosts.detail else ""
    return NoRoute(fate, enhanced_status, f"{text.format(domain)}{because}.", bounce_class)


_WITHOUT_HOSTS: dict[MxStatus, tuple[Fate, str, BounceClass, str]] = {
    # RFC 7505 §4.1: no attempt is made, and the code says why.
    MxStatus.NULL_MX: (Fate.BOUNCED, "5.1.10", BounceClass.BAD_DOMAIN, "{} takes no mail"),
    # RFC 3463 §3.2: X.1.2 is a destination system that does not exist.
    MxStatus.NO_SUCH_DOMAIN: (Fate.BOUNCED, "5.1.2", BounceClass.BAD_DOMAIN, "{} does not exist"),
    # RFC 3463 §3.5: X.4.4 is a next hop that cannot be determined.
    MxStatus.NO_HOSTS: (Fate.BOUNCED, "5.4.4", BounceClass.BAD_DOMAIN, "{} has no mail host that can be reached"),
    # RFC 3463 §3.5: X.4.3 is a directory server, here DNS, that gives no answer.
    MxStatus.TEMPORARY: (Fate.DEFERRED, "4.4.3", BounceClass.ROUTING, "{} could not be looked up"),
}


def _before_ourselves(hosts: tuple[MailHost, ...], rules: RoutingRules) -> tuple[MailHost, ...]:
    """Return the hosts that are nearer to the destination than we are (RFC 5321 §5.1)."""
    ours = [host.preference for host in hosts if _is_own(host, rules)]
    if not ours:
        return hosts
    return tuple(host for host in hosts if host.preference < min(ours))


def _within_bounds(hosts: tuple[MailHost, ...], rules: RoutingRules) -> tuple[MailHost, ...]:
    """Return the hosts with those of their addresses that we may connect to."""
    is_allowed = rules.is_allowed
    if is_allowed is None:
        return hosts
    return tuple(
        msgspec.structs.replace(host, addresses=addresses)
        for host in hosts
        if (addresses := tuple(address for address in host.addresses if is_allowed(address)))
    )


def _is_own(host: MailHost, rules: RoutingRules) -> bool:
    return host.name in rules.own_hosts or not rules.own_addresses.isdisjoint(host.addresses)


def _hops(hosts: Iterable[MailHost], source: EgressSource, port: int, shuffle: Shuffle) -> list[Hop]:
    hops: list[Hop] = []
    for _, equals in groupby(sorted(hosts, key=lambda host: host.preference), key=lambda host: host.preference):
        in_turn = list(equals)
        # RFC 5321 §5.1: hosts of equal preference are tried in random order, which spreads the load.
        shuffle(in_turn)
        for host in in_turn:
            hops += [Hop(host.name, address, port) for address in _interleaved(host.addresses, source)]
    return hops


def _interleaved(addresses: Iterable[str], source: EgressSource) -> list[str]:
    """Return the usable addresses, families in turn: IPv4 leads, since more receivers trust it."""
    parsed = [ip_address(address) for address in addresses]
    is_free = source.ipv4 is None and source.ipv6 is None
    v4 = [str(one) for one in parsed if isinstance(one, IPv4Address) and (is_free or source.ipv4)]
    v6 = [str(one) for one in parsed if isinstance(one, IPv6Address) and (is_free or source.ipv6)]
    return [address for address in chain.from_iterable(zip_longest(v4, v6)) if address is not None]
