"""What a client asks for in one mail transaction, and the MAIL and RCPT lines that ask it."""

import msgspec

from postroad.protocol.smtp.address import is_speakable
from postroad.protocol.smtp.extension import Extensions

NOT_EIGHT_BIT = "8-bit content sent to a host without 8BITMIME"
NO_DSN = "delivery status parameters not passed on: the host does not offer DSN"


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """One message for one recipient, as the client machine sends it."""

    key: int
    """Comes back with the transaction's end."""
    reverse_path: str
    """``local@domain``, or the empty string for the null path."""
    recipient: str
    content: bytes
    is_eight_bit: bool = False
    is_utf8: bool = False
    """An address or a header needs SMTPUTF8 (RFC 6531)."""
    ret: str | None = None
    envid: str | None = None
    notify: str | None = None
    """The value of NOTIFY as it is written: ``SUCCESS,FAILURE``."""
    original_recipient: str | None = None
    """The value of ORCPT, decoded: ``rfc822;user@example.com``."""

    @property
    def needs_smtputf8(self) -> bool:
        """Whether a host without SMTPUTF8 cannot take it."""
        return self.is_utf8 or not (self.reverse_path.isascii() and self.recipient.isascii())

    @property
    def has_sound_paths(self) -> bool:
        """Whether both paths can stand in a command: no control character may end the line early."""
        return is_speakable(self.reverse_path) and is_speakable(self.recipient)


def mail_line(transaction: Transaction, extensions: Extensions) -> str:
    """Return the MAIL line with every parameter that the host offers and the transaction wants."""
    line = f"MAIL FROM:<{transaction.reverse_path}>"
    if extensions.size is not None:
        # RFC 1870 §4: octets as they are transferred, without the dots of transparency and the final one.
        line += f" SIZE={len(transaction.content)}"
    if transaction.is_eight_bit and extensions.eight_bit:
        line += " BODY=8BITMIME"
    if extensions.smtputf8 and transaction.needs_smtputf8:
        line += " SMTPUTF8"
    if extensions.dsn:
        # RFC 3461 §5.2.1: a relay passes the parameters on to a host that offers DSN, as they came.
        if transaction.ret:
            line += f" RET={transaction.ret}"
        if transaction.envid:
            line += f" ENVID={encode_xtext(transaction.envid)}"
    return line + "\r\n"


def rcpt_line(transaction: Transaction, extensions: Extensions) -> str:
    """Return the RCPT line with every parameter that the host offers and the transaction wants."""
    line = f"RCPT TO:<{transaction.recipient}>"
    if extensions.dsn:
        if transaction.notify:
            line += f" NOTIFY={transaction.notify}"
        if transaction.original_recipient:
            line += f" ORCPT={_encode_original_recipient(transaction.original_recipient)}"
    return line + "\r\n"


def notes_of(transaction: Transaction, extensions: Extensions) -> tuple[str, ...]:
    """Return the remarks that the host's missing extensions call for."""
    notes: tuple[str, ...] = ()
    if transaction.is_eight_bit and not extensions.eight_bit:
        notes += (NOT_EIGHT_BIT,)
    if (transaction.notify or transaction.ret or transaction.envid) and not extensions.dsn:
        notes += (NO_DSN,)
    return notes


def encode_xtext(text: str) -> str:
    """Return the text as RFC 3461 §4 writes it in a parameter: ``+``, ``=`` and what does not print as ``+XX``."""
    if _is_plain(text):
        return text
    return "".join(
        chr(octet) if _is_plain(chr(octet)) else f"+{octet:02X}" for octet in text.encode("utf-8", "replace")
    )


def _encode_original_recipient(value: str) -> str:
    kind, _, address = value.partition(";")
    if kind.lower() != "utf-8":
        return f"{kind};{encode_xtext(address)}"
    # RFC 6533 §3: an internationalised address is written in ASCII with \x{…} for what does not print there.
    quoted = (c if _is_plain(c) and c != "\\" else f"\\x{{{ord(c):02X}}}" for c in address)
    return f"{kind};{''.join(quoted)}"


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and not any(c in text for c in "+= ")
