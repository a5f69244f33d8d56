"""Listening: reading the endpoints of the configuration and binding their sockets, one for each worker slot."""

import contextlib
import errno
import socket
from collections.abc import Iterator

import msgspec

from postroad.net.address import parse_address

_BACKLOG = 1024


class Endpoint(msgspec.Struct, frozen=True):
    """A local address and port; the empty host means every address of both families."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ListenError(Exception):
    """An endpoint cannot be listened on; the message says why in one sentence."""


def parse_endpoint(text: str) -> Endpoint:
    """Read ``192.0.2.1:587``, ``[2001:db8::1]:587`` or ``:587``; raises ValueError with a sentence."""
    host, colon, port = text.strip().rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535 or (":" in host) != bracketed:
        raise ValueError(f"{text!r} is not an address to listen on: write 0.0.0.0:587, [::]:587 or :587")
    if host == "localhost":
        host = "127.0.0.1"
    if host and parse_address(host) is None:
        raise ValueError(f"{text!r} names a host: listening needs an address of this machine, such as 127.0.0.1:{port}")
    return Endpoint(host, int(port))


def bind(endpoint: Endpoint, slots: int = 1) -> tuple[tuple[socket.socket, ...], ...]:
    """Return listening sockets for each of ``slots`` workers; raises ListenError.

    The sockets of one address share its port by SO_REUSEPORT, so the system spreads connections over the workers and
    a slot's socket outlives the worker that serves it. An empty host gives each slot one socket for either family.
    """
    with contextlib.ExitStack() as opened:
        _refuse_taken(endpoint)
        rows: list[list[socket.socket]] = [[] for _ in range(slots)]
        port = endpoint.port
        for family, host in _addresses(endpoint.host):
            for row in rows:
                listener = opened.enter_context(_open(endpoint, family, host, port, shares_port=True))
                listener.listen(_BACKLOG)
                # Port 0 lets the system choose once; every further socket follows the first.
                port = listener.getsockname()[1]
                row.append(listener)
        opened.pop_all()
    return tuple(tuple(row) for row in rows)


def _refuse_taken(endpoint: Endpoint) -> None:
    """Find another program on the port; SO_REUSEPORT alone would let two installations share it unnoticed."""
    if endpoint.port == 0:
        return
    for family, host in _addresses(endpoint.host):
        _open(endpoint, family, host, endpoint.port, shares_port=False).close()


def _addresses(host: str) -> Iterator[tuple[socket.AddressFamily, str]]:
    if host:
        yield (socket.AF_INET6 if ":" in host else socket.AF_INET), host
        return
    yield socket.AF_INET, "0.0.0.0"  # noqa: S104 - the operator asked for every address
    if _has_ipv6():
        yield socket.AF_INET6, "::"


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _open(
    endpoint: Endpoint, family: socket.AddressFamily, host: str, port: int, *, shares_port: bool
) -> socket.socket:
    listener: socket.socket | None = None
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # One socket for each family: an IPv4 client never shows up as an IPv4-mapped address.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
    except OSError as error:
        if listener is not None:
            listener.close()
        raise ListenError(f"cannot listen on {endpoint}: {_reason(error)}") from error
    return listener


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "another program is listening there already"
        case errno.EACCES | errno.EPERM:
            return "ports below 1024 need root or the capability CAP_NET_BIND_SERVICE"
        case errno.EADDRNOTAVAIL:
            return "this machine does not have that address"
        case errno.EAFNOSUPPORT:
            return "this machine has no IPv6"
        case _:
            return error.strerror or str(error)
