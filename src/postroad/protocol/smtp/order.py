"""Which command is in order when: the states of a server session (RFC 5321 §4.1.4).

    state      in order there                      goes to
    ---------  ----------------------------------  -------------------------------------------------------
    CONNECTED  (nothing)                           GREETED by greet()
    GREETED    EHLO HELO                           READY
    READY      EHLO HELO AUTH STARTTLS MAIL        LOGIN by AUTH, HANDSHAKE by STARTTLS, MAIL by MAIL
    LOGIN      a line of the SASL exchange         READY
    HANDSHAKE  (nothing)                           GREETED by tls_started()
    MAIL       EHLO HELO RCPT                      RCPT once a recipient is accepted
    RCPT       EHLO HELO RCPT DATA BDAT            TEXT by DATA, CHUNK by BDAT
    TEXT       the message text and its dot        READY
    CHUNK      the octets of one chunk             CHUNKS; READY after the last one or a failure
    CHUNKS     EHLO HELO BDAT                      CHUNK
    CLOSED     (nothing)                           the end

RSET NOOP VRFY EXPN HELP QUIT are in order wherever a command is. RSET, EHLO and HELO end a transaction.
"""

import enum

from postroad.protocol.smtp import command as commands
from postroad.protocol.smtp.command import Command
from postroad.protocol.smtp.reply import Reply


class State(enum.Enum):
    """Where a session stands; the table above is its meaning."""

    CONNECTED = enum.auto()
    GREETED = enum.auto()
    READY = enum.auto()
    LOGIN = enum.auto()
    HANDSHAKE = enum.auto()
    MAIL = enum.auto()
    RCPT = enum.auto()
    TEXT = enum.auto()
    CHUNK = enum.auto()
    CHUNKS = enum.auto()
    CLOSED = enum.auto()


IN_ORDER: dict[type[Command], frozenset[State]] = {
    commands.Auth: frozenset({State.READY}),
    commands.StartTls: frozenset({State.READY}),
    commands.Mail: frozenset({State.READY}),
    commands.Rcpt: frozenset({State.MAIL, State.RCPT}),
    commands.Data: frozenset({State.RCPT}),
    commands.Bdat: frozenset({State.RCPT, State.CHUNKS}),
}
"""The states in which a command is in order; one that is not listed always is."""
TRANSACTION = frozenset({State.MAIL, State.RCPT, State.TEXT, State.CHUNK, State.CHUNKS})
SILENT = frozenset({State.CONNECTED, State.HANDSHAKE, State.CLOSED})
"""States in which no command is read."""

_SAY_EHLO = Reply(503, "5.5.1", "Send EHLO first")
_SAY_MAIL = Reply(503, "5.5.1", "Send MAIL FROM first")
_SAY_BDAT = Reply(503, "5.5.1", "The message is being sent by BDAT; go on so, or send RSET first")
_NO_RECIPIENTS = Reply(554, "5.5.1", "No valid recipients; send RCPT TO first")
_IN_TRANSACTION = Reply(503, "5.5.1", "Not within a transaction; finish it or send RSET first")


def out_of_order(command: Command, state: State) -> Reply | None:
    """Return the reply to a command that is not in order in this state; None to one that is."""
    states = IN_ORDER.get(type(command))
    if states is None or state in states:
        return None
    if state is State.GREETED:
        return _SAY_EHLO
    if state is State.READY:
        return _SAY_MAIL
    if state is State.MAIL and isinstance(command, commands.Data | commands.Bdat):
        return _NO_RECIPIENTS
    if state is State.CHUNKS and isinstance(command, commands.Rcpt | commands.Data):
        return _SAY_BDAT
    return _IN_TRANSACTION
