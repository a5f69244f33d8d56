"""A connection under TLS as uvicorn's protocol writes to it and asks about it."""

import asyncio
import ssl
from typing import Any

from postroad.net.tls_channel import TlsChannel


class TlsTransport(asyncio.Transport):
    """Encrypts what is written to a connection, and decrypts what its owner was given of it."""

    def __init__(self, transport: asyncio.Transport, context: ssl.SSLContext) -> None:
        super().__init__()
        self._transport = transport
        self._context = context
        self._channel = TlsChannel(context)

    def receive(self, octets: bytes) -> bytes:
        """Return the text that octets of the connection complete; closes it where they are no TLS, or the client's end."""
        try:
            text = self._channel.receive(octets)
        except ssl.SSLError:
            text = b""
            self.close()
        self._flush()
        return text

    @property
    def is_ended(self) -> bool:
        """Whether the client has said that it sends nothing more."""
        return self._channel.is_ended

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the connection below, and the context."""
        return self._context if name == "sslcontext" else self._transport.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send a text."""
        self._channel.send(bytes(data))
        self._flush()

    def close(self) -> None:
        """Say farewell and close once everything is sent."""
        if not self._transport.is_closing():
            self._channel.end()
            self._flush()
            self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection ends."""
        return self._transport.is_closing()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def pause_reading(self) -> None:
        """Take nothing more for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take more again."""
        self._transport.resume_reading()

    def _flush(self) -> None:
        octets = self._channel.data_to_send()
        if octets:
            self._transport.write(octets)
