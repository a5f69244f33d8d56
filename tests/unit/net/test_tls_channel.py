"""The server's end of TLS against OpenSSL's client end, octets handed from one to the other in memory."""

import contextlib
import functools
import hmac
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from postroad.net.tls_channel import TlsChannel

LONG = bytes(range(256)) * 400
"""More than six records."""


class Client:
    """A client's end over memory."""

    def __init__(self, authority: trustme.CA) -> None:
        self.context = ssl.create_default_context()
        authority.configure_trust(self.context)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()

    @functools.cached_property
    def tls(self) -> ssl.SSLObject:
        """The connection, begun as the context is when it is first asked for."""
        return self.context.wrap_bio(self._incoming, self._outgoing, server_hostname="mx.example")

    def shake_hands(self, server: TlsChannel, *, by: int = 65_536) -> None:
        """Finish the handshake, with its octets handed over a few at a time."""
        while not server.is_established:
            with contextlib.suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
            self.hand_over(server, by=by)
            self.take(server)

    def octets(self) -> bytes:
        """Return what the client has to send."""
        return self._outgoing.read()

    def take(self, server: TlsChannel) -> None:
        """Take what the server has to send."""
        self._incoming.write(server.data_to_send())

    def hand_over(self, server: TlsChannel, *, by: int = 65_536) -> bytes:
        """Give the server what the client has to send; returns the text that it carries."""
        octets = self.octets()
        return b"".join(server.receive(octets[start : start + by]) for start in range(0, len(octets), by))

    def read(self, server: TlsChannel) -> bytes:
        """Return all the text that the server has sent."""
        self.take(server)
        found = b""
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            while text := self.tls.read(65_536):
                found += text
        return found


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("mx.example").configure_cert(context)
    return context


@pytest.fixture
def server(context: ssl.SSLContext) -> TlsChannel:
    return TlsChannel(context)


@pytest.fixture
def client(authority: trustme.CA) -> Client:
    return Client(authority)


@pytest.mark.parametrize("by", [1, 100, 65_536])
def test_text_goes_both_ways_however_the_octets_are_cut(server: TlsChannel, client: Client, by: int) -> None:
    client.shake_hands(server, by=by)
    assert (server.version, server.cipher) == ("TLSv1.3", "TLS_AES_256_GCM_SHA384")

    for start in range(0, len(LONG), 10_000):
        client.tls.write(LONG[start : start + 10_000])
    assert client.hand_over(server, by=by) == LONG
    server.send(LONG)
    assert client.read(server) == LONG
    assert not server.is_ended


def test_what_is_said_in_one_breath_with_the_handshake_is_not_lost(server: TlsChannel, client: Client) -> None:
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    assert client.hand_over(server) == b""
    client.take(server)
    client.tls.do_handshake()
    client.tls.write(b"EHLO early\r\n")

    assert client.hand_over(server) == b"EHLO early\r\n"
    assert server.is_established


def test_a_farewell_ends_what_is_heard_and_what_is_said(server: TlsChannel, client: Client) -> None:
    client.shake_hands(server)
    client.tls.write(b"QUIT\r\n")
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()

    assert client.hand_over(server) == b"QUIT\r\n"
    assert server.is_ended
    server.send(b"221 Bye\r\n")
    server.end()
    server.send(b"nothing more")
    server.end()
    assert client.read(server) == b"221 Bye\r\n"


def test_a_client_may_say_farewell_after_the_server(server: TlsChannel, client: Client) -> None:
    client.shake_hands(server)
    server.end()
    assert client.read(server) == b""
    with contextlib.suppress(ssl.SSLWantReadError):
        client.tls.unwrap()

    assert client.hand_over(server) == b""
    assert server.is_ended


def test_octets_that_are_no_tls_are_refused(server: TlsChannel) -> None:
    with pytest.raises(ssl.SSLError):
        server.receive(b"EHLO in the clear\r\n")

    server.send(b"nothing")
    server.end()
    assert server.data_to_send() == b""
    assert not server.is_established


def test_a_client_is_told_by_an_alert_why_there_is_no_handshake(context: ssl.SSLContext, client: Client) -> None:
    client.context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    server = TlsChannel(context)
    with pytest.raises(ssl.SSLError):
        client.shake_hands(server)

    # RFC 8446 §6: record type 21; it is fatal, and says protocol_version.
    alert = server.data_to_send()
    assert (alert[0], alert[-2:]) == (21, bytes([2, 70]))


def test_a_forged_record_is_refused(server: TlsChannel, client: Client) -> None:
    client.shake_hands(server)
    client.tls.write(b"MAIL FROM:<a@example.com>\r\n")
    octets = bytearray(client.octets())
    octets[-1] ^= 1

    with pytest.raises(ssl.SSLError):
        server.receive(bytes(octets))

    client.take(server)
    with pytest.raises(ssl.SSLError, match="BAD_RECORD_MAC"):
        client.tls.read(1)


def expanded(secret: bytes, seed: bytes, octets: int) -> bytes:
    """Return the output of the pseudorandom function of TLS 1.2 (RFC 5246 §5)."""
    found, link = b"", seed
    while len(found) < octets:
        link = hmac.digest(secret, link, "sha256")
        found += hmac.digest(secret, link + seed, "sha256")
    return found[:octets]


def test_a_client_that_asks_on_and_on_for_another_handshake_is_ended(
    context: ssl.SSLContext, client: Client, tmp_path: Path
) -> None:
    context.options |= ssl.OP_NO_RENEGOTIATION
    server = TlsChannel(context)
    keys = tmp_path / "keys"
    client.context.keylog_filename = str(keys)
    client.context.maximum_version = ssl.TLSVersion.TLSv1_2
    client.context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    hello = client.octets()
    server.receive(hello)
    answered = server.data_to_send()
    client._incoming.write(answered)
    client.shake_hands(server)
    secret = bytes.fromhex(keys.read_text().split("CLIENT_RANDOM ")[1].split()[1])
    # Record and handshake header and version stand before either random (RFC 5246 §7.4.1).
    block = expanded(secret, b"key expansion" + answered[11:43] + hello[11:43], 40)
    cipher, salt = AESGCM(block[:16]), block[32:36]

    def record(number: int) -> bytes:
        """Return an empty ClientHello as a record of its own (RFC 5288 §3)."""
        count, text = number.to_bytes(8, "big"), b"\x01\0\0\0"
        sealed = cipher.encrypt(salt + count, text, count + b"\x16\x03\x03\x00\x04")
        return b"\x16\x03\x03" + (8 + len(sealed)).to_bytes(2, "big") + count + sealed

    sent = 0
    with pytest.raises(ssl.SSLError, match="asks for too much"):
        for number in range(1, 5_000):
            assert server.receive(record(number)) == b""
            sent += len(server.data_to_send())
    assert 60_000 < sent < 66_000
