"""The server's side of an SMTP session, without I/O: octets in, events and replies out.

Theory of operation. The driver feeds what it reads (``feed``), asks for events until there is none (``next_event``)
and writes what has gathered (``data_to_send``). An event that is an *offer* waits for the driver's decision,
``accept()`` or ``refuse(reply)``; until then nothing further is parsed, so that pipelined commands are answered in
their order (RFC 2920 §3.2). All other replies the machine gives itself.

The states and the commands in order in each are the table of ``order``. A chunk's octets are read whether its BDAT is
in order or not (RFC 3030 §2), by way of CHUNK and back.
"""

import sys
from collections.abc import Callable

import msgspec

from postroad.protocol.smtp import command as commands
from postroad.protocol.smtp import future_release
from postroad.protocol.smtp.command import Command, Mail, Rcpt, parse_command
from postroad.protocol.smtp.data import Content, DataReader
from postroad.protocol.smtp.offer import (
    AuthOffered,
    Closed,
    Event,
    MailOffered,
    MessageOffered,
    Offer,
    RcptOffered,
    TlsOffered,
    TooLarge,
)
from postroad.protocol.smtp.order import IN_ORDER, SILENT, TRANSACTION, State, out_of_order
from postroad.protocol.smtp.reply import Reply
from postroad.protocol.smtp.sasl import MECHANISMS, Challenge, Credentials, SaslError, SaslExchange
from postroad.protocol.smtp.server_options import ServerOptions, offered_keywords

_NO_COMMANDS = SILENT | {State.TEXT, State.CHUNK}
_PART_OF_MESSAGE = (commands.Rcpt, commands.Data, commands.Bdat)
_BESIDE_RECIPIENTS = 10
"""Commands that a client may pipeline behind a MAIL besides its recipients: DATA, or the message in a few chunks."""
_OK = Reply(250, "2.0.0", "Ok")
_LINE_TOO_LONG = Reply(500, "5.5.2", "The line is too long; shorten the command")
_LOGIN_TOO_LONG = Reply(500, "5.5.6", "The line is too long for a login")
_LINE_END = Reply(500, "5.5.2", "End each line with CR LF; a line feed alone does not do")
_ANSWERS: dict[type[Command], Reply] = {
    commands.Noop: _OK,
    commands.Rset: _OK,
    commands.Vrfy: Reply(252, "2.1.5", "Mailboxes are not looked up here; send the mail to find out"),
    commands.Expn: Reply(502, "5.5.1", "Lists are not expanded here; send the mail to the list's address"),
    commands.Help: Reply(214, "2.0.0", "EHLO HELO AUTH STARTTLS MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT"),
}
_OK_BYTES = {
    MailOffered: Reply(250, "2.1.0", "Sender ok").encode(),
    RcptOffered: Reply(250, "2.1.5", "Recipient ok").encode(),
    MessageOffered: _OK.encode(),
    AuthOffered: Reply(235, "2.7.0", "Logged in").encode(),
}


