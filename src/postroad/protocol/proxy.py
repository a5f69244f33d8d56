"""The PROXY protocol, versions 1 and 2: a load balancer says whose connection it passes on.

The format is the one of HAProxy's "The PROXY protocol" (2020); sections in comments are that document's.
"""

import ipaddress

import msgspec

LONGEST_HEADER = 4096
"""Octets of a header that are read before the connection is given up; an ordinary one has at most 232."""
_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_LONGEST_V1 = 107
_FAMILIES = {"TCP4": ipaddress.IPv4Address, "TCP6": ipaddress.IPv6Address}


class ProxyError(ValueError):
    """Octets that are no PROXY header."""


class ProxyHeader(msgspec.Struct, frozen=True):
    """What the header says, and how many octets it took."""

    length: int
    source_address: str | None
    """The client's address; null where the proxy speaks for itself or does not know (LOCAL, UNKNOWN)."""
    source_port: int | None


def parse_proxy(data: bytes) -> ProxyHeader | None:
    """Read the header at the start of a connection; None while it is not all there. Raises ProxyError."""
    if data.startswith(_SIGNATURE[: len(data)]):
        return _version_2(data) if len(data) >= 16 else None
    if data.startswith(b"PROXY "[: len(data)]):
        return _version_1(data)
    raise ProxyError("the connection does not begin with a PROXY header")


def _version_1(data: bytes) -> ProxyHeader | None:
    # §2.1: at most 107 octets with the final CR LF.
    end = data.find(b"\r\n", 0, _LONGEST_V1)
    if end < 0:
        if len(data) >= _LONGEST_V1:
            raise ProxyError("the PROXY line has no end")
        return None
    try:
        words = data[:end].decode("ascii").split(" ")
    except UnicodeDecodeError:
        raise ProxyError("the PROXY line is not ASCII") from None
    if words[1] == "UNKNOWN":
        return ProxyHeader(end + 2, None, None)
    if len(words) != 6 or words[1] not in _FAMILIES:
        raise ProxyError("the PROXY line is not of the form: PROXY TCP4 source destination port port")
    family = _FAMILIES[words[1]]
    try:
        source, _destination = family(words[2]), family(words[3])
    except ValueError:
        raise ProxyError("the PROXY line has an address that is none of its family") from None
    ports = [int(word) for word in words[4:] if word.isascii() and word.isdigit() and len(word) <= 5]
    if len(ports) != 2 or max(ports) > 65535:
        raise ProxyError("the PROXY line has a port that is none")
    return ProxyHeader(end + 2, str(source), ports[0])


def _version_2(data: bytes) -> ProxyHeader | None:
    # §2.2: signature, version and command, family and transport, then the length of what follows.
    version, command = data[12] >> 4, data[12] & 0x0F
    if version != 2 or command > 1:
        raise ProxyError("the binary PROXY header has a version or command that is not known")
    length = 16 + int.from_bytes(data[14:16])
    if length > LONGEST_HEADER:
        raise ProxyError(f"the binary PROXY header is longer than {LONGEST_HEADER} octets")
    if len(data) < length:
        return None
    if command == 0:
        return ProxyHeader(length, None, None)
    # What follows the addresses are TLVs; they are passed over with the rest of the header.
    match data[13]:
        case 0x11 if length >= 16 + 12:
            source = str(ipaddress.IPv4Address(data[16:20]))
            return ProxyHeader(length, source, int.from_bytes(data[24:26]))
        case 0x21 if length >= 16 + 36:
            source = str(ipaddress.IPv6Address(data[16:32]))
            return ProxyHeader(length, source, int.from_bytes(data[48:50]))
        case 0x11 | 0x21:
            raise ProxyError("the binary PROXY header is too short for its addresses")
        case _:
            # §2.2: other families are taken and their addresses ignored.
            return ProxyHeader(length, None, None)
