"""Network addresses: reading them, naming sets of them, and telling public ones from private ones."""

import functools
import ipaddress
import socket
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# RFC 6052 §2.1: the prefix under which translators reach IPv4 addresses.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NEVER_PUBLIC = (
    # RFC 6890 §2.2.2: protocol assignments, of which the standard library lists but some; Oracle's cloud tells its
    # hosts their metadata at 192.0.0.192.
    ipaddress.IPv4Network("192.0.0.0/24"),
    # Azure's hosts alone reach it, and it answers them with what only they should know.
    ipaddress.IPv4Network("168.63.129.16/32"),
)


def parse_address(text: str) -> Address | None:
    """Return the address a text stands for, or None where it is none.

    A zone index is dropped and an IPv4-mapped IPv6 address becomes the IPv4 address it carries (RFC 4291 §2.5.5.2),
    so that a dual-stack listener's clients compare equal to their IPv4 networks.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


@functools.lru_cache(maxsize=1024)
def normalise(text: str) -> str:
    """Return an address in its one usual spelling, and any other text as it is."""
    address = parse_address(text)
    return text if address is None else str(address)


def client_of(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 that one IPv6 host has to itself (RFC 4291 §2.5.1)."""
    if ":" not in address:
        return address
    parsed = parse_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
    return str(parsed) if parsed is not None else address


def parse_network(text: str) -> Network:
    """Read a CIDR network or a single address; raises ValueError with a sentence that says what is wrong."""
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError:
        pass
    try:
        meant = f"did you mean {ipaddress.ip_network(text.strip(), strict=False)}?"
    except ValueError:
        meant = "write an address, or a range such as 192.0.2.0/24"
    raise ValueError(f"{text!r} is not a network: {meant}")


class Networks:
    """A set of networks that an address is in or not."""

    __slots__ = ("_networks",)

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._networks = tuple(parse_network(text) for text in texts)

    def __contains__(self, address: object) -> bool:
        """Tell whether an address, given as text or value, lies in one of the networks."""
        if not self._networks:
            return False
        if isinstance(address, str):
            address = parse_address(address)
        return any(address in network for network in self._networks) if address is not None else False

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __repr__(self) -> str:
        return f"Networks({[str(network) for network in self._networks]!r})"


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the public Internet, looking through transition prefixes.

    Private, loopback, link-local, shared, documentation, multicast and reserved ranges are not, and nor are the
    addresses at which clouds tell their hosts metadata.
    """
    carried = _carried_ipv4(address)
    if carried is not None:
        return is_public(carried)
    if any(address in network for network in _NEVER_PUBLIC):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def is_private_host(host: str) -> bool:
    """Tell whether the host of a URL is, by itself, none of the public Internet: such an address, or this machine's name.

    Names that merely lead to such an address are for who connects to them.
    """
    name = host.removesuffix(".").lower()
    # RFC 6761 §6.3: these are loopback, whatever the DNS says.
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = parse_address(name) or _short_ipv4(name)
    return address is not None and not is_public(address)


def _short_ipv4(text: str) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address of a text such as 127.1 or 0x7f000001, as resolvers read it (POSIX inet_addr)."""
    if not text[:1].isdigit():
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(text))
    except OSError:
        return None


def _carried_ipv4(address: Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 one leads to: mapped, 6to4 (RFC 3056 §2), Teredo or NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)
