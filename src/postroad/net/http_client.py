"""Requests to the HTTP servers of others: within limits, and to addresses that whoever named the URL may reach."""

import socket
import ssl
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver
from aiohttp.connector import AddrInfoType

from postroad.net.address import is_public, parse_address
from postroad.net.tls import verifying_context

_AGENT = "Postroad"
_CHUNK_OCTETS = 64 * 1024


class HttpError(Exception):
    """No answer that can be used came; the message says why in part of a sentence."""


class AddressRefusedError(OSError):
    """The address that a name led to must not be reached."""


class HttpReply(msgspec.Struct, frozen=True):
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    """Names as they came, in any case."""
    content: bytes


class HttpClient:
    """Asks servers over kept connections; one for each purpose, closed with ``aclose``.

    The guard looks at the address of every connection that is made, after all resolving, so that neither a name that
    leads inwards nor one that changes its answer (DNS rebinding) gets past it. Redirects are not followed, proxies and
    cookies are not used, and a compressed answer is not asked for: what is limited is what is read.
    """

    def __init__(
        self,
        *,
        allow_private_addresses: bool = False,
        authorities: Path | None = None,
        resolver: AbstractResolver | None = None,
        connections: int = 20,
    ) -> None:
        """Nothing is opened before the first request.

        Args:
            allow_private_addresses: Also reach loopback, private and other addresses that are not public.
            authorities: PEM file of the authorities that vouch for hosts, instead of the system's.
            resolver: What finds addresses, instead of the system's resolver.
            connections: How many may be open at once; further requests wait, within their time.
        """
        self._allow_private_addresses = allow_private_addresses
        self._authorities = authorities
        self._resolver = resolver
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_s: float = 10.0,
        connect_timeout_s: float | None = None,
        most_octets: int = 1024 * 1024,
        may_cut: bool = False,
    ) -> HttpReply:
        """Send a request and return the answer, whatever its status.

        Args:
            method: Of HTTP.
            url: Where to.
            headers: Beside those that every request has.
            body: What is sent.
            timeout_s: How long all of it may take.
            connect_timeout_s: How long connecting may take, within that.
            most_octets: How much of the answer's content is read.
            may_cut: More than that is left unread, instead of being a failure.

        Raises:
            HttpError: nobody could be reached, or may be; or the answer is too large, or took too long.
        """
        try:
            async with self._opened().request(
                method,
                url,
                headers=headers,
                data=body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=connect_timeout_s),
            ) as response:
                content = await _read(response, most_octets, may_cut=may_cut)
                return HttpReply(response.status, dict(response.headers), content)
        except aiohttp.ConnectionTimeoutError as error:
            raise HttpError(f"no connection to it came about within {connect_timeout_s or timeout_s:g} s") from error
        except TimeoutError as error:
            raise HttpError(f"it did not answer within {timeout_s:g} s") from error
        except (aiohttp.ClientError, ValueError, OSError) as error:
            raise HttpError(_reason(error)) from error

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            try:
                context = verifying_context(self._authorities)
            except (OSError, ssl.SSLError) as error:
                raise HttpError(f"{self._authorities} cannot be used: {error}") from error
            connector = aiohttp.TCPConnector(
                ssl=context, socket_factory=self._socket, resolver=self._resolver, limit=self._connections
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": _AGENT, "Accept-Encoding": "identity"},
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    def _socket(self, found: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, place = found
        address = parse_address(str(place[0]))
        if not self._allow_private_addresses and (address is None or not is_public(address)):
            raise AddressRefusedError(f"{place[0]} is not an address of the public Internet")
        return socket.socket(family, kind, protocol)


async def _read(response: aiohttp.ClientResponse, most_octets: int, *, may_cut: bool) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_OCTETS):
        content += chunk
        if len(content) > most_octets:
            if may_cut:
                # Not read to its end, the connection is closed and not used again.
                return bytes(content[:most_octets])
            raise HttpError(f"its answer has more than {most_octets:,} octets")
    return bytes(content)


def _reason(error: Exception) -> str:
    """Return in words why a request failed; aiohttp wraps what happened in what it was doing."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, OSError):
        return error.os_error.strerror or str(error.os_error)
    return str(error) or type(error).__name__
