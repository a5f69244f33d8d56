"""Addresses of hosts for the HTTP client, asked of our own resolver: with its cache, its time limits, and no thread."""

import asyncio
import socket
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from postroad.dns.answer import AnswerStatus, RecordType
from postroad.dns.resolver import Lookup
from postroad.net.address import parse_address

# RFC 6761 §6.3: these are loopback, whatever the DNS says.
_LOOPBACK = ("127.0.0.1", "::1")


class HostAddresses(AbstractResolver):
    """Finds the addresses of a host; whether they may be reached is for who connects to them."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return where a host is; raises OSError where that is nowhere."""
        found = await self._texts(host)
        results = [_result(host, text, port) for text in found]
        wanted = [one for one in results if family in {socket.AF_UNSPEC, one["family"]}]
        if not wanted:
            raise OSError(None, f"{host} has no address")
        return wanted

    async def close(self) -> None:
        """Do nothing: the resolver belongs to whoever made it."""

    async def _texts(self, host: str) -> tuple[str, ...]:
        name = host.removesuffix(".").lower()
        if name == "localhost" or name.endswith(".localhost"):
            return _LOOPBACK
        ipv6, ipv4 = await asyncio.gather(
            self._lookup.resolve(host, RecordType.AAAA), self._lookup.resolve(host, RecordType.A)
        )
        if not ipv4.texts and not ipv6.texts:
            failed = next((one for one in (ipv4, ipv6) if one.status is AnswerStatus.TEMPORARY), None)
            if failed is not None:
                raise OSError(None, f"the look-up of {host} failed: {failed.detail}")
            what = "does not exist" if ipv4.status is AnswerStatus.NO_SUCH_DOMAIN else "has no address"
            raise OSError(None, f"the host {host} {what}")
        return ipv4.texts + ipv6.texts


def _result(host: str, text: str, port: int) -> Any:
    address = parse_address(text)
    is_ipv6 = address is not None and address.version == 6
    return ResolveResult(
        hostname=host,
        host=text,
        port=port,
        family=socket.AF_INET6 if is_ipv6 else socket.AF_INET,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST,
    )
