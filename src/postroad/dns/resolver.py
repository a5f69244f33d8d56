"""The resolver: puts a question to the configured resolvers in turn and always ends with an ``Answer``."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import dns.flags
import dns.message
import dns.name
import dns.rdatatype

from postroad.dns.answer import Answer, AnswerStatus, RecordType, encode_name, read_answer, temporary
from postroad.dns.settings import DnsSettings
from postroad.dns.upstream import Nameserver, NoAnswer, Upstream
from postroad.net.address import parse_address
from postroad.net.clock import Clock

# RFC 9715 §3.2: requestors bound the size so that answers are not fragmented; DNS Flag Day 2020 agreed on this one.
_EDNS_PAYLOAD = 1232
# How long a resolver that gave no answer is asked after the others.
_RESTS_FOR_MS = 30_000
_ROUNDS = 2


def _random_id() -> int:
    return secrets.randbelow(65_536)


class Lookup(Protocol):
    """Whatever answers questions: the resolver itself, or its cache."""

    async def resolve(self, name: str, record_type: RecordType) -> Answer:
        """Return the answer to a question; DNS failures are answers too."""


class Resolver:
    """Asks resolvers, in order, until one of them gives an answer; keeps nothing."""

    def __init__(
        self,
        nameservers: Sequence[Nameserver],
        clock: Clock,
        *,
        attempt_timeout_s: float = 2.0,
        lifetime_s: float = 10.0,
        new_id: Callable[[], int] = _random_id,
    ) -> None:
        self._upstreams = [Upstream(nameserver, new_id) for nameserver in nameservers]
        self._clock = clock
        self._attempt_timeout_s = attempt_timeout_s
        self._lifetime_s = lifetime_s
        self._rests_until: dict[Nameserver, int] = {}

    async def resolve(self, name: str, record_type: RecordType) -> Answer:
        """Return the answer to a question, within the life time."""
        encoded = encode_name(name)
        if encoded is None:
            # No zone can hold such a name (RFC 1035 §2.3.4), so nobody needs to be asked.
            return Answer(status=AnswerStatus.NO_SUCH_DOMAIN, detail=f"{name!r} is not a name that DNS can hold")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._lifetime_s
        answer = temporary("no resolver is configured")
        for upstream in self._in_order() * _ROUNDS:
            remaining_s = deadline - loop.time()
            if remaining_s <= 0:
                break
            answer = await self._ask(upstream, encoded, record_type, min(self._attempt_timeout_s, remaining_s))
            if answer.status is not AnswerStatus.TEMPORARY:
                return answer
        return answer

    async def _ask(self, upstream: Upstream, name: dns.name.Name, record_type: RecordType, timeout_s: float) -> Answer:
        nameserver = upstream.nameserver
        try:
            response = await upstream.ask(_query(name, record_type), timeout_s)
        except NoAnswer as failure:
            self._rests_until[nameserver] = self._clock() + _RESTS_FOR_MS
            return temporary(f"resolver {nameserver}: {failure}")
        self._rests_until.pop(nameserver, None)
        answer = read_answer(response, record_type, self._clock(), is_trusted=nameserver.is_local)
        return temporary(f"resolver {nameserver}: {answer.detail}") if answer.detail else answer

    def _in_order(self) -> list[Upstream]:
        """Return the resolvers as configured, those that lately gave no answer last."""
        now = self._clock()
        return sorted(self._upstreams, key=lambda upstream: self._rests_until.get(upstream.nameserver, 0) > now)

    async def aclose(self) -> None:
        """Close the sockets."""
        for upstream in self._upstreams:
            upstream.close()


def _query(name: dns.name.Name, record_type: RecordType) -> dns.message.Message:
    query = dns.message.make_query(name, dns.rdatatype.RdataType(record_type.value), use_edns=0, payload=_EDNS_PAYLOAD)
    # RFC 6840 §5.7: AD in a question asks for AD in the answer, without the signatures that DO would bring along.
    query.flags |= dns.flags.AD
    return query


def parse_nameserver(text: str) -> Nameserver:
    """Read ``192.0.2.53``, ``192.0.2.53:5353``, ``2001:db8::53`` or ``[2001:db8::53]:5353``; raises ValueError."""
    address = parse_address(text)
    if address is not None and address.version == 6 and 1 < int(address) < 1 << 32:
        # RFC 4291 §2.5.5.1: nobody has such an address; it is ``::1`` with a port that was meant.
        raise ValueError(f"{text!r} is not a resolver: write an IPv6 address with a port as [::1]:53")
    if address is not None:
        return Nameserver(text.strip())
    host, _, port = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if parse_address(host) is None or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ValueError(f"{text!r} is not a resolver: write an address, or address:port such as 127.0.0.1:5353")
    return Nameserver(host, int(port))


def system_nameservers(path: Path = Path("/etc/resolv.conf")) -> tuple[Nameserver, ...]:
    """Return the resolvers the system is configured with; the local host's where it names none, as resolv.conf(5) says."""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    words = [line.split() for line in lines]
    named = tuple(
        Nameserver(line[1])
        for line in words
        if len(line) >= 2 and line[0] == "nameserver" and parse_address(line[1]) is not None
    )
    return named or (Nameserver("127.0.0.1"),)


def from_settings(settings: DnsSettings, clock: Clock) -> Resolver:
    """Make the resolver that the configuration describes; raises ValueError for a resolver that cannot be read."""
    nameservers = tuple(parse_nameserver(text) for text in settings.resolvers) or system_nameservers()
    return Resolver(
        nameservers,
        clock,
        attempt_timeout_s=settings.attempt_timeout_ms / 1000,
        lifetime_s=settings.lifetime_ms / 1000,
    )
