"""An agent with what it reported, and the values that its tests send."""

import asyncio
import ssl

import msgspec
import trustme

from postroad.delivery.agent import Agent, SiteEvent, SiteEventKind
from postroad.delivery.session import SessionTerms
from postroad.delivery.session_pool import SessionPool
from postroad.delivery.settings import ConnectionSettings, TimeoutSettings
from postroad.delivery.transmission import Transmission
from postroad.model.attempt import Attempt, FailureKind
from postroad.model.outcome import Phase
from postroad.model.route import EgressSource, Hop, Route, TlsRule
from postroad.net.clock import now_ms
from postroad.net.tls import opportunistic_context, verifying_context
from tests.scenarios.receiver import Receiver

SOURCE = EgressSource(name="main", ehlo_name="me.test", ipv4="127.0.0.1")
CONTENT = b"From: a@a.test\r\nSubject: x\r\n\r\nHello\r\n.dotted\r\n"
AUTHORITY = trustme.CA()


def tls_context_for(rule: TlsRule) -> ssl.SSLContext:
    if rule is not TlsRule.VERIFY:
        return opportunistic_context()
    context = verifying_context()
    AUTHORITY.configure_trust(context)
    return context


def server_context(name: str = "mx.test") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(name, common_name=name).configure_cert(context)
    return context


def transmission(key: int, **changes: object) -> Transmission:
    base = {
        "delivery_id": key,
        "reverse_path": f"b+{key}@a.test",
        "recipient": f"r{key}@b.test",
        "content": CONTENT,
    }
    return Transmission(**(base | changes))  # type: ignore[arg-type]


def route_to(*receivers: Receiver, **changes: object) -> Route:
    hops = tuple(Hop("mx.test", "127.0.0.1", receiver.port) for receiver in receivers)
    base = {"site": "site", "hops": hops, "source": SOURCE, "tls_rule": TlsRule.OPPORTUNISTIC}
    return Route(**(base | changes))  # type: ignore[arg-type]


class Sender:
    """An agent with what it reported."""

    def __init__(self, timeouts: TimeoutSettings, limits: ConnectionSettings) -> None:
        self.terms = SessionTerms(timeouts=timeouts, limits=limits, tls_context_for=tls_context_for, clock=now_ms)
        self.site_events: list[SiteEvent] = []
        self.agent = Agent(self.terms, SessionPool(limits), self.site_events.append)

    async def send(self, route: Route, *transmissions: Transmission) -> dict[int, Attempt]:
        attempts: list[Attempt] = []
        async with asyncio.timeout(20):
            await self.agent.run(route, transmissions, attempts.append)
        assert sorted(t.delivery_id for t in transmissions) == sorted(a.delivery_id for a in attempts)
        return {attempt.delivery_id: attempt for attempt in attempts}

    @property
    def signals(self) -> list[SiteEventKind]:
        return [event.kind for event in self.site_events]


def _known(kind: type[msgspec.Struct], changes: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in changes.items() if name in kind.__struct_fields__}


def sender_with(**changes: object) -> Sender:
    """Return a sender whose settings differ from the defaults in these."""
    timeouts = msgspec.structs.replace(TimeoutSettings(), **_known(TimeoutSettings, changes))
    limits = msgspec.structs.replace(ConnectionSettings(), **_known(ConnectionSettings, changes))
    return Sender(timeouts, limits)


def ends(attempts: dict[int, Attempt]) -> dict[int, tuple[Phase, FailureKind | int | None]]:
    """Return each attempt's phase with its failure, or with the code where a reply decided."""
    return {
        key: (a.facts.phase, a.facts.code if a.failure in {None, FailureKind.REPLY} else a.failure)
        for key, a in attempts.items()
    }


DELIVERED: tuple[Phase, FailureKind | int | None] = (Phase.FINAL_DOT, 250)
