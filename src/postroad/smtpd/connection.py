"""One SMTP connection: drives the server machine over a transport, with TLS, the PROXY header and the time limits.

A connection passes these stages: the PROXY header (from named networks only), TLS (where it comes first), the
greeting, and then the machine's dialogue to its end. A subclass decides about the machine's offers; everything here
holds for every kind of SMTP door.
"""

import abc
import asyncio
import contextlib
import ssl
from collections.abc import Coroutine
from typing import Any, cast

import msgspec
import structlog

from postroad.net.address import Networks, client_of, normalise
from postroad.net.clock import Clock
from postroad.net.tls_channel import TlsChannel
from postroad.protocol.proxy import LONGEST_HEADER, ProxyError, parse_proxy
from postroad.protocol.smtp.offer import Closed, MailOffered, MessageOffered, Offer, RcptOffered, TlsOffered, TooLarge
from postroad.protocol.smtp.order import State
from postroad.protocol.smtp.reply import Reply
from postroad.protocol.smtp.server import ServerMachine
from postroad.protocol.smtp.server_options import ServerOptions
from postroad.smtpd import replies
from postroad.smtpd.roster import ByteBudget, Roster
from postroad.smtpd.settings import SmtpSettings

log = structlog.get_logger()

_UNREAD_REPLIES = 65_536
"""Octets of replies that a client may leave unread before it is read from no more."""
_STEPS_AT_ONCE = 100
"""Commands that are worked on before other connections have their turn; a usual message has six."""
_LINGER_S = 5.0
"""Seconds after which a connection that is closed and not yet gone is cut."""
_RATE_GRACE_S = 60.0


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """What all connections of one kind have in common."""

    options: ServerOptions
    settings: SmtpSettings
    tls_context: ssl.SSLContext | None
    begins_with_tls: bool
    proxy_networks: Networks
    roster: Roster
    budget: ByteBudget
    clock: Clock


