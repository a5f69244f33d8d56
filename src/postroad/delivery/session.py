"""One outbound SMTP connection: the client machine driven over a socket.

The driver writes what the machine wants written, feeds it what arrives, keeps its deadlines, and knows nothing of
SMTP beyond that. Results are reported as they happen, from the callback of the event loop in which they arrive.
"""

import asyncio
import math
import os
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

import msgspec

from postroad.delivery.settings import ConnectionSettings, TimeoutSettings
from postroad.delivery.transmission import (
    ConnectFailure,
    OnResult,
    Transmission,
    connect_failure_of,
    result_of,
    transaction_of,
)
from postroad.model.attempt import FailureKind
from postroad.model.outcome import Phase, TlsFacts
from postroad.model.route import Hop, Route, TlsRule
from postroad.net.clock import Clock
from postroad.net.tls import handshake_facts
from postroad.protocol.smtp.client import (
    Client,
    ConnectionEnded,
    Credentials,
    Event,
    Problem,
    Stage,
    StartTls,
    TlsWanted,
    TransactionEnded,
)

TlsContextFor = Callable[[TlsRule], ssl.SSLContext]


class SessionTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for every session of a worker."""

    timeouts: TimeoutSettings
    limits: ConnectionSettings
    tls_context_for: TlsContextFor
    clock: Clock


async def connect(hop: Hop, route: Route, terms: SessionTerms) -> "Session | ConnectFailure":
    """Dial one host and bring the connection to where it takes transactions."""
    rule = route.tls_rule
    if rule is TlsRule.OPPORTUNISTIC and route.login is not None:
        # A password goes out in the clear only where the rule says that nothing is ever encrypted.
        rule = TlsRule.ENCRYPT
    if rule in {TlsRule.NEVER, TlsRule.OPPORTUNISTIC} and route.implicit_tls:
        rule = TlsRule.ENCRYPT
    begun = asyncio.get_running_loop().time()
    outcome = await _dial(hop, route, rule, terms)
    if isinstance(outcome, Session) or outcome.kind is not FailureKind.TLS or rule is not TlsRule.OPPORTUNISTIC:
        return outcome
    # RFC 7435 §3: opportunistic security falls back to the clear rather than fail.
    spent_s = asyncio.get_running_loop().time() - begun
    patience = _less_patient(terms.timeouts, int(spent_s))
    in_clear = await _dial(hop, route, TlsRule.NEVER, msgspec.structs.replace(terms, timeouts=patience))
    if not isinstance(in_clear, Session):
        return msgspec.structs.replace(in_clear, notes=(f"tried in the clear: {outcome.text}",))
    in_clear.notes = (f"sent in the clear: {outcome.text}",)
    return in_clear


async def _dial(hop: Hop, route: Route, rule: TlsRule, terms: SessionTerms) -> "Session | ConnectFailure":
    session = Session(hop, route, rule, terms)
    failure = await session.open()
    return session if failure is None else msgspec.structs.replace(failure, source_address=session.source_address)


class Session(asyncio.Protocol):
    """A connection that carries transactions one behind the other."""

    def __init__(self, hop: Hop, route: Route, rule: TlsRule, terms: SessionTerms) -> None:
        self.hop = hop
        self.route = route
        self.source_address = (route.source.ipv6 if ":" in hop.address else route.source.ipv4) or ""
        """What the host sees of us, but for address translation; empty where the system is still to choose."""
        self.tls: TlsFacts | None = None
        self.notes: tuple[str, ...] = ()
        self.transactions = 0
        self.ended_by: ConnectFailure | None = None
        """What ended the session, where it was not our QUIT."""
        self.on_end: Callable[[Session], None] | None = None
        """Called once when the connection is gone."""
        self._rule = rule
        self._timeouts = terms.timeouts
        self._max_transactions = terms.limits.max_transactions
        self._tls_context_for = terms.tls_context_for
        self._clock = terms.clock
        self._client = Client(
            ehlo_name=route.source.ehlo_name,
            start_tls=_start_tls_of(rule),
            credentials=Credentials(route.login.username, route.login.password) if route.login else None,
            is_encrypted=route.implicit_tls,
        )
        self._allowed_s = _allowed_seconds(terms.timeouts)
        self._loop = asyncio.get_running_loop()
        self._max_age_s = terms.limits.max_age_s
        self._worn_at = math.inf
        self._transport: asyncio.Transport | None = None
        self._opening: asyncio.Future[Event] = self._loop.create_future()
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._waiting: deque[Transmission] = deque()
        self._started: dict[int, int] = {}
        self._on_result: OnResult | None = None
        self._transmitted: asyncio.Future[None] | None = None
        self._is_paused = False
        self._seen_progress = -1
        self._deadline = math.inf
        self._fires_at = math.inf
        self._timer: asyncio.TimerHandle | None = None

    # -- opening -------------------------------------------------------------------------------------------------

    async def open(self) -> ConnectFailure | None:
        """Connect, greet, secure and log in; return what stood in the way."""
        try:
            failure = await self._connect()
            if failure is None and self.route.implicit_tls:
                failure = await self._shake_hands()
            if failure is None:
                failure = await self._greet()
        except BaseException:
            self.abort("given up")
            raise
        if failure is not None:
            self.abort(failure.text)
        return failure

    async def _connect(self) -> ConnectFailure | None:
        local = self.source_address
        try:
            async with asyncio.timeout(self._timeouts.connect_s):
                await self._loop.create_connection(
                    lambda: self, self.hop.address, self.hop.port, local_addr=(local, 0) if local else None
                )
        except TimeoutError:
            text = f"no connection within {self._timeouts.connect_s} s"
            return ConnectFailure(phase=Phase.CONNECT, kind=FailureKind.TIMEOUT, text=text)
        except OSError as error:
            return ConnectFailure(phase=Phase.CONNECT, kind=FailureKind.CONNECT, text=_sentence(error))
        return None

    async def _greet(self) -> ConnectFailure | None:
        while True:
            self._pump()
            event = await self._opening
            self._opening = self._loop.create_future()
            if isinstance(event, ConnectionEnded):
                return self.ended_by
            if not isinstance(event, TlsWanted):
                # A host that is slow to greet is not old before it has taken anything.
                self._worn_at = self._loop.time() + self._max_age_s
                return None
            failure = await self._shake_hands()
            if failure is not None:
                return failure
            self._client.tls_started()

    async def _shake_hands(self) -> ConnectFailure | None:
        if self._client.is_over or self._transport is None:
            return self.ended_by
        try:
            transport = await self._loop.start_tls(
                self._transport,
                self,
                self._tls_context_for(self._rule),
                server_hostname=self.hop.host,
                ssl_handshake_timeout=self._timeouts.tls_handshake_s,
                ssl_shutdown_timeout=self._timeouts.quit_s,
            )
        except (OSError, ValueError) as error:  # ValueError: a host name from DNS that no certificate can carry
            return ConnectFailure(phase=Phase.STARTTLS, kind=FailureKind.TLS, text=f"TLS failed: {_sentence(error)}")
        if transport is None:
            text = "TLS failed: the host closed the connection"
            return ConnectFailure(phase=Phase.STARTTLS, kind=FailureKind.TLS, text=text)
        self._transport = transport
        self.tls = handshake_facts(transport.get_extra_info("ssl_object"))
        return None

    # -- transmitting --------------------------------------------------------------------------------------------

    @property
    def is_usable(self) -> bool:
        """Whether more may be sent: the connection is idle, and neither old nor used up."""
        return self._client.is_idle and not self._is_worn

    @property
    def is_over(self) -> bool:
        """Whether the connection takes and says nothing more."""
        return self._client.is_over

    @property
    def _is_worn(self) -> bool:
        return (
            self.transactions >= self._max_transactions or self._client.is_used_up or self._loop.time() >= self._worn_at
        )

    async def transmit(self, batch: Sequence[Transmission], on_result: OnResult) -> None:
        """Send the batch; what was not begun when the session ends or wears out is not reported.

        Args:
            batch: The transmissions in their order.
            on_result: Called with each result as it comes; must not raise.
        """
        assert self._transmitted is None, "a session carries one batch at a time"
        self._waiting = deque(batch)
        self._on_result = on_result
        self._transmitted = self._loop.create_future()
        try:
            self._pump()
            await self._transmitted
        finally:
            self._waiting.clear()
            if self._started:
                self.abort("given up while under way")
            self._transmitted = None
            self._on_result = None

    def _begin(self, transmission: Transmission) -> None:
        self.transactions += 1
        self._started[transmission.delivery_id] = self._clock()
        self._client.transact(transaction_of(transmission))

    def _report(self, event: TransactionEnded) -> None:
        started_at = self._started.pop(event.key)
        assert self._on_result is not None, "results come while a batch is under way"
        self._on_result(result_of(event, started_at=started_at, ended_at=self._clock(), notes=self.notes))

    # -- ending --------------------------------------------------------------------------------------------------

    def quit(self) -> None:
        """Send QUIT where nothing is under way, else hang up; does not wait."""
        if self._client.is_idle:
            self._client.quit()
            self._pump()
        else:
            self.abort("given up")

    def abort(self, reason: str) -> None:
        """Hang up; whatever is under way is reported as lost."""
        self._client.lose(Problem.LOST, reason)
        self._pump()
        if self._transport is None:
            self._mark_closed()
        else:
            self._transport.abort()

    @property
    def is_closed(self) -> bool:
        """Whether the connection is gone."""
        return self._closed.done()

    async def wait_closed(self) -> None:
        """Wait until the connection is gone."""
        await asyncio.shield(self._closed)

    async def close(self) -> None:
        """Send QUIT, or hang up, and wait until the connection is gone."""
        self.quit()
        await self.wait_closed()

    # -- what the event loop calls -------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, and await the greeting from here on: it may arrive before ``open`` runs again."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass
        local = transport.get_extra_info("sockname")
        if local:  # not where the connection is gone already
            self.source_address = local[0]
        self._client.start()

    def data_received(self, data: bytes) -> None:
        """Feed the machine."""
        self._client.feed(data)
        self._pump()

    def pause_writing(self) -> None:
        """Hold content back: the host reads more slowly than we write."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Go on writing."""
        self._is_paused = False
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """End what is under way."""
        text = f"connection lost: {_sentence(exc)}" if exc else "the host closed the connection"
        self._client.lose(Problem.LOST, text)
        self._pump()
        self._mark_closed()

    # -- the loop ------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Deal with what happened, begin what may begin, write what is to be written."""
        client = self._client
        while True:
            event = client.next_event()
            if event is not None:
                self._handle(event)
            elif self._waiting and client.can_transact and not self._is_worn:
                self._begin(self._waiting.popleft())
            else:
                break
        self._write()
        self._watch()
        self._finish_batch()

    def _handle(self, event: Event) -> None:
        if isinstance(event, TransactionEnded):
            self._report(event)
            return
        if isinstance(event, ConnectionEnded):
            self.ended_by = connect_failure_of(event)
            if self._transport is not None:
                # After QUIT there is nothing to cut off; otherwise what still waits to be written is of no use.
                self._transport.close() if event.stage is Stage.QUIT else self._transport.abort()
        if not self._opening.done():
            self._opening.set_result(event)

    def _write(self) -> None:
        transport = self._transport
        while not self._is_paused and transport is not None and (data := self._client.data_to_send()):
            transport.write(data)

    def _finish_batch(self) -> None:
        done = self._transmitted
        if done is None or done.done() or self._started:
            return
        if self._client.is_over or (self._client.is_idle and (not self._waiting or self._is_worn)):
            done.set_result(None)

    def _watch(self) -> None:
        """Start the deadline anew when something has moved."""
        if self._client.progress == self._seen_progress and not self._client.is_over:
            return
        self._seen_progress = self._client.progress
        stage = self._client.awaited
        self._deadline = math.inf if stage is None else self._loop.time() + self._allowed_s[stage]
        # One timer serves many deadlines: it is moved only when the new one is earlier, else it re-arms itself.
        if self._deadline < self._fires_at:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # Kept beside the timer: uvloop's handle for a time that is already here does not know when it fires.
        self._fires_at = self._deadline
        self._timer = self._loop.call_at(self._deadline, self._on_timer) if self._deadline < math.inf else None

    def _on_timer(self) -> None:
        self._timer, self._fires_at = None, math.inf
        stage = self._client.awaited
        if stage is None or self._loop.time() < self._deadline:
            self._arm()
            return
        awaited = "room for more content" if stage is Stage.CONTENT else f"reply ({stage.value})"
        self._client.lose(Problem.TIMEOUT, f"no {awaited} within {self._allowed_s[stage]} s")
        self._pump()

    def _mark_closed(self) -> None:
        if self._closed.done():
            return
        self._closed.set_result(None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.on_end is not None:
            self.on_end(self)


def _start_tls_of(rule: TlsRule) -> StartTls:
    match rule:
        case TlsRule.NEVER:
            return StartTls.NEVER
        case TlsRule.OPPORTUNISTIC:
            return StartTls.IF_OFFERED
        case _:
            return StartTls.REQUIRED


def _allowed_seconds(timeouts: TimeoutSettings) -> dict[Stage, int]:
    return {
        Stage.GREETING: timeouts.greeting_s,
        Stage.EHLO: timeouts.ehlo_s,
        Stage.STARTTLS: timeouts.ehlo_s,
        Stage.AUTH: timeouts.ehlo_s,
        Stage.MAIL: timeouts.mail_s,
        Stage.RCPT: timeouts.rcpt_s,
        Stage.DATA: timeouts.data_s,
        Stage.CONTENT: timeouts.block_s,
        Stage.FINAL_DOT: timeouts.final_dot_s,
        Stage.RSET: timeouts.mail_s,
        Stage.QUIT: timeouts.quit_s,
    }


def _less_patient(timeouts: TimeoutSettings, spent_s: int) -> TimeoutSettings:
    """Return the time-outs for a second connection to a host: one that was silent on the first is not waited for twice.

    What the first one took is taken off, down to the time that a handshake has.
    """
    least_s = timeouts.tls_handshake_s
    return msgspec.structs.replace(
        timeouts,
        greeting_s=max(timeouts.greeting_s - spent_s, min(timeouts.greeting_s, least_s)),
        ehlo_s=max(timeouts.ehlo_s - spent_s, min(timeouts.ehlo_s, least_s)),
    )


def _sentence(error: Exception) -> str:
    """Return what an error of the network says to a reader who does not see the code."""
    match error:
        case ssl.SSLCertVerificationError():
            return error.verify_message
        case ssl.SSLError(reason=str(reason)):
            return reason.lower().replace("_", " ")
        case OSError(errno=int(number)):
            return os.strerror(number)
        case _:
            return str(error) or type(error).__name__
