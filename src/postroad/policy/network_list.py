"""Reading the networks that a credential may be used from, as people write them: several at once, in any layout."""

import ipaddress
import re
from collections.abc import Iterable

import msgspec

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MOST_NETWORKS = 100
_BETWEEN = re.compile(r"[\s,;]+")
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_LONGEST_SHOWN = 60


class NetworkList(msgspec.Struct, frozen=True):
    """What was read of a list."""

    networks: tuple[str, ...]
    """CIDR networks in the order they were written, each once."""
    problems: tuple[str, ...]
    """One sentence for each entry that is none, naming it."""


def read_networks(text: str) -> NetworkList:
    """Read addresses and CIDR ranges of either family between commas, semicolons, spaces and line ends."""
    networks: dict[str, None] = {}
    problems = []
    for entry in filter(None, _BETWEEN.split(text)):
        read = _read(entry)
        if isinstance(read, str):
            problems.append(read)
        else:
            networks[str(read)] = None
    if len(networks) > MOST_NETWORKS:
        problems.append(f"The list has {len(networks)} networks: {MOST_NETWORKS} at most, so join some to wider ones.")
    return NetworkList(tuple(networks), tuple(problems))


def networks_in(stored: str) -> tuple[str, ...]:
    """Return the networks of a list as ``read_networks`` found it right."""
    return tuple(filter(None, _BETWEEN.split(stored)))


def in_words(network: str) -> str:
    """Return a stored network as people write it: a single address without its length."""
    parsed = ipaddress.ip_network(network)
    return str(parsed.network_address) if parsed.prefixlen == parsed.max_prefixlen else network


def first_beyond(networks: Iterable[str], bounds: Iterable[str]) -> str | None:
    """Return the first of some stored networks that lies within none of the bounds; null where each lies within one."""
    within = [ipaddress.ip_network(bound) for bound in bounds]
    return next(
        (one for one in networks if not any(_is_within(ipaddress.ip_network(one), bound) for bound in within)), None
    )


def _is_within(network: Network, bound: Network) -> bool:
    return network.version == bound.version and network.subnet_of(bound)  # type: ignore[arg-type] # of one version


def _read(entry: str) -> Network | str:
    shown = entry if len(entry) <= _LONGEST_SHOWN else f"{entry[:_LONGEST_SHOWN]}…"
    if "%" in entry:
        return f"{shown} has a zone, which means something on one machine only: leave out what follows the %."
    try:
        loose = ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return f"{shown} is not an address, nor a range such as 192.0.2.0/24 or 2001:db8::/32."
    address = ipaddress.ip_address(entry.partition("/")[0])
    if address != loose.network_address:
        return f"{shown} names an address within a range: did you mean {loose}, or {address} alone?"
    return _unmapped(loose)


def _unmapped(network: Network) -> Network:
    # A dual-stack listener's IPv4 clients are compared as IPv4 addresses (RFC 4291 §2.5.5.2).
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        carried = int(network.network_address) & 0xFFFF_FFFF
        return ipaddress.IPv4Network((carried, network.prefixlen - 96))
    return network