class Connection(asyncio.Protocol, abc.ABC):
    """A connection from its first octet to its last; subclasses say how offers are decided."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._loop = asyncio.get_running_loop()
        self._machine = ServerMachine(door.options, door.clock)
        self._transport: asyncio.Transport = asyncio.Transport()
        self._decision: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._client: str | None = None
        self._proxy_header: bytearray | None = None
        self._tls: TlsChannel | None = None
        self._is_write_paused = self._is_read_paused = self._is_closing = self._is_gone = False
        self._has_more = False
        self._charged = self._offered_octets = 0
        self._progress_at = self._octets_at = self._loop.time()
        self._transaction_at: float | None = None
        self._content_at: float | None = None
        self._content_octets = 0
        self._hold_s = 0.0
        self._held: asyncio.Event | None = None
        self._is_leaving = False
        self.client_address = ""
        self.tls_version: str | None = None
        self.tls_cipher: str | None = None

    # What a subclass decides.

    def begun(self) -> None:
        """Take note that the client's address is known; nothing has been said yet."""

    def turned_away_by(self) -> Reply | None:
        """Return the reply that ends the session before it begins; the client's address is known by now."""
        return None

    def ended_by(self) -> Reply | None:
        """Return the reply that ends the session instead of an answer to the next command or offer."""
        return None

    @abc.abstractmethod
    def decide(self, offer: Offer) -> Reply | Coroutine[Any, Any, Reply] | None:
        """Return the reply to an offer, or what will return it; None for the machine's own positive reply."""

    def note(self, refused: TooLarge) -> None:
        """Take note of a message that was refused for its size."""

    def hold_refusal(self, seconds: float) -> None:
        """Let the refusal that is being decided wait before it is said."""
        self._hold_s = seconds

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with the first stage that this connection has."""
        # uvloop's transports are none by their type, and are by all they do.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_UNREAD_REPLIES)
        peer = transport.get_extra_info("peername")
        self.client_address = normalise(peer[0]) if peer else ""
        if self.client_address in self._door.proxy_networks:
            self._proxy_header = bytearray()
        self._timer = self._loop.call_at(self._due_at(), self._look_at_clock)
        if not self._door.roster.enter(self):
            self._proxy_header = None
            self._turn_away(replies.TOO_MANY_SESSIONS)
        elif self._proxy_header is None:
            self._begin()

    def data_received(self, data: bytes) -> None:
        """Give octets to the stage that they are for."""
        self._octets_at = self._loop.time()
        if self._is_closing:
            return
        if self._proxy_header is not None:
            self._read_proxy_header(data)
        elif self._tls is not None:
            self._decrypt(self._tls, data)
        else:
            self._hear(data)
            self._run()

    def eof_received(self) -> bool:
        """Finish what was asked before the client stopped sending; a reply may still be read."""
        if self._is_closing or self._proxy_header is not None or self._awaits_tls:
            return False
        self._machine.feed_eof()
        self._run()
        return True

    def pause_writing(self) -> None:
        """Do no more for a client that does not read its replies."""
        self._is_write_paused = True

    def resume_writing(self) -> None:
        """Go on where the client reads again."""
        self._is_write_paused = False
        if self._awaits_tls:
            self._balance_reading()
        else:
            self._run()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give back what the connection held; a message that is being stored is stored all the same."""
        if self._is_gone:
            return
        self._is_gone = self._is_closing = True
        if exc is not None:
            log.debug("smtp_connection_lost", client_address=self.client_address, why=str(exc))
        if self._timer is not None:
            self._timer.cancel()
        if self._client is not None:
            self._door.roster.release(self._client)
        self._hold_no_longer()
        if self._decision is None:
            self._let_go()

    # What the listener calls.

    def leave(self) -> None:
        """End as soon as no message is under way."""
        if self._proxy_header is not None or self._awaits_tls:
            self.abort()
            return
        self._is_leaving = True
        self._machine.leave()
        self._hold_no_longer()
        self._run()

    def abort(self) -> None:
        """End at once."""
        if not self._awaits_tls:
            self._machine.turn_away(replies.GOING_DOWN)
            self._flush()
        self._is_closing = True
        self._transport.abort()

    # The stages before the dialogue.

    def _read_proxy_header(self, data: bytes) -> None:
        assert self._proxy_header is not None
        self._proxy_header += data[: LONGEST_HEADER + 1]
        try:
            header = parse_proxy(bytes(self._proxy_header))
        except ProxyError as error:
            log.warning("proxy_header_refused", client_address=self.client_address, why=str(error))
            self._close()
            return
        if header is None:
            return
        rest = bytes(self._proxy_header[header.length :]) + data[LONGEST_HEADER + 1 :]
        self._proxy_header = None
        self._progress_at = self._octets_at
        if header.source_address is not None:
            self.client_address = normalise(header.source_address)
        self._begin()
        if rest:
            self.data_received(rest)

    def _begin(self) -> None:
        self._client = client_of(self.client_address)
        if not self._door.roster.claim(self._client):
            self._turn_away(replies.TOO_MANY_SESSIONS)
            return
        self.begun()
        if self._door.begins_with_tls:
            self._start_tls()
        else:
            self._greet()

    def _turn_away(self, reply: Reply) -> None:
        if self._awaits_tls:
            self._close()
        else:
            self._machine.turn_away(reply)
            self._run()

    def _greet(self) -> None:
        refusal = self.turned_away_by()
        if refusal is not None:
            self._turn_away(refusal)
            return
        self._machine.greet()
        if self._machine.spoke_early:
            log.info("smtp_client_spoke_early", client_address=self.client_address)
        self._run()

    @property
    def _awaits_tls(self) -> bool:
        """Whether a handshake is under way or comes first: a reply in the clear would only confuse then."""
        return not self._machine.is_tls and (self._tls is not None or self._door.begins_with_tls)

    def _start_tls(self) -> None:
        assert self._door.tls_context is not None
        self._tls = TlsChannel(self._door.tls_context)
        self._progress_at = self._loop.time()
        self._look_sooner()
        self._balance_reading()

    def _decrypt(self, tls: TlsChannel, data: bytes) -> None:
        try:
            text = tls.receive(data)
        except ssl.SSLError as error:
            log.debug("smtp_tls_failed", client_address=self.client_address, why=str(error))
            # With the alert, for which the client may have to be waited for.
            self._close(may_linger=True)
            return
        if not tls.is_established:
            self._flush()
            return
        # Whoever does not wait for the greeting is known by what it has said already.
        self._hear(text, is_end=tls.is_ended)
        if self._machine.is_tls:
            self._run()
        else:
            self._secured(tls)

    def _secured(self, tls: TlsChannel) -> None:
        self.tls_version, self.tls_cipher = tls.version, tls.cipher
        if self._machine.state is State.HANDSHAKE:
            self._machine.tls_started()
            self._run()
        else:
            self._machine.start_in_tls()
            self._greet()

    # The dialogue.

    def _hear(self, text: bytes, *, is_end: bool = False) -> None:
        self._content_octets += len(text)
        self._machine.feed(text)
        if is_end:
            self._machine.feed_eof()

    def _run(self) -> None:
        machine = self._machine
        if machine.has_command and (ended := self.ended_by()) is not None:
            machine.turn_away(ended)
        until = machine.steps + _STEPS_AT_ONCE
        while not self._is_write_paused and not self._is_closing:
            event = machine.next_event(until)
            match event:
                case None:
                    break
                case Closed(reason, is_forced):
                    log.debug("smtp_session_ended", client_address=self.client_address, why=reason)
                    self._flush()
                    self._close(may_linger=is_forced)
                case TooLarge():
                    self.note(event)
                case TlsOffered():
                    self._flush()
                    self._start_tls()
                    return
                case _:
                    self._settle(event)
        self._flush()
        self._charge(machine.content_octets + self._offered_octets)
        self._note_progress()
        if machine.steps >= until:
            self._go_on_later()
        self._balance_reading()

    def _go_on_later(self) -> None:
        """Let other connections have their turn; no more is read until what has come is worked through."""
        # Who does not read its replies is gone on with by resume_writing.
        if not (self._has_more or self._is_closing or self._is_write_paused):
            self._has_more = True
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._has_more = False
        if self._is_closing:
            return
        if self._awaits_tls:
            self._balance_reading()
        else:
            self._run()

    def _settle(self, offer: Offer) -> None:
        if isinstance(offer, MessageOffered):
            self._offered_octets = len(offer.content)
        elif isinstance(offer, MailOffered) and not self._door.budget.has_room(offer.mail.size or 0):
            self._machine.refuse(replies.NO_ROOM)
            return
        # Time has passed since the command was begun: a message may have been long on its way.
        if not isinstance(offer, RcptOffered) and (ended := self.ended_by()) is not None:
            self._offered_octets = 0
            self._machine.turn_away(ended)
            return
        decision = self.decide(offer)
        if decision is None:
            self._machine.accept()
        elif isinstance(decision, Reply):
            self._answer(decision)
        else:
            self._decision = self._loop.create_task(self._await_decision(decision))

    async def _await_decision(self, decision: Coroutine[Any, Any, Reply]) -> None:
        try:
            reply = await decision
            if self._hold_s and not (self._is_gone or self._is_leaving):
                await self._hold()
        finally:
            self._decision = None
            if self._is_gone:
                self._let_go()
        if self._machine.state is not State.CLOSED and not self._is_gone:
            self._answer(reply)
            self._run()

    async def _hold(self) -> None:
        """Wait without what was offered; the end of the connection, or of the node, cuts it short."""
        seconds, self._hold_s = self._hold_s, 0.0
        self._machine.forget_content()
        self._offered_octets = 0
        self._charge(self._machine.content_octets)
        self._held = asyncio.Event()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._held.wait()
        self._held = None

    def _hold_no_longer(self) -> None:
        if self._held is not None:
            self._held.set()

    def _let_go(self) -> None:
        self._charge(0)
        self._door.roster.quit(self)

    def _answer(self, reply: Reply) -> None:
        self._offered_octets = 0
        if reply.is_positive:
            self._machine.accept(reply)
        else:
            self._machine.refuse(reply)

    def _flush(self) -> None:
        out = self._machine.data_to_send()
        if self._is_gone:
            return
        if out:
            self._progress_at = self._loop.time()
        if self._tls is not None:
            self._tls.send(out)
            out = self._tls.data_to_send()
        if out:
            self._transport.write(out)

    def _charge(self, octets: int) -> None:
        budget = self._door.budget
        if octets <= self._charged:
            budget.give_back(self._charged - octets)
            self._charged = octets
        elif budget.take(octets - self._charged):
            self._charged = octets
        else:
            self._machine.discard_content(replies.NO_ROOM)
            budget.give_back(self._charged)
            self._charged = 0

    def _balance_reading(self) -> None:
        if self._is_closing:
            return
        wants_pause = self._machine.wants_pause or self._is_write_paused or self._has_more
        if wants_pause != self._is_read_paused:
            self._is_read_paused = wants_pause
            if wants_pause:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _close(self, *, may_linger: bool = False) -> None:
        self._is_closing = True
        if self._is_gone:
            return
        if self._tls is not None:
            self._tls.end()
            self._transport.write(self._tls.data_to_send())
        if may_linger and self._transport.can_write_eof():
            # Closing with octets unread would reset the connection, and the client might never see the last reply.
            try:
                self._transport.write_eof()
                self._transport.resume_reading()
            except OSError:
                self._transport.close()
        else:
            self._transport.close()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(_LINGER_S, self._transport.abort)

    # Time limits: one timer, which looks again when it is due and is not moved by every octet.

    def _note_progress(self) -> None:
        is_in_transaction, is_receiving = self._machine.is_in_transaction, self._machine.is_receiving_content
        if is_in_transaction == (self._transaction_at is not None) and is_receiving == (self._content_at is not None):
            return
        self._transaction_at = (self._transaction_at or self._octets_at) if is_in_transaction else None
        if is_receiving and self._content_at is None:
            self._content_octets = 0
        self._content_at = (self._content_at or self._octets_at) if is_receiving else None
        self._look_sooner()

    def _look_sooner(self) -> None:
        due_at = self._due_at()
        if self._timer is not None and not self._is_closing and due_at < self._timer.when():
            self._timer.cancel()
            self._timer = self._loop.call_at(due_at, self._look_at_clock)

    def _due_at(self) -> float:
        settings = self._door.settings
        if self._decision is not None:
            # It is our turn: the client waits for a decision.
            return self._loop.time() + settings.command_timeout_s
        if self._proxy_header is not None or self._awaits_tls:
            return self._progress_at + settings.handshake_timeout_s
        if self._content_at is None:
            due_at = self._progress_at + settings.command_timeout_s
        else:
            # RFC 5321 §4.5.3.2.5: three minutes for each block of data, and a rate for those who send one octet in each.
            due_at = self._octets_at + settings.data_timeout_s
            if settings.min_data_rate:
                seconds = self._content_octets / settings.min_data_rate
                due_at = min(due_at, self._content_at + _RATE_GRACE_S + seconds)
        if self._transaction_at is not None:
            due_at = min(due_at, self._transaction_at + settings.transaction_timeout_s)
        return due_at

    def _look_at_clock(self) -> None:
        due_at = self._due_at()
        if self._loop.time() < due_at:
            self._timer = self._loop.call_at(due_at, self._look_at_clock)
            return
        if self._proxy_header is not None or self._awaits_tls:
            log.debug("smtp_handshake_timed_out", client_address=self.client_address)
            self._close()
            return
        log.info("smtp_timed_out", client_address=self.client_address, state=self._machine.state.name)
        self._machine.turn_away(replies.TIMED_OUT)
        self._is_write_paused = False
        self._run()
