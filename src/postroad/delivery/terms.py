"""What the delivery settings come to: routing rules, pools of egress sources, retries, and the limits of the queue."""

from collections.abc import Iterable

import msgspec

from postroad.delivery.settings import DeliverySettings, QueueSettings, RouteSettings, SourceSettings, TimeoutSettings
from postroad.model.route import EgressSource, Login
from postroad.net.address import is_public, parse_address
from postroad.policy.egress import Pool, make_pools
from postroad.policy.retry import RetrySchedule, parse_schedule
from postroad.policy.routing import RouteRule, RoutingRules
from postroad.policy.throttle import WindowLimits
from postroad.queue.scheduler import SchedulerLimits
from postroad.storage.routes import StoredRoute

DEFAULT_POOL = "default"
_SMTP_PORT = 25


class DeliveryTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The settings, understood."""

    rules: RoutingRules
    pools: dict[str, Pool]
    schedule: RetrySchedule
    limits: SchedulerLimits


def understand(settings: DeliverySettings, own_hosts: frozenset[str], own_addresses: frozenset[str]) -> DeliveryTerms:
    """Return what the settings come to; raises ValueError with a sentence where they make no sense.

    Args:
        settings: The ``delivery`` section, with ``hostname`` filled in.
        own_hosts: Names that mail comes back to us by.
        own_addresses: Addresses we take mail on.
    """
    least_s = longest_transfer_s(settings.timeouts) * 3 // 2
    if settings.queue.lease_s < least_s:
        raise ValueError(
            f"delivery.queue.lease_s is {settings.queue.lease_s}; with these timeouts {least_s} is the least"
        )
    return DeliveryTerms(
        rules=routing_rules(settings, own_hosts, own_addresses),
        pools=_pools(settings),
        schedule=parse_schedule(settings.retry_schedule),
        limits=_limits(settings.queue),
    )


def longest_transfer_s(timeouts: TimeoutSettings) -> int:
    """Return how long one transfer may take from DATA to the last reply, a slow host's content left out.

    Nothing begins with less lease left than this, so a lease is half as long again: a sixth is gone at a renewal.
    """
    return timeouts.data_s + timeouts.block_s + timeouts.final_dot_s


def routing_rules(settings: DeliverySettings, own_hosts: frozenset[str], own_addresses: frozenset[str]) -> RoutingRules:
    """Return the rules about routes; the smarthost is the rule that fits when no other does."""
    rules = [_rule(route) for route in settings.routes]
    if settings.smarthost:
        host, port = split_host(settings.smarthost, _SMTP_PORT)
        rules.append(RouteRule(pattern="*", host=host, port=port, tls_rule=settings.tls))
    patterns = [rule.pattern for rule in rules]
    if len(set(patterns)) < len(patterns):
        twice = next(pattern for pattern in patterns if patterns.count(pattern) > 1)
        raise ValueError(f"delivery.routes names {twice!r} twice (a smarthost is the route for '*')")
    return RoutingRules(
        rules=tuple(rules),
        port=settings.port,
        tls_rule=settings.tls,
        own_hosts=own_hosts | {settings.hostname},
        own_addresses=own_addresses,
        is_allowed=None if settings.allow_private_addresses else _is_public,
    )


def with_stored_routes(rules: RoutingRules, stored: Iterable[StoredRoute]) -> RoutingRules:
    """Return the rules with the operator's stored routes, which replace configured ones of the same pattern."""
    by_pattern = {rule.pattern: rule for rule in rules.rules}
    for route in stored:
        pattern = f"*{route.destination}" if route.destination.startswith(".") else route.destination
        by_pattern[pattern] = RouteRule(
            pattern=pattern,
            host=route.host,
            port=route.port,
            tls_rule=route.tls_rule,
            implicit_tls=route.implicit_tls,
            login=route.login,
        )
    return msgspec.structs.replace(rules, rules=tuple(by_pattern.values()))


def split_host(text: str, default_port: int) -> tuple[str, int]:
    """Split ``host``, ``host:port``, ``[2001:db8::1]:port`` or a bare IPv6 address."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or (":" in host and not host.endswith("]")):
        host, port = text, str(default_port)
    if not port.isdigit() or not 0 < int(port) < 65_536:
        raise ValueError(f"{text!r} is not a host: write host, host:port or [address]:port")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _is_public(text: str) -> bool:
    address = parse_address(text)
    return address is not None and is_public(address)


def _rule(route: RouteSettings) -> RouteRule:
    return RouteRule(
        pattern=route.destination.lower(),
        host=route.host or None,
        port=route.port,
        tls_rule=route.tls,
        implicit_tls=route.implicit_tls,
        login=Login(route.username, route.password) if route.username else None,
    )


def _pools(settings: DeliverySettings) -> dict[str, Pool]:
    """Return the pools this node serves; without any setting one pool with one source that the system chooses."""
    sources = {name: _source(name, source, settings.hostname) for name, source in settings.sources.items()}
    if not sources:
        sources = {DEFAULT_POOL: EgressSource(name=DEFAULT_POOL, ehlo_name=settings.hostname)}
    weights = settings.pools or {DEFAULT_POOL: dict.fromkeys(sources, 1)}
    return make_pools(weights, sources)


def _source(name: str, settings: SourceSettings, hostname: str) -> EgressSource:
    if not settings.ipv4 and not settings.ipv6:
        raise ValueError(f"delivery.sources.{name} has no address: set ipv4, ipv6 or both")
    return EgressSource(
        name=name, ehlo_name=settings.hostname or hostname, ipv4=settings.ipv4 or None, ipv6=settings.ipv6 or None
    )


def _limits(queue: QueueSettings) -> SchedulerLimits:
    return SchedulerLimits(
        ready=queue.ready,
        ready_per_lot=queue.ready_per_site,
        sessions=queue.sessions,
        smallest_batch=min(5, queue.batch),
        largest_batch=queue.batch,
        window=WindowLimits(
            initial=min(queue.first_sessions, queue.sessions_per_site),
            maximum=queue.sessions_per_site,
            first_pause_s=queue.first_pause_s,
            longest_pause_s=max(queue.longest_pause_s, queue.first_pause_s),
        ),
    )
