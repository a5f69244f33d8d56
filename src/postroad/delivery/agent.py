"""The agent takes a batch along its route: over a kept connection or a new one, host after host until one answers.

What ends an attempt and what goes on within it:

| what happened | what follows |
| --- | --- |
| no connection, a refused greeting, EHLO, TLS or login | the next hop, at once |
| 421, a lost connection, a time-out, no SMTP, before DATA was answered | what had no answer tries the next hop |
| the same after some answers on this connection | the same host once more, for a connection of its own |
| the same while content was leaving or after the final dot | reported as it is: a repeat is for policy to decide |
| any other reply | reported; the other recipients go on |

Everything in a batch is reported once, and exactly once, whatever happens.
"""

import enum
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from postroad.delivery.session import Session, SessionTerms, connect
from postroad.delivery.session_pool import SessionPool
from postroad.delivery.transmission import ConnectFailure, Transmission, TransmissionResult
from postroad.model.attempt import Attempt, FailureKind
from postroad.model.outcome import AttemptFacts, Phase
from postroad.model.route import Hop, Route

OnAttempt = Callable[[Attempt], None]

# Before DATA is answered the host has taken nothing, so another one may be asked at once.
_NOTHING_TAKEN = frozenset({Phase.MAIL, Phase.RCPT, Phase.DATA})
_NOT_REACHED = frozenset({FailureKind.CONNECT, FailureKind.TIMEOUT})
_BREAKDOWNS = frozenset({FailureKind.LOST, FailureKind.TIMEOUT, FailureKind.PROTOCOL})


class SiteEventKind(enum.Enum):
    """What a connection told of its site's willingness to take more."""

    CONNECTED = "connected"
    REFUSED = "refused"
    THROTTLED = "throttled"
    """The host said 421."""


class SiteEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Feedback for the limits that hold per (source, site)."""

    source: str
    site: str
    kind: SiteEventKind
    detail: str = ""


class Agent:
    """Delivers batches; one per worker, with its kept connections."""

    def __init__(self, terms: SessionTerms, pool: SessionPool, on_site_event: Callable[[SiteEvent], None]) -> None:
        self.pool = pool
        self._terms = terms
        self._on_site_event = on_site_event

    async def run(self, route: Route, batch: Sequence[Transmission], on_attempt: OnAttempt) -> None:
        """Try to deliver the batch over the route.

        Args:
            route: Where to, and on what terms.
            batch: What to send, one recipient each; delivery ids are unique within it.
            on_attempt: Called once for each of the batch, as soon as its end is known; must not raise.
        """
        await _Passage(self._terms, self.pool, route, batch, on_attempt, self._on_site_event).run()

    async def close(self) -> None:
        """Close the kept connections, with QUIT."""
        await self.pool.close()


class _Passage:
    """One batch on its way along one route."""

    def __init__(  # noqa: PLR0917
        self,
        terms: SessionTerms,
        pool: SessionPool,
        route: Route,
        batch: Sequence[Transmission],
        on_attempt: OnAttempt,
        on_site_event: Callable[[SiteEvent], None],
    ) -> None:
        self._terms = terms
        self._pool = pool
        self._route = route
        self._left = {transmission.delivery_id: transmission for transmission in batch}
        self._on_attempt = on_attempt
        self._on_site_event = on_site_event
        self._held: dict[int, Attempt] = {}  # to be reported if no other hop takes it
        self._last_failure: tuple[AttemptFacts, FailureKind] | None = None

    async def run(self) -> None:
        kept = self._pool.take(self._route)
        if kept is not None:
            await self._transmit(kept)
        hops = deque(self._route.hops[: self._terms.limits.max_hops])
        while self._left and hops:
            session = await self._dial(hops[0])
            # A host that answered something before it broke off may do so again; one that did not is passed over.
            if session is None or not await self._transmit(session):
                hops.popleft()
        for delivery_id in list(self._left):
            self._report(self._held.get(delivery_id) or self._unsent(delivery_id))

    async def _dial(self, hop: Hop) -> Session | None:
        started_at = self._terms.clock()
        outcome = await connect(hop, self._route, self._terms)
        if isinstance(outcome, Session):
            self._pool.count_opened(outcome)
            self._signal(SiteEventKind.CONNECTED)
            return outcome
        self._signal_failure(outcome)
        self._keep_failure(self._facts_of_failure(outcome, hop, started_at), outcome.kind)
        return None

    async def _transmit(self, session: Session) -> bool:
        """Send what is left; return whether the host answered any of it."""
        answered = 0
        started_at = self._terms.clock()
        broken: list[int] = []

        def on_result(result: TransmissionResult) -> None:
            nonlocal answered
            attempt = self._attempt_of(result, session)
            if session.is_over and _may_go_elsewhere(result):
                self._held[result.delivery_id] = attempt
                broken.append(result.delivery_id)
            else:
                answered += result.reply is not None
                self._report(attempt)

        await session.transmit(list(self._left.values()), on_result)
        if session.ended_by is not None:
            self._signal_end(session.ended_by)
            facts = self._facts_of_failure(session.ended_by, session.hop, started_at, session)
            self._keep_failure(facts, session.ended_by.kind)
        self._pool.put(session)
        for delivery_id in broken:
            # To the end of the row: should it be what breaks connections, the others get by first.
            self._left[delivery_id] = self._left.pop(delivery_id)
        return answered > 0

    # -- reports -------------------------------------------------------------------------------------------------

    def _report(self, attempt: Attempt) -> None:
        del self._left[attempt.delivery_id]
        self._on_attempt(attempt)

    def _attempt_of(self, result: TransmissionResult, session: Session) -> Attempt:
        reply = result.reply
        facts = AttemptFacts(
            phase=result.phase,
            egress_source=self._route.source.name,
            source_address=session.source_address,
            site=self._route.site,
            host=session.hop.host,
            host_address=session.hop.address,
            tls=session.tls,
            code=reply.code if reply else None,
            enhanced_status=reply.enhanced_status if reply else None,
            text=reply.text if reply else result.detail,
            started_at=result.started_at,
            duration_ms=result.duration_ms,
            notes=result.notes,
        )
        return Attempt(delivery_id=result.delivery_id, facts=facts, failure=result.failure)

    def _facts_of_failure(
        self, failure: ConnectFailure, hop: Hop, started_at: int, session: Session | None = None
    ) -> AttemptFacts:
        reply = failure.reply
        return AttemptFacts(
            phase=failure.phase,
            egress_source=self._route.source.name,
            source_address=session.source_address if session else failure.source_address,
            site=self._route.site,
            host=hop.host,
            host_address=hop.address,
            tls=session.tls if session else None,
            code=reply.code if reply else None,
            enhanced_status=reply.enhanced_status if reply else None,
            text=reply.text if reply else failure.text,
            started_at=started_at,
            duration_ms=self._terms.clock() - started_at,
            notes=session.notes if session else failure.notes,
        )

    def _keep_failure(self, facts: AttemptFacts, kind: FailureKind) -> None:
        # The last failure speaks for the attempt, but a host that refuses for good does not outweigh one that may
        # do better later.
        is_for_good = facts.code is not None and facts.code >= 500
        # A host that was reached and has no TLS to offer says more than another one that was not reached.
        is_lesser = kind in _NOT_REACHED and self._last_failure is not None and self._last_failure[1] is FailureKind.TLS
        if self._last_failure is None or not (is_for_good or is_lesser):
            self._last_failure = facts, kind

    def _unsent(self, delivery_id: int) -> Attempt:
        if self._last_failure is None:
            facts = AttemptFacts(
                phase=Phase.DNS,
                egress_source=self._route.source.name,
                site=self._route.site,
                text="the route names no host",
                started_at=self._terms.clock(),
                duration_ms=0,
            )
            return Attempt(delivery_id=delivery_id, facts=facts, failure=FailureKind.DNS)
        facts, kind = self._last_failure
        return Attempt(delivery_id=delivery_id, facts=facts, failure=kind)

    # -- feedback ------------------------------------------------------------------------------------------------

    def _signal_failure(self, failure: ConnectFailure) -> None:
        is_throttled = failure.reply is not None and failure.reply.code == 421
        self._signal(SiteEventKind.THROTTLED if is_throttled else SiteEventKind.REFUSED, failure.text)

    def _signal_end(self, ended_by: ConnectFailure) -> None:
        if ended_by.reply is not None and ended_by.reply.code == 421:
            self._signal(SiteEventKind.THROTTLED, ended_by.text)

    def _signal(self, kind: SiteEventKind, detail: str = "") -> None:
        self._on_site_event(SiteEvent(source=self._route.source.name, site=self._route.site, kind=kind, detail=detail))


def _may_go_elsewhere(result: TransmissionResult) -> bool:
    if result.phase not in _NOTHING_TAKEN:
        return False
    if result.failure is FailureKind.REPLY:
        return result.reply is not None and result.reply.code == 421
    return result.failure in _BREAKDOWNS
