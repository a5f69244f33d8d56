"""The server's end of one TLS connection without a socket: octets of the connection in, text out, and back."""

import contextlib
import ssl

_READ_SIZE = 65_536
"""More than a record holds (RFC 8446 §5.1): each read returns what one record carries."""
_MOST_ANSWERED = 65_536
"""Octets that the layer may answer by itself after the handshake, to renegotiations (which it refuses) and new keys."""


class TlsChannel:
    """Encrypts and decrypts for one connection, whose octets its owner moves.

    asyncio's own layer does the same over a transport of its own; this one costs a mail client's many short connections
    less, and what leaves at one moment leaves in one piece: the end of the handshake, the ticket and the greeting.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.is_established = False
        """The handshake is over."""
        self.is_ended = False
        """The client has said that it sends nothing more (close_notify, RFC 8446 §6.1)."""
        self._is_over = False
        self._answered = 0

    @property
    def version(self) -> str | None:
        """The version of TLS, once it is agreed on."""
        return self._tls.version()

    @property
    def cipher(self) -> str | None:
        """The name of the cipher suite, once it is agreed on."""
        agreed = self._tls.cipher()
        return None if agreed is None else agreed[0]

    def receive(self, octets: bytes) -> bytes:
        """Take octets of the connection and return the text that they complete, which may be none.

        Raises ssl.SSLError where they are no TLS, the handshake fails, or the client asks without end for what is refused;
        ``data_to_send`` then has the alert, and text that came together with what is wrong is not told.
        """
        self._incoming.write(octets)
        try:
            if self.is_established:
                return self._text()
            self._tls.do_handshake()
            self.is_established = True
            return b"".join(self._records())
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLError:
            self._is_over = True
            raise

    def send(self, text: bytes) -> None:
        """Encrypt what the client is told; nothing is told after the end."""
        rest = memoryview(b"" if self._is_over else text)
        while rest:
            # Of a long text a write takes what fits into one record.
            rest = rest[self._tls.write(rest) :]

    def end(self) -> None:
        """Say that nothing more is sent (RFC 8446 §6.1); in a handshake there is nothing to say it with."""
        if self.is_established and not self._is_over:
            self._is_over = True
            # The client's own farewell is not waited for.
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()

    def data_to_send(self) -> bytes:
        """Return the octets that the connection has to carry now."""
        return self._outgoing.read()

    def _text(self) -> bytes:
        waits = self._outgoing.pending
        text = b"".join(self._records())
        self._answered += self._outgoing.pending - waits
        if self._answered > _MOST_ANSWERED:
            # A client that reads none of it would have it gather.
            raise ssl.SSLError("the client asks for too much besides its text")
        return text

    def _records(self) -> list[bytes]:
        texts: list[bytes] = []
        while self._incoming.pending or self._tls.pending():
            try:
                text = self._tls.read(_READ_SIZE)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                text = b""  # OpenSSL says so where this end has said farewell already
            if not text:
                self.is_ended = True
                break
            texts.append(text)
        return texts
