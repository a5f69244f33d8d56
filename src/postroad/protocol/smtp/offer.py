"""Events of a server session: what the machine tells its driver, and mostly leaves to it to decide."""

import msgspec

from postroad.protocol.smtp.command import Mail, Rcpt
from postroad.protocol.smtp.data import Fault
from postroad.protocol.smtp.reply import Reply


class AuthOffered(msgspec.Struct, frozen=True):
    """The client has sent its name and password."""

    username: str
    password: str
    mechanism: str = ""

    def __repr__(self) -> str:
        return f"AuthOffered({self.username!r}, '…')"


class MailOffered(msgspec.Struct, frozen=True):
    """A transaction would begin."""

    mail: Mail


class RcptOffered(msgspec.Struct, frozen=True):
    """A recipient that this transaction does not have yet."""

    rcpt: Rcpt


class MessageOffered(msgspec.Struct, frozen=True):
    """A whole message; to accept it is to take responsibility for it (RFC 5321 §6.1)."""

    mail: Mail
    recipients: tuple[Rcpt, ...]
    content: bytes
    faults: Fault


class TlsOffered(msgspec.Struct, frozen=True):
    """The client was told to begin its handshake: send what is to be sent, start TLS, call ``tls_started``."""


class Closed(msgspec.Struct, frozen=True):
    """The session is over: send what is to be sent and close the connection."""

    reason: str
    is_forced: bool = False
    """The client did not ask for it, and may still be sending."""


class TooLarge(msgspec.Struct, frozen=True):
    """A message was refused for its size, announced or sent; the reply has been given, there is nothing to decide."""

    mail: Mail
    recipients: tuple[Rcpt, ...]
    reply: Reply
    announced: int | None
    """The octets that MAIL announced; null where the message itself turned out too large."""


Offer = AuthOffered | MailOffered | RcptOffered | MessageOffered
Event = Offer | TlsOffered | TooLarge | Closed