class ServerMachine:
    """One SMTP session as its server sees it."""

    def __init__(self, options: ServerOptions, clock: Callable[[], int] = lambda: 0) -> None:
        self._options = options
        self._clock = clock
        self._limits = options.limits
        self._state = State.CONNECTED
        self._in = bytearray()
        self._out: list[bytes] = []
        self._event: Event | None = None
        self._pending: Offer | None = None
        self._input_has_ended = self._is_leaving = self._skips_line = False
        self.client_name = ""
        self.is_extended = self.is_tls = self.is_authenticated = False
        self.spoke_early = False
        """Octets came before the greeting, as senders of spam do that do not listen."""
        self.steps = 0
        """How many lines, chunks and pieces of text were worked on since the start."""
        self._errors = self._unknown = self._bad_recipients = self._auth_failures = self._idle = 0
        self._sasl: SaslExchange | None = None
        self._mail: Mail | None = None
        self._message_has_failed = False
        self._followers = 0
        self._recipients: dict[str, Rcpt] = {}
        self._content = Content(0)
        self._reader: DataReader | None = None
        self._refusal: Reply | None = None
        self._chunk = commands.Bdat(0, is_last=False)
        self._chunk_left = 0
        self._chunk_refusal: Reply | None = None
        self._state_before_chunk = State.READY

    # What the driver asks.

    @property
    def state(self) -> State:
        """Where the session stands."""
        return self._state

    @property
    def is_in_transaction(self) -> bool:
        """Whether a message is under way."""
        return self._state in TRANSACTION

    @property
    def reverse_path(self) -> str:
        """Who the message under way is from; empty for the null path, and where there is none."""
        return "" if self._mail is None else self._mail.reverse_path

    @property
    def is_receiving_content(self) -> bool:
        """Whether the octets that come now are message text."""
        return self._state in (State.TEXT, State.CHUNK) and self._pending is None

    @property
    def has_command(self) -> bool:
        """Whether octets of a command have come that nothing stands in the way of."""
        return bool(self._in) and self._pending is None and self._state not in _NO_COMMANDS

    @property
    def content_octets(self) -> int:
        """How many octets of message text are in memory; those of a message on offer are the driver's."""
        return len(self._content)

    @property
    def wants_pause(self) -> bool:
        """Whether the driver should read no more for now, as commands wait already behind a decision."""
        return bool(self._in) and (self._pending is not None or self._state in SILENT)

    # What the driver tells.

    def start_in_tls(self) -> None:
        """Take note that the connection is under TLS from its first octet (RFC 8314 §3.3)."""
        self._require(State.CONNECTED)
        self.is_tls = True

    def greet(self) -> None:
        """Send the greeting."""
        self._require(State.CONNECTED)
        self.spoke_early = bool(self._in)
        self._state = State.GREETED
        # RFC 2034 §4: neither the greeting nor the EHLO reply has an enhanced code.
        self._say(Reply(220, None, f"{self._options.hostname} ESMTP Postroad"))

    def feed(self, data: bytes) -> None:
        """Take octets from the connection."""
        if self._state is not State.CLOSED:
            self._in += data

    def feed_eof(self) -> None:
        """Take note that the client sends nothing more."""
        self._input_has_ended = True

    def tls_started(self) -> None:
        """Go on under TLS; nothing that was said in the clear counts any more."""
        self._require(State.HANDSHAKE)
        # RFC 3207 §4.2: the session starts over, without another greeting.
        self._state = State.GREETED
        self.is_tls = True
        self.is_authenticated = self.is_extended = False
        self.client_name = ""

    def leave(self) -> None:
        """End the session as soon as no message is under way (RFC 5321 §3.8)."""
        self._is_leaving = True

    def turn_away(self, reply: Reply) -> None:
        """End the session now with a reply: limits, time-outs, a stop that cannot wait."""
        if self._state is not State.CLOSED:
            self._say(reply)
            self._close(reply.text, is_forced=True)

    def discard_content(self, reply: Reply) -> None:
        """Keep nothing of the message that is being received, and refuse it with this reply when it has ended."""
        self._refusal = self._refusal or reply
        self._content.discard()

    def forget_content(self) -> None:
        """Keep the text of the message on offer no longer: it will be refused."""
        if isinstance(self._pending, MessageOffered):
            self._pending = msgspec.structs.replace(self._pending, content=b"")

    def accept(self, reply: Reply | None = None) -> None:
        """Decide that the offer is taken."""
        offer = self._decided()
        self._out.append(reply.encode() if reply is not None else _OK_BYTES[type(offer)])
        match offer:
            case RcptOffered(rcpt):
                self._recipients[rcpt.forward_path] = rcpt
                self._state = State.RCPT
            case MailOffered(mail):
                self._mail = mail
                self._state = State.MAIL
            case MessageOffered():
                self._errors = self._unknown = self._bad_recipients = self._idle = 0
                self._end_transaction()
            case AuthOffered():
                self.is_authenticated = True
                self._auth_failures = 0

    def refuse(self, reply: Reply) -> None:
        """Decide that the offer is not taken, and say why."""
        match self._decided():
            case RcptOffered():
                self._fail_recipient(reply)
            case MailOffered():
                self._fail_message()
                self._fail(reply)
            case MessageOffered():
                self._say(reply)
                self._end_transaction()
            case AuthOffered():
                self._fail_login(reply)

    def data_to_send(self) -> bytes:
        """Return the octets for the client that have gathered since the last call."""
        out = b"".join(self._out)
        self._out.clear()
        return out

    def next_event(self, until: int = sys.maxsize) -> Event | None:
        """Return what happened next; None where that takes more octets, a decision, or more than ``until`` steps."""
        while self._event is None and self._pending is None and self._state not in SILENT:
            if self._is_leaving and self._state not in TRANSACTION:
                self.turn_away(Reply(421, "4.3.2", f"{self._options.hostname} is going down; try again soon"))
                break
            if self.steps >= until:
                break
            self.steps += 1
            if not self._advance():
                if self._input_has_ended:
                    self._close("the client ended the connection")
                break
        event, self._event = self._event, None
        return event

    # How input is taken: each of these returns whether there was enough of it to do something.

    def _advance(self) -> bool:
        if self._state is State.TEXT:
            return self._read_text()
        if self._state is State.CHUNK:
            return self._read_chunk()
        return self._read_line()

    def _read_line(self) -> bool:
        end = self._in.find(b"\n")
        if self._skips_line or (end if end >= 0 else len(self._in)) > self._longest_line():
            return self._skip_line(end)
        if end < 0:
            return False
        line = bytes(self._in[:end])
        del self._in[: end + 1]
        if not line.endswith(b"\r"):
            # RFC 5321 §2.3.8: a line ends in CR LF and in nothing else.
            self._fail(_LINE_END)
        elif self._state is State.LOGIN:
            self._go_on_with_login(line[:-1])
        else:
            self._obey(parse_command(line[:-1], is_utf8=self._mail is not None and self._mail.is_utf8))
        return True

    def _longest_line(self) -> int:
        is_login = self._state is State.LOGIN or self._in[:5].upper() == b"AUTH "
        # One octet more for the CR.
        return 1 + (self._limits.max_auth_line if is_login else self._limits.max_command_line)

    def _skip_line(self, end: int) -> bool:
        self._skips_line = end < 0
        if end < 0:
            self._in.clear()
            return False
        del self._in[: end + 1]
        if self._state is State.LOGIN:
            self._state = State.READY
            self._fail(_LOGIN_TOO_LONG)
        else:
            self._fail(_LINE_TOO_LONG)
        return True

    def _read_text(self) -> bool:
        assert self._reader is not None
        if not self._in:
            return False
        data, self._in = self._in, bytearray()
        used = self._reader.feed(data)
        if used is None:
            return False
        self._in = data[used:]
        self._reader = None
        self._offer_message()
        return True

    def _read_chunk(self) -> bool:
        taken = min(self._chunk_left, len(self._in))
        if taken and self._chunk_refusal is None:
            self._content.append(self._in[:taken])
        del self._in[:taken]
        self._chunk_left -= taken
        if self._chunk_left:
            return False
        self._end_chunk()
        return True

    # How commands are obeyed.

    def _obey(self, command: Command) -> None:
        refusal = out_of_order(command, self._state)
        if refusal is not None:
            self._refuse_order(command, refusal)
            return
        match command:
            case Rcpt():
                self._begin_recipient(command)
            case Mail():
                self._begin_transaction(command)
            case commands.Data():
                self._content = Content(self._limits.max_message_size)
                self._reader = DataReader(self._content)
                self._state = State.TEXT
                self._say(Reply(354, None, "Send the message, then a dot on a line of its own"))
            case commands.Bdat():
                self._begin_chunk(command, None)
            case commands.Ehlo(name) | commands.Helo(name):
                self._introduce(name, is_extended=isinstance(command, commands.Ehlo))
            case commands.Auth():
                self._begin_login(command)
            case commands.StartTls():
                self._begin_tls()
            case commands.Quit():
                self._say(Reply(221, "2.0.0", f"{self._options.hostname} closes the connection"))
                self._close("the client said QUIT")
            case commands.Unknown():
                self._refuse_unknown()
            case commands.Malformed(verb, reply):
                self._refuse_malformed(verb, reply)
            case _:
                self._answer_idle(command)

    def _refuse_order(self, command: Command, reply: Reply) -> None:
        if isinstance(command, commands.Bdat):
            self._begin_chunk(command, reply)
        elif self._message_has_failed and isinstance(command, _PART_OF_MESSAGE):
            self._refuse_follower(reply)
        else:
            self._fail(reply)

    def _refuse_unknown(self) -> None:
        self._unknown += 1
        if self._unknown >= self._limits.max_unknown_commands:
            self.turn_away(Reply(421, "4.7.0", "Too many unknown commands; this is a mail submission server"))
        else:
            self._fail(Reply(500, "5.5.1", "The command is not known here; HELP lists those that are"))

    def _refuse_malformed(self, verb: str, reply: Reply) -> None:
        if verb == "BDAT":
            # Without a size nobody can tell the chunk from the command behind it.
            self.turn_away(Reply(421, "4.7.0", f"{reply.text}; what follows it cannot be told apart"))
        elif verb == "RCPT" and (self._state in IN_ORDER[Rcpt] or self._message_has_failed):
            self._fail_recipient(reply)
        else:
            if verb == "MAIL":
                self._fail_message()
            self._fail(reply)

    def _answer_idle(self, command: Command) -> None:
        if isinstance(command, commands.Rset):
            self._end_transaction()
        self._say(_ANSWERS[type(command)])
        self._count_idle()

    def _introduce(self, name: str, *, is_extended: bool) -> None:
        self._end_transaction()
        self._state = State.READY
        self.client_name = name
        self.is_extended = is_extended
        lines = [f"{self._options.hostname} greets {name}"]
        if is_extended:
            lines += offered_keywords(self._options, is_tls=self.is_tls, now_s=self._clock() // 1000)
        self._say(Reply(250, None, "\n".join(lines)))
        self._count_idle()

    # Login and TLS.

    def _begin_login(self, auth: commands.Auth) -> None:
        if not self._options.requires_auth:
            self._fail(Reply(503, "5.5.1", "No login is needed here; leave AUTH out"))
        elif self.is_authenticated:
            # RFC 4954 §4: one login in a session.
            self._fail(Reply(503, "5.5.1", "You are logged in already"))
        elif self._options.requires_tls and not self.is_tls:
            # RFC 4954 §6
            self._fail(Reply(538, "5.7.11", "A login needs encryption; send STARTTLS first"))
        elif auth.mechanism not in MECHANISMS:
            self._fail(Reply(504, "5.5.4", f"The mechanism is not offered; use {' or '.join(sorted(MECHANISMS))}"))
        else:
            self._sasl = SaslExchange(auth.mechanism)
            self._state = State.LOGIN
            self._exchange(self._sasl, auth.initial_response)

    def _go_on_with_login(self, line: bytes) -> None:
        assert self._sasl is not None
        self._exchange(self._sasl, line)

    def _exchange(self, sasl: SaslExchange, response: bytes | str | None) -> None:
        try:
            step = sasl.answer(response) if isinstance(response, bytes) else sasl.begin(response)
        except SaslError as error:
            self._state = State.READY
            self._fail(error.reply)
            return
        match step:
            case Challenge(text):
                self._say(Reply(334, None, text))
            case Credentials(username, password):
                self._state = State.READY
                self._offer(AuthOffered(username, password, sasl.mechanism))

    def _fail_login(self, reply: Reply) -> None:
        self._say(reply)
        if reply.is_transient:
            self._count_idle()
        else:
            self._auth_failures += 1
        if self._auth_failures >= self._limits.max_auth_failures:
            self.turn_away(Reply(421, "4.7.0", "Too many failed logins; check name and password"))

    def _begin_tls(self) -> None:
        if self.is_tls:
            self._fail(Reply(503, "5.5.1", "The connection is encrypted already"))
        elif not self._options.has_tls:
            self._fail(Reply(502, "5.5.1", "STARTTLS is not offered here"))
        else:
            # RFC 3207 §4.2: what was sent in the clear behind STARTTLS could be anybody's, and is dropped.
            if self._in:
                self._in.clear()
                self._errors += 1
            self._state = State.HANDSHAKE
            self._say(Reply(220, "2.0.0", "Begin the handshake"))
            self._event = TlsOffered()

    # The transaction.

    def _begin_transaction(self, mail: Mail) -> None:
        self._message_has_failed = False
        refusal = self._mail_refusal(mail)
        if refusal is None:
            self._offer(MailOffered(mail))
            return
        self._fail_message()
        if refusal.code == 552:
            self._event = TooLarge(mail, (), refusal, mail.size)
        self._fail(refusal)

    def _mail_refusal(self, mail: Mail) -> Reply | None:
        if self._options.requires_auth and not self.is_authenticated:
            if self._options.requires_tls and not self.is_tls:
                # RFC 3207 §4
                return Reply(530, "5.7.0", "Send STARTTLS first, then AUTH")
            # RFC 4954 §6
            return Reply(530, "5.7.0", "Log in first: send AUTH")
        # RFC 1870 §6.1
        if mail.size is not None and mail.size > self._limits.max_message_size:
            return self._too_large()
        if not mail.reverse_path and not self._options.takes_null_path:
            return Reply(550, "5.7.1", "Mail from <> is not taken here; use an address of your domain in MAIL FROM")
        return future_release.refusal(mail.release, self._options.max_hold_s, self._clock())

    def _begin_recipient(self, rcpt: Rcpt) -> None:
        if rcpt.forward_path in self._recipients:
            self._out.append(_OK_BYTES[RcptOffered])
        elif len(self._recipients) >= self._limits.max_recipients:
            # RFC 5321 §4.5.3.1.10: the rest may come in another transaction.
            self._say(Reply(452, "4.5.3", f"At most {self._limits.max_recipients} recipients; send the rest apart"))
        else:
            self._offer(RcptOffered(rcpt))

    def _begin_chunk(self, bdat: commands.Bdat, refusal: Reply | None) -> None:
        if refusal is None and self._state is State.RCPT:
            self._content = Content(self._limits.max_message_size)
        self._state_before_chunk = self._state
        self._chunk = bdat
        self._chunk_left = bdat.size
        self._chunk_refusal = refusal
        self._state = State.CHUNK

    def _end_chunk(self) -> None:
        if self._chunk_refusal is not None:
            self._state = self._state_before_chunk
            if self._message_has_failed:
                self._refuse_follower(self._chunk_refusal)
            else:
                self._fail(self._chunk_refusal)
        elif self._chunk.is_last:
            self._offer_message()
        elif self._content_refusal() is not None:
            self._offer_message()
            self._fail_message()
        else:
            self._state = State.CHUNKS
            self._say(Reply(250, "2.0.0", f"{self._chunk.size} octets taken"))

    def _offer_message(self) -> None:
        refusal = self._content_refusal()
        assert self._mail is not None
        if refusal is not None:
            if refusal.code == 552:
                self._event = TooLarge(self._mail, tuple(self._recipients.values()), refusal, None)
            self._say(refusal)
            self._end_transaction()
            return
        faults = self._content.faults
        content = self._content.take()
        self._offer(MessageOffered(self._mail, tuple(self._recipients.values()), content, faults))

    def _content_refusal(self) -> Reply | None:
        return self._refusal or (self._too_large() if self._content.is_too_large else None)

    def _too_large(self) -> Reply:
        return Reply(
            552, "5.3.4", f"A message may have at most {self._limits.max_message_size} octets; make it smaller"
        )

    def _end_transaction(self) -> None:
        if self._state in TRANSACTION:
            self._state = State.READY
        self._mail = None
        self._message_has_failed = False
        self._recipients = {}
        self._content = Content(0)
        self._refusal = None

    # Replies and the counting of trouble.

    def _offer(self, offer: Offer) -> None:
        self._event = self._pending = offer

    def _decided(self) -> Offer:
        offer, self._pending = self._pending, None
        if offer is None:
            raise RuntimeError("no offer waits for a decision")
        return offer

    def _say(self, reply: Reply) -> None:
        self._out.append(reply.encode())

    def _fail(self, reply: Reply) -> None:
        self._say(reply)
        self._errors += 1
        if self._errors >= self._limits.max_errors:
            self.turn_away(Reply(421, "4.7.0", "Too many errors; see the replies before this one"))

    def _fail_recipient(self, reply: Reply) -> None:
        self._say(reply)
        self._bad_recipients += 1
        if self._bad_recipients >= self._limits.max_bad_recipients:
            self.turn_away(Reply(421, "4.7.0", "Too many bad recipients; see the replies before this one"))

    def _fail_message(self) -> None:
        """Take note that the commands which the client has pipelined behind fail for no fault of their own."""
        self._message_has_failed = True
        self._followers = 0

    def _refuse_follower(self, reply: Reply) -> None:
        """Refuse a command behind a message that has failed: no error, up to what a whole message takes (RFC 2920)."""
        self._say(reply)
        self._followers += 1
        if self._followers >= self._limits.max_recipients + _BESIDE_RECIPIENTS:
            self.turn_away(Reply(421, "4.7.0", "Too many commands behind a message that failed; see the first reply"))

    def _count_idle(self) -> None:
        self._idle += 1
        if self._idle > self._limits.max_idle_commands:
            self.turn_away(Reply(421, "4.7.0", "Too many commands without a message; connect again when there is one"))

    def _close(self, reason: str, *, is_forced: bool = False) -> None:
        self._state = State.CLOSED
        self._in.clear()
        self._recipients = {}
        self._content = Content(0)
        self._pending = None
        self._event = Closed(reason, is_forced)

    def _require(self, state: State) -> None:
        if self._state is not state:
            raise RuntimeError(f"the session is {self._state.name}, not {state.name}")
