"""Where a destination takes its mail: MX and address look-ups composed into one value (RFC 5321 §5.1)."""

import asyncio
from collections.abc import Sequence

from postroad.dns.answer import Answer, AnswerStatus, Mx, RecordType
from postroad.dns.cache import Coalescer
from postroad.dns.resolver import Lookup
from postroad.model.route import MailHost, MailHosts, MxStatus
from postroad.net.address import parse_address
from postroad.net.clock import Clock

# A domain that lists more hosts than this gains nothing by it and could make us ask thousands of questions.
_MOST_HOSTS = 20
# Until when a result is kept that lacks hosts because their look-up failed.
_INCOMPLETE_MS = 60_000
_TEMPORARY_MS = 5_000
_FOR_EVER = 2**62


class MailHostDirectory:
    """Finds and remembers the mail hosts of destinations."""

    def __init__(self, lookup: Lookup, clock: Clock, cache_size: int = 50_000) -> None:
        self._lookup = lookup
        self._clock = clock
        self._cache_size = cache_size
        self._known: dict[str, MailHosts] = {}
        self._lookups: Coalescer[str, MailHosts] = Coalescer()

    def cached(self, domain: str) -> MailHosts | None:
        """Return what is known of a destination without asking anyone: one dictionary look-up, for the hot path."""
        hosts = self._known.get(domain)
        return hosts if hosts is not None and hosts.expires_at > self._clock() else None

    async def mail_hosts(self, domain: str) -> MailHosts:
        """Return a destination's mail hosts; every kind of failure is a status of its own."""
        return self.cached(domain) or await self._lookups.run(domain, lambda: self._look_up(domain))

    async def aclose(self) -> None:
        """End the look-ups that still run."""
        await self._lookups.aclose()

    async def _look_up(self, domain: str) -> MailHosts:
        hosts = await find_mail_hosts(self._lookup, domain, self._clock())
        self._known.pop(domain, None)
        while len(self._known) >= self._cache_size:
            del self._known[next(iter(self._known))]
        self._known[domain] = hosts
        return hosts


async def find_mail_hosts(lookup: Lookup, domain: str, now: int) -> MailHosts:
    """Ask DNS for the mail hosts of a destination, which may also be an address, bare or in brackets."""
    address = literal_address(domain)
    if address is not None:
        hosts = (MailHost(domain, 0, (address,)),)
        return MailHosts(status=MxStatus.FOUND, hosts=hosts, expires_at=_FOR_EVER)
    answer = await lookup.resolve(domain, RecordType.MX)
    match answer.status:
        case AnswerStatus.FOUND:
            return await _explicit(lookup, domain, answer, now)
        case AnswerStatus.NO_DATA:
            return await _implicit(lookup, domain, answer, now)
        case AnswerStatus.NO_SUCH_DOMAIN:
            return MailHosts(
                status=MxStatus.NO_SUCH_DOMAIN,
                detail=f"the domain {domain} does not exist",
                expires_at=max(answer.expires_at, now + _TEMPORARY_MS),
            )
        case AnswerStatus.TEMPORARY:
            return _temporary(f"the MX look-up of {domain} failed: {answer.detail}", now)


def literal_address(domain: str) -> str | None:
    """Return the address of ``[192.0.2.1]``, ``[IPv6:2001:db8::1]`` (RFC 5321 §4.1.3) or a bare address."""
    text = domain
    if domain.startswith("[") and domain.endswith("]"):
        text = domain[1:-1]
        if text[:5].lower() == "ipv6:":
            text = text[5:]
    address = parse_address(text)
    return None if address is None else str(address)


async def _explicit(lookup: Lookup, domain: str, answer: Answer, now: int) -> MailHosts:
    # RFC 7505 §3: the root as only exchanger says that no mail is taken; beside others it is a mistake to skip.
    exchangers = [exchanger for exchanger in answer.exchangers if exchanger.host]
    if not exchangers:
        return MailHosts(
            status=MxStatus.NULL_MX, detail=f"the domain {domain} takes no mail (null MX)", expires_at=answer.expires_at
        )
    exchangers = exchangers[:_MOST_HOSTS]
    found = await asyncio.gather(*(_addresses(lookup, exchanger.host) for exchanger in exchangers))
    return _compose(domain, exchangers, found, answer.expires_at, now)


async def _implicit(lookup: Lookup, domain: str, answer: Answer, now: int) -> MailHosts:
    # RFC 5321 §5.1: without any MX the domain itself is its only host, with preference 0; aliases are followed first.
    host = Mx(0, answer.canonical_name or domain)
    pair = await _addresses(lookup, host.host)
    hosts = _compose(domain, [host], [pair], answer.expires_at, now)
    if hosts.status is MxStatus.FOUND:
        return MailHosts(status=hosts.status, hosts=hosts.hosts, is_implicit=True, expires_at=hosts.expires_at)
    return hosts


async def _addresses(lookup: Lookup, host: str) -> tuple[Answer, Answer]:
    """Return the answers for both families; the resolver follows aliases, which RFC 5321 §5.1 forbids and people use."""
    ipv6, ipv4 = await asyncio.gather(lookup.resolve(host, RecordType.AAAA), lookup.resolve(host, RecordType.A))
    return ipv6, ipv4


def _compose(
    domain: str, exchangers: Sequence[Mx], found: Sequence[tuple[Answer, Answer]], expires_at: int, now: int
) -> MailHosts:
    """Make one value of the exchangers and their address answers."""
    answers = [answer for pair in found for answer in pair]
    failures = [answer for answer in answers if answer.status is AnswerStatus.TEMPORARY]
    expires_at = min(expires_at, *(answer.expires_at for answer in answers if answer not in failures), _FOR_EVER)
    hosts = tuple(
        MailHost(exchanger.host, exchanger.preference, addresses)
        for exchanger, (ipv6, ipv4) in zip(exchangers, found, strict=True)
        if (addresses := ipv6.texts + ipv4.texts)
    )
    if hosts:
        until = min(expires_at, now + _INCOMPLETE_MS) if failures else expires_at
        return MailHosts(status=MxStatus.FOUND, hosts=hosts, expires_at=max(until, now + _TEMPORARY_MS))
    if failures:
        return _temporary(f"no address of a mail host of {domain} could be looked up: {failures[0].detail}", now)
    return MailHosts(
        status=MxStatus.NO_HOSTS,
        detail=f"no mail host of {domain} has an address",
        expires_at=max(expires_at, now + _TEMPORARY_MS),
    )


def _temporary(detail: str, now: int) -> MailHosts:
    return MailHosts(status=MxStatus.TEMPORARY, detail=detail, expires_at=now + _TEMPORARY_MS)
