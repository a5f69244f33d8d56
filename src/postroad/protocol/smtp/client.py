"""The client's side of an SMTP connection as a machine without I/O (RFC 5321, 2920, 3207, 4954).

Theory of operation. Every command that leaves puts an entry at the end of the queue of awaited replies; every reply
that arrives takes the first entry and is dealt with by that entry's stage. Nothing else decides who a reply belongs
to, so pipelining is not a special case: without PIPELINING the next command of a transaction is sent when the reply
to the one before has come, with it all three are sent at once and the following transaction's right behind the final
dot. At most two transactions are open: one whose content is leaving or awaits its last reply, and one ahead of DATA.

Connection, by the stage whose reply is awaited:

| stage | reply | next stage |
| --- | --- | --- |
| GREETING | 220 | EHLO |
| EHLO | 250 | STARTTLS, AUTH or ready, as offered and wanted |
| EHLO | 5xx | EHLO again, by way of HELO; then over |
| STARTTLS | 220 | the driver shakes hands, then EHLO again |
| STARTTLS | refused | over where TLS is required, else AUTH or ready in the clear |
| AUTH | 334 | AUTH: next line of the mechanism |
| AUTH | 235 | ready |
| RSET | 250 | ready |
| QUIT | any | over |
| STARTTLS, the first EHLO under TLS | none: end of the bytes, too late | over: TLS failed |
| any | any other refusal, 421, no SMTP, end of the bytes | over |

Transaction:

| stage | reply | what follows |
| --- | --- | --- |
| MAIL, RCPT | 2xx | next command, unless it was pipelined |
| MAIL, RCPT, DATA | 4xx, 5xx | ended; later replies are awaited and ignored; RSET before the next MAIL |
| DATA | 354 | content; a lone dot where the transaction has ended (RFC 2920 §3.1) |
| CONTENT | 4xx, 5xx | ended, and the connection with it: the content cannot be taken back |
| FINAL_DOT | any but 3xx | ended |

The machine never raises for what the peer does. When the connection ends, each open transaction ends with the stage
it had reached: before DATA was answered nothing was taken, after the final dot nobody knows.
"""

import enum
from base64 import b64encode
from collections import deque

import msgspec

from postroad.protocol.smtp import data as contents
from postroad.protocol.smtp.extension import Extensions, parse_ehlo
from postroad.protocol.smtp.reply import Reply
from postroad.protocol.smtp.reply_reader import RemoteProtocolError, ReplyReader
from postroad.protocol.smtp.transaction import Transaction, mail_line, notes_of, rcpt_line

CHUNK = 65_536
"""The most content that leaves in one piece."""


class Stage(enum.Enum):
    """What the connection or a transaction waits for."""

    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"
    FINAL_DOT = "final_dot"
    RSET = "rset"
    QUIT = "quit"


class Problem(enum.Enum):
    """What ended a transaction or a connection, where it was no reply."""

    LOST = "lost"
    TIMEOUT = "timeout"
    TLS = "tls"
    PROTOCOL = "protocol"
    NEEDS_SMTPUTF8 = "needs-smtputf8"


class StartTls(enum.Enum):
    """Whether the client asks for TLS."""

    NEVER = "never"
    IF_OFFERED = "if-offered"
    REQUIRED = "required"


class Credentials(msgspec.Struct, frozen=True):
    """What AUTH proves."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials({self.username!r}, '…')"


class TlsWanted(msgspec.Struct, frozen=True):
    """The host said 220 to STARTTLS: shake hands now, then call ``tls_started``."""


class Ready(msgspec.Struct, frozen=True):
    """The connection takes transactions."""

    extensions: Extensions


class TransactionEnded(msgspec.Struct, frozen=True):
    """A transaction's one result: a reply or a problem."""

    key: int
    stage: Stage
    reply: Reply | None
    problem: Problem | None
    detail: str
    notes: tuple[str, ...]


class ConnectionEnded(msgspec.Struct, frozen=True):
    """Nothing more will happen on this connection; the last event."""

    stage: Stage | None
    """What was awaited; null where nothing was."""
    reply: Reply | None
    problem: Problem | None
    """Null after an orderly QUIT."""
    detail: str


Event = TlsWanted | Ready | TransactionEnded | ConnectionEnded


class _Open:
    """A transaction under way."""

    __slots__ = ("has_ended", "stage", "transaction")

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.stage = Stage.MAIL
        self.has_ended = False


_NO_EXTENSIONS = Extensions()


