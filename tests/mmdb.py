"""Writes small databases in MaxMind's format (version 2.0), as an operator would supply one."""

import struct
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

_METADATA = b"\xab\xcd\xefMaxMind.com"
_MAP, _TEXT, _UINT16, _UINT32, _UINT64, _ARRAY = 7, 2, 5, 6, 9, 11
_RECORD_OCTETS = 3


def write_places(path: Path, networks: Mapping[str, tuple[str, str]], *, kind: str = "GeoLite2-City") -> None:
    """Write a file that says country and city (may be empty) of IPv4 networks."""
    nodes: list[list[int | bytes | None]] = [[None, None]]
    for text, (country, city) in networks.items():
        network = ip_network(text)
        bits = [(int(network.network_address) >> (31 - depth)) & 1 for depth in range(network.prefixlen)]
        node = 0
        for bit in bits[:-1]:
            below = nodes[node][bit]
            if not isinstance(below, int):
                below = nodes[node][bit] = len(nodes)
                nodes.append([None, None])
            node = below
        record: dict[str, Any] = {"country": {"iso_code": country, "names": {"en": country}}}
        nodes[node][bits[-1]] = _encoded(record | ({"city": {"names": {"en": city}}} if city else {}))
    tree, data = b"", b""
    for pair in nodes:
        for below in pair:
            if isinstance(below, bytes):
                value, data = len(nodes) + 16 + len(data), data + below
            else:
                value = len(nodes) if below is None else below
            tree += value.to_bytes(_RECORD_OCTETS, "big")
    facts = {
        "node_count": (_UINT32, len(nodes)),
        "record_size": (_UINT16, _RECORD_OCTETS * 8),
        "ip_version": (_UINT16, 4),
        "database_type": kind,
        "languages": ["en"],
        "binary_format_major_version": (_UINT16, 2),
        "binary_format_minor_version": (_UINT16, 0),
        "build_epoch": (_UINT64, 1_790_000_000),
        "description": {"en": "For tests"},
    }
    path.write_bytes(tree + bytes(16) + data + _METADATA + _encoded(facts))


def _encoded(value: Any) -> bytes:
    match value:
        case str():
            text: bytes = value.encode()
            return _head(_TEXT, len(text)) + text
        case dict():
            return _head(_MAP, len(value)) + b"".join(_encoded(key) + _encoded(one) for key, one in value.items())
        case list():
            return _head(_ARRAY, len(value)) + b"".join(map(_encoded, value))
        case (kind, number):
            octets: bytes = number.to_bytes(8, "big").lstrip(b"\0")
            return _head(kind, len(octets)) + octets
    raise TypeError(value)


def _head(kind: int, size: int) -> bytes:
    assert size < 29, "longer ones take further octets"
    return struct.pack("B", kind << 5 | size) if kind < 8 else struct.pack("BB", size, kind - 7)
