"""PROXY headers: both versions, in pieces, and what is none."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.protocol.proxy import LONGEST_HEADER, ProxyError, ProxyHeader, parse_proxy

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def version_2(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, family, len(body)) + body


IPV4 = (
    ipaddress.ip_address("192.0.2.7").packed + ipaddress.ip_address("192.0.2.1").packed + struct.pack("!HH", 4000, 587)
)
IPV6 = (
    ipaddress.ip_address("2001:db8::7").packed
    + ipaddress.ip_address("2001:db8::1").packed
    + struct.pack("!HH", 4000, 587)
)
TLV = b"\x03\x00\x04abcd"


@pytest.mark.parametrize(
    ("header", "address", "port"),
    [
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 587\r\n", "192.0.2.7", 4000),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 4000 587\r\n", "2001:db8::7", 4000),
        (b"PROXY UNKNOWN\r\n", None, None),
        (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", None, None),
        (version_2(1, 0x11, IPV4), "192.0.2.7", 4000),
        (version_2(1, 0x11, IPV4 + TLV), "192.0.2.7", 4000),
        (version_2(1, 0x21, IPV6 + TLV * 3), "2001:db8::7", 4000),
        (version_2(0, 0x00, b""), None, None),
        (version_2(0, 0x11, IPV4), None, None),
        (version_2(1, 0x31, b"x" * 216), None, None),
        (version_2(1, 0x00, b""), None, None),
    ],
)
def test_a_header_is_read_once_it_is_all_there(header: bytes, address: str | None, port: int | None) -> None:
    for length in range(len(header)):
        assert parse_proxy(header[:length]) is None
    assert parse_proxy(header) == ProxyHeader(len(header), address, port)
    assert parse_proxy(header + b"EHLO client\r\n") == ProxyHeader(len(header), address, port)


@pytest.mark.parametrize(
    "data",
    [
        b"EHLO client\r\n",
        b"PROXY TCP4 192.0.2.7\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 4000 587\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 99999\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 +587\r\n",
        b"PROXY TCP5 192.0.2.7 192.0.2.1 4000 587\r\n",
        b"PROXY  TCP4 192.0.2.7 192.0.2.1 4000 587\r\n",
        b"PROXY \xff\r\n",
        b"PROXY " + b"x" * 107,
        b"\r\n\r\n\x00\r\nQUIT\r",
        SIGNATURE + b"\x11\x11\x00\x00",
        SIGNATURE + b"\x22\x11\x00\x00",
        version_2(1, 0x11, IPV4[:-1]),
        version_2(1, 0x21, IPV4),
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, LONGEST_HEADER),
    ],
)
def test_what_is_no_header_is_refused(data: bytes) -> None:
    with pytest.raises(ProxyError):
        parse_proxy(data)


@given(st.ip_addresses(), st.ip_addresses(), st.integers(0, 65535), st.binary(max_size=40))
def test_both_versions_say_the_same(
    source: ipaddress.IPv4Address | ipaddress.IPv6Address, other: object, port: int, rest: bytes
) -> None:
    family, code = ("TCP4", 0x11) if source.version == 4 else ("TCP6", 0x21)
    text = f"PROXY {family} {source} {source} {port} 587\r\n".encode()
    binary = version_2(1, code, source.packed * 2 + struct.pack("!HH", port, 587) + rest)

    assert parse_proxy(text) == ProxyHeader(len(text), str(source), port)
    assert parse_proxy(binary) == ProxyHeader(len(binary), str(source), port)