class Client:
    """One connection from the greeting to QUIT.

    Pull style: ``feed`` what arrives, take events with ``next_event`` until there is none, write ``data_to_send``
    until it is empty.
    """

    def __init__(
        self,
        *,
        ehlo_name: str,
        start_tls: StartTls = StartTls.NEVER,
        credentials: Credentials | None = None,
        is_encrypted: bool = False,
    ) -> None:
        self.extensions = _NO_EXTENSIONS
        self.progress = 0
        """Goes up with every reply taken and every piece handed over: a deadline starts anew then."""
        self._ehlo_name = ehlo_name
        self._start_tls = start_tls
        self._credentials = credentials
        self._is_encrypted = is_encrypted
        self._reader = ReplyReader()
        self._awaited: deque[tuple[Stage, _Open | None]] = deque()
        self._events: deque[Event] = deque()
        self._outgoing: deque[bytes | memoryview] = deque()
        self._in_commands: _Open | None = None
        self._in_content: _Open | None = None
        self._last_piece: bytes | memoryview | None = None  # the one with the final dot, until it is handed over
        self._auth_lines: list[str] = []
        self._begun = 0
        self._needs_reset = False
        self._said_helo = False
        self._is_shaking_hands = False
        self._is_tls_unproven = False  # the handshake is over, and nothing was heard under TLS yet
        self._is_ready = False
        self._is_over = False

    # -- what the driver asks ------------------------------------------------------------------------------------

    @property
    def awaited(self) -> Stage | None:
        """What the peer has to do next: read content, or answer; null when nothing is asked of it."""
        if self._last_piece is not None:
            return Stage.CONTENT
        return self._awaited[0][0] if self._awaited else None

    @property
    def can_transact(self) -> bool:
        """Whether another transaction may begin now."""
        if self._in_commands is not None or not self._is_ready or self._is_over or self.is_used_up:
            return False
        # RFC 2920 §3.1: the next group of commands may follow right behind the content.
        return self.extensions.pipelining or not self._awaited

    @property
    def is_used_up(self) -> bool:
        """Whether the host takes no more transactions on this connection."""
        # RFC 9422 §4.1: MAILMAX is the number of transactions that one session may have.
        return bool(self.extensions.limits) and self._begun >= self.extensions.limits.get("MAILMAX", self._begun + 1)

    @property
    def is_idle(self) -> bool:
        """Whether the connection is ready and nothing is under way."""
        return self._is_ready and not self._is_over and not self._awaited and not self._outgoing

    @property
    def is_over(self) -> bool:
        """Whether the connection has ended as far as SMTP goes."""
        return self._is_over

    def next_event(self) -> Event | None:
        """Return the next thing that happened; null when more bytes are needed."""
        while not self._events and not self._is_over and not self._is_shaking_hands:
            reply = self._reader.next_reply()
            if reply is None:
                return None
            self.progress += 1
            self._take(reply)
        return self._events.popleft() if self._events else None

    def data_to_send(self) -> bytes:
        """Return the next bytes for the wire, little more than a chunk at a time; empty when there are none."""
        outgoing = self._outgoing
        pieces: list[bytes | memoryview] = []
        size = 0
        while outgoing and size < CHUNK:
            piece = outgoing.popleft()
            pieces.append(piece)
            size += len(piece)
            if piece is self._last_piece and self._in_content is not None:
                self._in_content.stage = Stage.FINAL_DOT
                self._last_piece = None
        if pieces:
            self.progress += 1
        return b"".join(pieces)

    # -- what the driver tells -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin: the connection stands and the host's greeting is awaited."""
        self._awaited.append((Stage.GREETING, None))

    def feed(self, data: bytes) -> None:
        """Take in bytes from the host."""
        self._reader.feed(data)

    def tls_started(self) -> None:
        """Go on under TLS after the handshake that ``TlsWanted`` asked for."""
        # RFC 3207 §4.2: nothing learned before the handshake is kept, nor any byte that came in the clear.
        self._reader.clear()
        self.extensions = _NO_EXTENSIONS
        self._is_shaking_hands = False
        self._is_encrypted = True
        self._is_tls_unproven = True
        self._say(f"EHLO {self._ehlo_name}\r\n", Stage.EHLO)

    def transact(self, transaction: Transaction) -> None:
        """Begin a transaction; only when ``can_transact``."""
        assert self.can_transact, "a transaction is begun only when the connection takes one"
        opened = _Open(transaction)
        if transaction.needs_smtputf8 and not self.extensions.smtputf8:
            # RFC 6531 §3.1: to a host without SMTPUTF8 such a message is not sent.
            self._end(opened, None, Problem.NEEDS_SMTPUTF8, "the host does not offer SMTPUTF8")
            return
        if not transaction.has_sound_paths:
            self._end(opened, None, Problem.PROTOCOL, "a path holds a control character")
            return
        if self._needs_reset:
            # RFC 5321 §4.1.4: MAIL is refused while the transaction before it is open.
            self._say("RSET\r\n", Stage.RSET)
            self._needs_reset = False
        self._begun += 1
        self._in_commands = opened
        self._say(mail_line(transaction, self.extensions), Stage.MAIL, opened)
        if self.extensions.pipelining:
            # RFC 2920 §3.1: DATA may be the last command of a group.
            self._say(rcpt_line(transaction, self.extensions), Stage.RCPT, opened)
            self._say("DATA\r\n", Stage.DATA, opened)

    def quit(self) -> None:
        """End the connection politely; only when idle."""
        assert self.is_idle, "QUIT is sent when nothing is under way"
        self._is_ready = False
        self._say("QUIT\r\n", Stage.QUIT)

    def lose(self, problem: Problem, detail: str) -> None:
        """End everything, because the connection was lost, took too long or could not be secured."""
        if self._is_over:
            return
        stage = Stage.STARTTLS if self._is_shaking_hands else self.awaited
        if problem in {Problem.LOST, Problem.TIMEOUT} and (stage is Stage.STARTTLS or self._is_tls_unproven):
            # RFC 8446 §4.4.2.4: a host that demands a certificate of ours breaks off when the handshake is over for us.
            problem, detail = Problem.TLS, f"TLS failed: {detail}"
        self._over(stage, None, problem, detail)

    # -- replies -------------------------------------------------------------------------------------------------

    def _take(self, reply: Reply | RemoteProtocolError) -> None:
        if isinstance(reply, RemoteProtocolError):
            self._over(self.awaited, None, Problem.PROTOCOL, reply.detail)
            return
        if not self._awaited:
            self._take_unasked(reply)
            return
        stage, opened = self._awaited.popleft()
        if reply.code == 421 and stage is not Stage.QUIT:
            # RFC 5321 §3.8: after 421 the connection ends. What awaited this reply is what was refused.
            if opened is not None and not opened.has_ended:
                self._end(opened, reply)
            self._over(stage, reply)
        elif opened is not None:
            self._take_for_transaction(stage, opened, reply)
        else:
            self._take_for_connection(stage, reply)

    def _take_unasked(self, reply: Reply) -> None:
        # RFC 5321 §3.8: a host that shuts down may say 421 at any time.
        if reply.code == 421:
            self._over(None, reply)
        else:
            self._over(None, None, Problem.PROTOCOL, f"a reply that nothing asked for: {reply}")

    def _take_for_connection(self, stage: Stage, reply: Reply) -> None:
        match stage:
            case Stage.GREETING if reply.code == 220:
                self._say(f"EHLO {self._ehlo_name}\r\n", Stage.EHLO)
            case Stage.EHLO:
                self._take_ehlo(reply)
            case Stage.STARTTLS:
                self._take_starttls(reply)
            case Stage.AUTH:
                self._take_auth(reply)
            case Stage.FINAL_DOT:
                pass  # RFC 2920 §3.1: what a host says to a lone dot means nothing.
            case Stage.RSET if reply.code == 250:
                pass
            case _:
                self._over(stage, reply)

    def _take_for_transaction(self, stage: Stage, opened: _Open, reply: Reply) -> None:
        answers = reply.code >= 400 or (reply.code == 354 if stage is Stage.DATA else reply.code < 300)
        if not answers:
            self._over(stage, None, Problem.PROTOCOL, f"a reply that does not answer the command: {reply}")
        elif stage is Stage.FINAL_DOT:
            self._take_final(opened, reply)
        elif reply.code >= 400:
            self._take_refusal(stage, opened, reply)
        elif stage is Stage.DATA:
            self._begin_content(opened)
        elif not opened.has_ended:
            self._advance(opened)

    def _take_final(self, opened: _Open, reply: Reply) -> None:
        if opened.stage is Stage.FINAL_DOT:
            self._in_content = None
            self._end(opened, reply)
        elif reply.code >= 400:
            # An answer in the middle of the content. What was begun cannot be taken back, only cut off.
            self._end(opened, reply)
            self._over(Stage.CONTENT, reply)
        else:
            self._over(Stage.CONTENT, None, Problem.PROTOCOL, f"content was accepted before its end: {reply}")

    def _take_refusal(self, stage: Stage, opened: _Open, reply: Reply) -> None:
        if not opened.has_ended:
            # The host has a transaction open as soon as it has taken MAIL.
            self._needs_reset = stage is not Stage.MAIL
            self._end(opened, reply)
        if stage is Stage.DATA or not self.extensions.pipelining:
            self._in_commands = None

    def _advance(self, opened: _Open) -> None:
        """Go on from MAIL to RCPT and from RCPT to DATA."""
        opened.stage = Stage.RCPT if opened.stage is Stage.MAIL else Stage.DATA
        if not self.extensions.pipelining:
            line = rcpt_line(opened.transaction, self.extensions) if opened.stage is Stage.RCPT else "DATA\r\n"
            self._say(line, opened.stage, opened)

    def _begin_content(self, opened: _Open) -> None:
        self._in_commands = None
        if opened.has_ended:
            # RFC 2920 §3.1: 354 without a recipient is answered by a lone dot; that also ends the transaction.
            self._needs_reset = False
            self._say(".\r\n", Stage.FINAL_DOT)
            return
        opened.stage = Stage.CONTENT
        self._in_content = opened
        self._awaited.append((Stage.FINAL_DOT, opened))
        stuffed = contents.stuff(opened.transaction.content)
        if len(stuffed) <= CHUNK:
            self._outgoing.append(stuffed)
        else:
            view = memoryview(stuffed)
            self._outgoing.extend(view[start : start + CHUNK] for start in range(0, len(view), CHUNK))
        self._last_piece = self._outgoing[-1]

    # -- before transactions -------------------------------------------------------------------------------------

    def _take_ehlo(self, reply: Reply) -> None:
        self._is_tls_unproven = False
        if reply.code == 250:
            if not self._said_helo:
                self.extensions = parse_ehlo(reply.text.split("\n"))
            self._secure()
        elif reply.code >= 500 and not self._said_helo:
            # RFC 5321 §3.2: a host that does not know EHLO is asked with HELO, and offers nothing.
            self._said_helo = True
            self._say(f"HELO {self._ehlo_name}\r\n", Stage.EHLO)
        else:
            self._over(Stage.EHLO, reply)

    def _secure(self) -> None:
        if self._is_encrypted or self._start_tls is StartTls.NEVER:
            self._log_in()
        elif self.extensions.starttls:
            self._say("STARTTLS\r\n", Stage.STARTTLS)
        elif self._start_tls is StartTls.REQUIRED:
            self._over(Stage.STARTTLS, None, Problem.TLS, "the host does not offer STARTTLS")
        else:
            self._log_in()

    def _take_starttls(self, reply: Reply) -> None:
        if reply.code == 220:
            self._is_shaking_hands = True
            self._events.append(TlsWanted())
        elif self._start_tls is StartTls.REQUIRED:
            self._over(Stage.STARTTLS, None, Problem.TLS, f"the host refuses STARTTLS: {reply}")
        else:
            self._log_in()

    def _log_in(self) -> None:
        credentials = self._credentials
        if credentials is None:
            self._be_ready()
        elif "PLAIN" in self.extensions.auth:
            # RFC 4616 §2: authorisation identity (none), user name and password, each ended by NUL.
            token = _base64(f"\0{credentials.username}\0{credentials.password}")
            self._say(f"AUTH PLAIN {token}\r\n", Stage.AUTH)
        elif "LOGIN" in self.extensions.auth:
            self._auth_lines = [_base64(credentials.username), _base64(credentials.password)]
            self._say("AUTH LOGIN\r\n", Stage.AUTH)
        else:
            self._over(Stage.AUTH, None, Problem.PROTOCOL, "the host offers neither AUTH PLAIN nor AUTH LOGIN")

    def _take_auth(self, reply: Reply) -> None:
        if reply.code == 235:
            self._be_ready()
        elif reply.code == 334 and self._auth_lines:
            self._say(self._auth_lines.pop(0) + "\r\n", Stage.AUTH)
        elif reply.code < 400:
            self._over(Stage.AUTH, None, Problem.PROTOCOL, f"a reply that does not answer AUTH: {reply}")
        else:
            self._over(Stage.AUTH, reply)

    def _be_ready(self) -> None:
        self._is_ready = True
        self._events.append(Ready(self.extensions))

    # -- ends ----------------------------------------------------------------------------------------------------

    def _say(self, line: str, stage: Stage, opened: _Open | None = None) -> None:
        self._outgoing.append(line.encode())
        self._awaited.append((stage, opened))

    def _end(self, opened: _Open, reply: Reply | None, problem: Problem | None = None, detail: str = "") -> None:
        opened.has_ended = True
        transaction = opened.transaction
        notes = notes_of(transaction, self.extensions)
        self._events.append(TransactionEnded(transaction.key, opened.stage, reply, problem, detail, notes))

    def _over(self, stage: Stage | None, reply: Reply | None, problem: Problem | None = None, detail: str = "") -> None:
        self._is_over = True
        for opened in (self._in_content, self._in_commands):
            if opened is not None and not opened.has_ended:
                self._end(opened, None, problem or Problem.LOST, detail or f"the host ended the connection: {reply}")
        self._awaited.clear()
        self._outgoing.clear()
        self._last_piece = None
        self._events.append(ConnectionEnded(stage, reply, problem, detail))


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
